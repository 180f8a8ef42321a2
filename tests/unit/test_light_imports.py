"""What must stay cheap to import, each checked in a fresh interpreter."""

import resource
import subprocess
import sys

import pytest

HEAVY = ("torch", "ray", "optuna")


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def loaded_after(statement, names):
    return run(f"import sys; {statement}; print([n for n in {names!r} if n in sys.modules])").strip()


def test_the_ensembles_package_leaves_torch_and_ray_alone():
    statement = "import pkgutil, importlib, rookery_ensembles as p; "
    statement += (
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.')]"
    )
    assert loaded_after(statement, HEAVY) == "[]"


@pytest.mark.parametrize(
    "module", ["rookery", "rookery.cli", "rookery.api", "rookery.surveys", "rookery.search.space"]
)
def test_a_light_module_leaves_heavy_libraries_alone(module):
    assert loaded_after(f"import {module}", HEAVY) == "[]"


def test_the_command_line_does_not_even_load_numpy():
    assert loaded_after("import rookery.cli", ("numpy", "pandas", "pyarrow")) == "[]"


def test_help_answers_in_half_a_second():
    code = "import sys; sys.argv = ['rookery', '--help']; from rookery.cli import main; main()"
    times = []
    for _ in range(3):  # processor time, the best of three: other tests may run on the same cores
        start = children_seconds()
        assert "Search a space" in run(code)
        times.append(children_seconds() - start)
    assert min(times) < 0.5
