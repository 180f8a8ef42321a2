"""Every number of docs/results.md is one that the commands beside it printed."""

import importlib.util
import re
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def results() -> ModuleType:
    from pathlib import Path

    file = Path(__file__).resolve().parents[2] / "benchmarks" / "results.py"
    spec = importlib.util.spec_from_file_location("results", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text(results: ModuleType) -> str:
    found: str = results.PAGE.read_text(encoding="utf-8")
    return found


def test_tables_and_commands_are_those_that_are_stored(results: ModuleType, text: str) -> None:
    assert results.page(text) == text, "python benchmarks/results.py --page"


def test_every_stored_result_is_shown_and_has_the_commands_of_its_recipe(
    results: ModuleType, text: str
) -> None:
    recipes = results.recipes()
    for file in results.STORED.glob("*.json"):
        assert f"<!-- commands {file.stem} -->" in text, file.name
        commands = [results.command_text(command) for command in recipes[file.stem]["commands"]]
        assert results.stored(file.stem)["commands"] == commands, file.name


def test_numbers_in_sentences_are_stored_too(results: ModuleType, text: str) -> None:
    assert results.strange_numbers(text) == []


def test_every_section_shows_its_commands(text: str) -> None:
    for section in re.split(r"(?m)^(?=## )", text)[1:]:
        assert "<!-- commands " in section, section.splitlines()[0]


def test_a_changed_number_is_found(results: ModuleType, text: str) -> None:
    block = re.search(r"<!-- table .*?<!-- end -->", text, re.S)
    assert block is not None
    number = re.findall(r"\d\.\d{4}", block.group())[0]
    other = f"{float(number) + 0.0001:.4f}"
    assert results.page(text.replace(number, other)) != text.replace(number, other)
    planted = text.replace("\n## ", "\nIt reached 0.31415 there.\n\n## ", 2)
    assert any("0.31415" in line for line in results.strange_numbers(planted))
