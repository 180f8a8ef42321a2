"""What docstrings and docs refer to is there: what was renamed is renamed in words too."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT / "platform", ROOT / "ensembles")
_REFERENCE = re.compile(r":(?:mod|class|func|meth|attr|data|exc):`~?([\w.]+)`")
MODULES = {
    file: ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
    for folder in PACKAGES
    for file in sorted(folder.rglob("*.py"))
    if _REFERENCE.search(file.read_text(encoding="utf-8"))
}


def resolve(name: str, module: str) -> bool:
    """Whether a name stands in a module, or is the full name of something."""
    parts = name.split(".")
    if _stands_in(importlib.import_module(module), parts):
        return True
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return _stands_in(found, parts[end:])
    return False


def _stands_in(found: Any, names: list[str]) -> bool:
    for name in names:
        inner = [found, *(each for each in vars(found).values() if isinstance(each, type))]
        holder = next((each for each in inner if hasattr(each, name) or _is_field(each, name)), None)
        if holder is None:
            return False
        found = getattr(holder, name, None)
    return True


def _is_field(holder: Any, name: str) -> bool:
    return name in getattr(holder, "__annotations__", {})


@pytest.mark.parametrize("file", MODULES, ids=MODULES.values())
def test_what_docstrings_refer_to_is_there(file: Path) -> None:
    names = set(_REFERENCE.findall(file.read_text(encoding="utf-8")))
    assert [name for name in sorted(names) if not resolve(name, MODULES[file])] == []


def test_a_reference_to_what_was_renamed_is_found() -> None:
    assert resolve("rookery.search.study.Study", "rookery.search.study")
    assert resolve("Study", "rookery.search.study")
    assert not resolve("rookery.search.warm_start", "rookery.search.study")
    assert not resolve("Warm", "rookery.search.study")


def test_tests_that_the_docs_name_as_their_evidence_are_there() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"\btest_\w+\.py", page.read_text("utf-8"))}
    there = {file.name for folder in ("tests", "platform") for file in (ROOT / folder).rglob("test_*.py")}
    assert len(named) > 20
    assert named - there == set()


def test_every_promise_of_what_happens_at_faults_names_its_test() -> None:
    rows = re.findall(r"^\| .*\|$", (ROOT / "docs" / "faults.md").read_text("utf-8"), re.M)[1:]
    assert len(rows) > 30
    assert [row for row in rows if not re.search(r"`test_\w+\.py`", row.rstrip("|").rpartition("|")[2])] == []
