"""The house keeps its shape: sizes, explained fields, and imports that run one way."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import arrows as drawing

FILE, FUNCTION = 350, 70
"""Most lines of a file, and of a function without its docstring."""
FILES = drawing.modules("platform/rookery", "ensembles/rookery_ensembles")


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


BASES = {"NamedTuple", "TypedDict", "BaseModel", "Document"}


def has_fields(node: ast.ClassDef) -> bool:
    bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
    return bool(bases & BASES) or any("dataclass" in ast.unparse(one) for one in node.decorator_list)


def is_field(node: ast.stmt | None) -> bool:
    """Whether it is a public field."""
    if not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation):
        return False
    return not ast.unparse(node.target).startswith("_")


def problems(tree: ast.AST) -> Iterator[str]:
    """Yield what of public classes is explained nowhere, or elsewhere."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        annotated = any(isinstance(one, ast.AnnAssign) for one in node.body)
        if annotated and "Attributes\n---" in (ast.get_docstring(node) or ""):
            yield f"{node.name}: explains its fields in its own docstring"
        for one, following in zip(node.body, [*node.body[1:], None], strict=True):
            last = has_fields(node) and is_field(one) and not is_field(following)
            if last and not isinstance(following, ast.Expr):
                assert isinstance(one, ast.AnnAssign)
                yield f"{node.name}.{ast.unparse(one.target)}: is not explained"


def test_every_field_of_a_public_class_is_explained_under_it() -> None:
    found = {name: list(problems(ast.parse(file.read_text("utf-8")))) for name, file in FILES.items()}
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: int\n    b: int\n    '''Words.'''", []),
        ("a: int\n    '''Words.'''\n    b: int = 1\n\n    def f(self): ...", ["A.b: is not explained"]),
        ("a: int", ["A.a: is not explained"]),
        ("'''One.\n\n    Attributes\n    ----------\n    a\n        Words.'''\n    a: int",
         ["A: explains its fields in its own docstring", "A.a: is not explained"]),
    ],
)  # fmt: skip
def test_what_is_not_explained_is_found(text: str, found: list[str]) -> None:
    assert list(problems(ast.parse(f"@dataclass\nclass A:\n    {text}"))) == found
    assert len(list(problems(ast.parse(f"class A(NamedTuple):\n    {text}")))) == len(found)


@pytest.fixture(scope="module")
def drawn() -> drawing.Arrows:
    return drawing.arrows(drawing.modules("platform/rookery", "ensembles/rookery_ensembles"))


def test_no_modules_import_each_other_in_a_circle(drawn: drawing.Arrows) -> None:
    assert drawing.circle(drawn) is None


def test_a_room_imports_only_from_rooms_below_it(drawn: drawing.Arrows) -> None:
    linter = tomllib.loads((drawing.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (order,) = [
        [layer.removeprefix("rookery.") for layer in contract["layers"]]
        for contract in linter["contracts"]
        if "rookery.cli" in contract.get("layers", [])
    ]
    rooms = {path.stem for path in (drawing.ROOT / "platform" / "rookery").iterdir() if path.is_dir()}
    assert rooms - {"__pycache__", "search_spaces"} <= set(order)  # one layer a line, and none forgotten
    back = [
        f"{module} -> {target}"
        for module, targets in drawn.items()
        for target in targets
        if room_of(module, order) > room_of(target, order)
    ]
    assert back == []


def room_of(module: str, order: list[str]) -> int:
    """How far below the front door a module is; the few files beside the rooms serve all of them."""
    found = drawing.room(module)
    if found == "__main__":
        return -1
    return order.index(found) if module.startswith("rookery.") and found in order else len(order)


@pytest.mark.parametrize(
    ("drawn", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, None),
    ],
)
def test_a_circle_is_found(drawn: drawing.Arrows, found: list[str] | None) -> None:
    assert drawing.circle(drawn) == found


def habits(text: str) -> list[str]:
    """Return what this code does in one way everywhere, done in another."""
    found = ["from __future__"] if "from __future__ import" in text else []
    loggers = re.findall(r"^(\w+) = logging\.getLogger\((.*)\)", text, re.M)
    found += [f"{name} = getLogger({of})" for name, of in loggers if (name, of) != ("logger", "__name__")]
    return found + re.findall(r"\w+\.__class__\(", text)


def test_loggers_annotations_and_copies_are_written_in_one_way() -> None:
    found = {name: habits(file.read_text("utf-8")) for name, file in FILES.items()}
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("logger = logging.getLogger(__name__)\n", 0),
        ("log = logging.getLogger(__name__)\n", 1),
        ('logger = logging.getLogger("rookery")\n', 1),
        ("from __future__ import annotations\n", 1),
        ("made = first.info.__class__(member=None)\n", 1),
    ],
)
def test_what_is_written_in_another_way_is_found(text: str, found: int) -> None:
    assert len(habits(text)) == found
