"""Fields are explained in one way: by words under them, or under the last of those that belong together."""

import ast
from collections.abc import Iterator

import pytest

import arrows

FILES = arrows.modules("platform/rookery", "ensembles/rookery_ensembles")
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
