"""What must stay cheap to import, each checked in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "ray", "optuna")


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_after(statement, names):
    return run(f"import sys; {statement}; print([n for n in {names!r} if n in sys.modules])").strip()


def test_the_ensembles_package_leaves_torch_and_ray_alone():
    statement = "import pkgutil, importlib, rookery_ensembles as p; "
    statement += (
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.')]"
    )
    assert loaded_after(statement, HEAVY) == "[]"


def test_the_ensembles_package_alone_imports_nothing_heavy():
    heavy = (*HEAVY, "rookery", "sklearn", "scipy", "pandas", "pyarrow")
    assert loaded_after("import rookery_ensembles", heavy) == "[]"


@pytest.mark.parametrize(
    "module", ["rookery", "rookery.cli", "rookery.api", "rookery.surveys", "rookery.search.space"]
)
def test_a_light_module_leaves_heavy_libraries_alone(module):
    assert loaded_after(f"import {module}", HEAVY) == "[]"


FILES = Path(__file__).resolve().parents[1] / "fixtures" / "files_of_0_1"
STUDY = f"open_study({str(FILES / 'studies' / 'classes')!r})"


@pytest.mark.parametrize(
    "statement",
    [
        f"from rookery.api import status; status({str(FILES / 'studies' / 'classes')!r})",
        f"from rookery.api import status; status({str(FILES / 'campaign')!r})",
        "from rookery.search.study import open_study; from rookery.search.costs import trial_costs; "
        f"assert {STUDY}.complete_trials() and len(trial_costs({STUDY}))",
        "from pathlib import Path; from rookery.dashboard.optuna_pages import open_storage; "
        f"assert open_storage(Path({str(FILES / 'studies' / 'classes')!r})).get_all_studies()",
        "import rookery.dashboard.server",
        "import rookery.search.creation, rookery.search.driver",
    ],
    ids=[
        "status of a study",
        "status of a campaign",
        "cards and costs",
        "study of the dashboard",
        "dashboard",
        "driver of a search",
    ],
)
def test_who_looks_or_drives_does_not_wait_for_torch_or_ray(statement):
    assert loaded_after(statement, ("torch", "ray")) == "[]"


@pytest.mark.parametrize("name", ["job", "card", "rows", "target"])
def test_what_describes_a_training_needs_no_torch(name):
    assert loaded_after(f"import rookery.training.{name}", HEAVY) == "[]"


def test_families_are_found_and_configured_without_torch():
    statement = "from rookery.networks.family import family_names, load_family; "
    statement += "[load_family(name).configure({}) for name in family_names()]"
    assert loaded_after(statement, HEAVY) == "[]"


def test_the_command_line_does_not_even_load_numpy():
    assert loaded_after("import rookery.cli", ("numpy", "pandas", "pyarrow")) == "[]"


def test_completion_waits_for_no_heavy_library():
    words = {"_ROOKERY_COMPLETE": "complete_bash", "COMP_WORDS": "rookery search --stu", "COMP_CWORD": "2"}
    code = f"import os, sys; os.environ.update({words!r}); from rookery.cli.main import app\n"
    code += "try:\n    app([], prog_name='rookery')\nexcept SystemExit:\n    pass\n"
    code += "print([name for name in ('torch', 'ray', 'optuna', 'pandas') if name in sys.modules])"
    assert run(code).split() == ["--study", "[]"]


def test_help_loads_few_modules():
    """What half a second of `rookery --help` is made of (docs/performance.md has the seconds): a third of
    a millisecond a module, and a slow machine counts as many of them as a fast one."""
    code = "import sys; sys.argv = ['rookery', '--help']\nfrom rookery.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\nprint(len(sys.modules))"
    said = run(code)
    assert "Search a space" in said
    assert int(said.splitlines()[-1]) < 400
