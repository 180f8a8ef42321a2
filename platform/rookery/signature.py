"""What a function takes, read from its signature and docstring: the one declaration of a verb's options."""

import ast
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_type_hints

REQUIRED = inspect.Parameter.empty
_RULE = re.compile(r"-{3,}\s*$")


@dataclass(frozen=True)
class Between:
    """The range of a number, in its annotation: ``Annotated[int, Between(1)]``."""

    low: int
    high: int | None = None
    """Both included; None for no upper end."""


@dataclass(frozen=True)
class Output:
    """Of a path, in its annotation: a file or folder that the function writes; see `OutPath`."""


OutPath = Annotated[str | Path, Output()]
"""An output: refused where it exists, before any work is done, unless the function's `overwrite` is true."""


@dataclass(frozen=True)
class Argument:
    """An argument of a function."""

    name: str
    kind: Any
    """Its type, with what is annotated."""
    default: Any
    """REQUIRED where there is none; of an option of a typed dictionary, whose function knows better, None."""
    words: str
    """What the docstring says of it."""
    positional: bool
    """Whether it is given by its place; the others are given by name."""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED


def arguments(function: Callable[..., Any]) -> list[Argument]:
    """Return what a function takes, in order; ``**options: Unpack[...]`` are spelled out."""
    written = {name: kind for name, kind in function.__annotations__.items() if name != "return"}
    holder = SimpleNamespace(__annotations__=written)
    kinds = get_type_hints(holder, function.__globals__, include_extras=True)
    words = parameter_words(function.__doc__ or "")
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            (options,) = get_args(kinds[name])
            told = field_words(options)
            for key, kind in get_type_hints(options, include_extras=True).items():
                found.append(Argument(key, kind, None, plain(told.get(key, "")), positional=False))
        else:
            positional = parameter.kind is not parameter.KEYWORD_ONLY
            found.append(Argument(name, kinds[name], parameter.default, words.get(name, ""), positional))
    return found


def summary(function: Callable[..., Any]) -> str:
    """Return the first paragraph of a function's docstring, in plain words."""
    return plain(inspect.cleandoc(function.__doc__ or "").split("\n\n")[0])


def parameter_words(docstring: str) -> dict[str, str]:
    """Return what a numpydoc docstring says of each parameter, in plain words."""
    lines = inspect.cleandoc(docstring).splitlines()
    if "Parameters" not in lines:
        return {}
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line, below in pairwise([*lines[lines.index("Parameters") + 2 :], ""]):
        if _RULE.match(below):
            break  # the next section
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(":")[0].split(",")]
            found |= {name: [] for name in names}
        else:
            for name in names:
                found[name].append(line)
    return {name: plain("\n".join(text)) for name, text in found.items()}


def field_words(options: type) -> dict[str, str]:
    """Return what stands under each key of a typed dictionary, those that it inherits first."""
    (tree,) = ast.parse(inspect.getsource(options)).body
    assert isinstance(tree, ast.ClassDef)
    names = [base.id for base in tree.bases if isinstance(base, ast.Name)]
    found: dict[str, str] = {}
    for base in (vars(sys.modules[options.__module__])[name] for name in names):
        if hasattr(base, "__total__"):  # not TypedDict itself
            found |= field_words(base)
    for field, below in pairwise(tree.body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(below.value, ast.Constant)
            found[field.target.id] = str(below.value.value)
    return found


def plain(text: str) -> str:
    """Return words of a docstring without its markup, in one paragraph."""
    text = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`")
