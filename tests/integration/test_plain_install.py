"""What the command line says where no extra is installed: each verb answers or names what it lacks."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import rookery
from rookery import extras
from rookery.cli.build import Group, Verb
from rookery.cli.verbs import VERBS
from rookery.clusters import probe
from rookery.search.creation import create_or_open_study
from rookery.search.space import find_space, load_space
from rookery.surveys import Survey
from rookery_ensembles import Classes

LINES = {
    "split": ("{survey} again --train-fraction 0.5", None),
    "append": ("{survey} nowhere.csv", None),
    "update": ("{survey} --truth nowhere.csv", None),
    "merge": ("{survey} {survey} merged --origin a --origin b --prefix-ids", None),
    "search": ("pelican --survey {survey} --split half --study s --trials 1", "search"),
    "ensemble": ("{study}", "search"),
    "predict": ("{study} {survey} o.parquet", "search"),
    "combine": ("nowhere.parquet --truth {survey} --out o", None),
    "apply": ("nowhere nowhere.parquet --out o.parquet", None),
    "correct-priors": ("nowhere.parquet o.parquet --survey {survey} --split half", "search"),
    "export": ("nowhere.parquet o.csv", None),
    "evaluate": ("nowhere.parquet {survey} --split half --replicates 0 --report r", None),
    "compare": ("nowhere.parquet other.parquet", None),
    "explain": ("{study} {survey} o", "search"),
    "baseline": ("salt2-trees --survey {survey} --split half o.parquet", "simulate"),
    "campaign": ("tiny --out c", "search"),
    "submit": (
        "--address http://127.0.0.1:9 -- search pelican --survey s --split h --study s --trials 1",
        None,
    ),
    "bench": ("", "search"),
    "status": ("{study}", None),
    "report": ("{study} o.html", None),
    "show": ("{survey}", None),
    "spaces": ("", None),
    "families": ("", None),
    "new family": ("my_network", None),
    "pareto": ("{study}", "search"),
    "tag": ("{study} 0 --add good", None),
    "dashboard": ("{study}", "dashboard"),
    "demo": ("", "search,simulate"),
    "simulate supernovae": ("o --n 3", "simulate"),
    "simulate galaxies": ("o --n 3", "simulate"),
    "cluster write": ("slurm", None),
    "doctor": ("--address 127.0.0.1:9", "search"),
    "jobs list": ("--address http://127.0.0.1:9", None),
    "jobs logs": ("j --address http://127.0.0.1:9", None),
    "jobs stop": ("j --address http://127.0.0.1:9", None),
}
"""Arguments of every verb, and the extra that it needs; the readers of `ingest` follow."""
INGEST = "snana snana-fits headphot-csv plasticc table catalogue mlz annz cubes cutouts frames"
LINES |= {f"ingest {reader}": ("nowhere o", None) for reader in INGEST.split()}
BARE = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder
blocked = json.loads(sys.argv[1])
class Plain(PathFinder):
    @classmethod
    def find_spec(cls, name, *rest):
        return None if name.split(".")[0] in blocked else super().find_spec(name, *rest)
sys.meta_path = [Plain if finder is PathFinder else finder for finder in sys.meta_path]
from rookery import cli
from rookery_ensembles import Classes
told = {}
for verb, words in json.loads(sys.argv[2]).items():
    sys.argv = ["rookery", *verb.split(), *words.split()]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException as error:
            code, _ = repr(error), err.write(f"Traceback: {error!r}")
    told[verb] = [code, err.getvalue()]
print(json.dumps(told))
"""


def leaves(verbs: Mapping[str, Verb | Group], first: str = "") -> Iterator[str]:
    for name, verb in verbs.items():
        if isinstance(verb, Group):
            yield from leaves(verb.verbs(), f"{first}{name} ")
        else:
            yield first + name


@pytest.fixture(scope="module")
def told(tiny_survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, str]]:
    folder = tmp_path_factory.mktemp("plain")
    space = load_space(find_space("pelican"))
    study = create_or_open_study(
        folder / "study", space, tiny_survey, "half", target=Classes(("Ia", "non-Ia"))
    )
    own = shutil.copytree(tiny_survey.path, folder / "survey")  # it gets a split that no other test shall see
    places = {"survey": own, "study": study.path}
    blocked = [module for modules in extras.MODULES.values() for module in modules]
    lines = {verb: words.format(**places) for verb, (words, _) in LINES.items()}
    done = subprocess.run(
        [sys.executable, "-c", BARE, json.dumps(blocked), json.dumps(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return {verb: (code, text) for verb, (code, text) in json.loads(done.stdout).items()}


def test_every_verb_is_tried() -> None:
    assert set(leaves(VERBS)) == set(LINES)


@pytest.mark.parametrize("verb", LINES)
def test_a_verb_without_its_extra_is_one_line_and_exit_status_2(verb: str, told: dict[str, Any]) -> None:
    code, text = told[verb]
    extra = LINES[verb][1]
    lines = [line for line in text.splitlines() if line.strip()]
    if extra is None:
        assert code == 0 or (code == 2 and len(lines) == 1), text
        assert "extra" not in text
        return
    assert (code, len(lines)) == (2, 1), text
    assert f"of the extra `{extra}`: in Rookery's checkout `pip install -c constraints.txt" in text
    assert f"'{rookery.DISTRIBUTION}[{extra}]'" in text


def test_hints_name_what_pyproject_has(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    assert project["name"] == rookery.DISTRIBUTION == probe.PACKAGES[0]
    assert set(extras.MODULES) == set(project["optional-dependencies"]) - {"cluster", "dev"}
    for extra, modules in extras.MODULES.items():
        wanted = " ".join(project["optional-dependencies"][extra])
        for module in modules:
            assert {"pynvml": "nvidia-ml-py"}.get(module, module.replace("_", "-")) in wanted


def test_no_text_names_the_other_program(project_root: Path) -> None:
    names = [*project_root.glob("*.*"), *(project_root / "docs").glob("*.md")]
    names += [path for path in (project_root / "platform").rglob("*.*") if path.suffix != ".pyc"]
    wrong = [path for path in names if path.is_file() and b"install 'rookery[" in path.read_bytes()]
    assert not wrong
