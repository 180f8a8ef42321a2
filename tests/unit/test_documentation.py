"""Every block of code of every page is one that Rookery takes: its verbs, options, targets, files and names.

The quickstarts are run as they are typed by tests/integration/test_quickstarts.py, the commands and Python of
docs/ensembles.md by test_ensembles_page.py, notebooks by `make site`. What would take hours, a cluster or
others' data is parsed here by the command line's own parser, and its Python held to what it uses.
"""

import ast
import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest
import yaml

from pages import Block, blocks, cells, notebooks, pages
from rookery import api
from rookery.cli.build import Group, command
from rookery.cli.verbs import ROOT

ROOT_FOLDER = Path(__file__).resolve().parents[2]
BLOCKS = [block for page in pages(ROOT_FOLDER) for block in blocks(page)]
OTHER_PROGRAMS = {
    ".", "aws", "cd", "curl", "docker", "export", "git", "kubectl", "pip", "printf", "ray", "sbatch", "ssh",
    "source", "tar",
}  # fmt: skip


def of(language: str) -> list[Block]:
    found = [block for block in BLOCKS if block.language == language]
    assert found
    return found


def parse(words: list[str]) -> None:
    """Parse a command of Rookery's as the command line does; raises click's error."""
    made_of: object = ROOT
    while isinstance(made_of, Group):
        name = words.pop(0)
        made_of = made_of.verbs()[name]
    command(name, made_of).make_context(name, words)


def check(line: str) -> None:
    """Refuse a command that nobody could type."""
    words = shlex.split(re.sub(r"^(\w+=\S+ )+| > \S+$", "", line))
    program, arguments = words[0], words[1:]
    if program == "rookery":
        if arguments[:1] == ["submit"]:
            parse(arguments[arguments.index("--") + 1 :])
        elif not set(arguments) & {"--help", "--version", "--install-completion"}:
            parse(arguments)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT_FOLDER / "Makefile").read_text(), re.M), line
    elif program.startswith("python") or program.endswith("/python"):
        if arguments[0] == "-m":
            assert arguments[1] in ("pytest", "venv", "pip"), line
        else:
            assert (ROOT_FOLDER / arguments[0]).is_file(), line
    else:
        assert program in OTHER_PROGRAMS, line


@pytest.mark.parametrize("block", of(""), ids=lambda block: block.place)
def test_what_is_typed_is_taken(block: Block) -> None:
    for line in block.commands:
        check(line)


def check_python(text: str) -> None:
    """Refuse imports of what is not there, and calls of `rookery.api` with options that it lacks."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("api."):
            known = inspect.signature(getattr(api, ast.unparse(node.func).removeprefix("api."))).parameters
            assert [one.arg for one in node.keywords if one.arg not in known] == []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rookery"):
            if node.module == "rookery.rail":
                pytest.importorskip("rail", reason="RAIL is installed by `make rail` alone")
            module = importlib.import_module(str(node.module))
            assert [one.name for one in node.names if not hasattr(module, one.name)] == []


@pytest.mark.parametrize("block", of("python"), ids=lambda block: block.place)
def test_python_compiles_and_uses_what_is_there(block: Block) -> None:
    check_python(block.text)


@pytest.mark.parametrize("notebook", notebooks(ROOT_FOLDER), ids=lambda notebook: notebook.name)
def test_notebooks_use_what_is_there_and_keep_no_outputs(notebook: Path) -> None:
    check_python("\n".join("".join(cell["source"]) for cell in cells(notebook)))
    assert [cell["id"] for cell in cells(notebook) if cell["outputs"] or cell["execution_count"]] == []


def test_python_with_a_misspelt_option_is_found() -> None:
    with pytest.raises(AssertionError, match="train_fractoin"):
        check_python("api.split(survey, 'half', train_fractoin=0.5)")


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.place)
def test_yaml_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text) is not None


def test_no_block_is_of_a_language_that_nobody_looks_at() -> None:
    assert {block.language for block in BLOCKS} == {"", "python", "text", "yaml"}


def test_a_command_with_a_misspelt_option_is_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        check("rookery split my_survey half --train-fractoin 0.5")


def test_the_reference_lists_every_verb_of_python() -> None:
    listed = re.findall(r"autofunction:: (\w+)", (ROOT_FOLDER / "docs" / "reference" / "api.md").read_text())
    assert listed == sorted(name for name in api.__all__ if inspect.isfunction(getattr(api, name)))
