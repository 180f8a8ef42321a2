"""Files and functions stay small enough to be read at once."""

import ast
from pathlib import Path

import pytest

import arrows

FILE, FUNCTION = 350, 70
"""Most lines of a file, and of a function without its docstring."""
FILES = arrows.modules("platform/rookery", "ensembles/rookery_ensembles")


def lengths(tree: ast.AST) -> dict[str, int]:
    """Lines of each function by its name, its docstring apart."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node) is not None else None
            words = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
            n = (node.end_lineno or 0) - node.lineno + 1 - words
            found[node.name] = max(n, found.get(node.name, 0))
    return found


def too_long(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    found = [f"{file}: {lines} lines, more than {FILE}"] if lines > FILE else []
    long = {name: n for name, n in lengths(ast.parse(text)).items() if n > FUNCTION}
    return found + [f"{file}: {name} has {n} lines, more than {FUNCTION}" for name, n in long.items()]


def test_no_file_and_no_function_is_too_long() -> None:
    assert [line for file in FILES.values() for line in too_long(file)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\n" * FILE, 0),
        ("x = 1\n" * (FILE + 1), 1),
        ("def f():\n" + "    x = 1\n" * (FUNCTION - 1), 0),
        ("def f():\n" + "    x = 1\n" * FUNCTION, 1),
        ('def f():\n    """Words.\n' + "\n" * 40 + '    """\n' + "    x = 1\n" * (FUNCTION - 1), 0),
        ("class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION, 1),
    ],
)
def test_what_is_too_long_is_found(text: str, found: int, tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(text)
    assert len(too_long(file)) == found
