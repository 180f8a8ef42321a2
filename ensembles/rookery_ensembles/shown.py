"""Short representations: what a value is and how much it holds, never its arrays."""

import html
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T", bound=type)
_MOST, _TEXT, _FEW = 480, 60, 3


def short_repr(cls: T) -> T:
    """Give a class a representation of at most 480 characters, with counts in place of contents.

    In a notebook it is a table of the same. What is shown are the fields of a dataclass, or else the public
    attributes.
    """
    cls.__repr__ = _represent  # type: ignore[assignment, method-assign]
    cls._repr_html_ = _represent_html  # type: ignore[attr-defined]
    return cls


def _represent(self: Any) -> str:
    inner = ", ".join(f"{name}={_short(value)}" for name, value in _shown(self))
    return _cut(f"{type(self).__name__}({inner})", _MOST)


def _represent_html(self: Any) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_short(value))}</td></tr>"
        for name, value in _shown(self)
    )
    return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"


def _shown(value: Any) -> Iterator[tuple[str, Any]]:
    names = [each.name for each in fields(value)] if is_dataclass(value) else sorted(vars(value))
    return ((name, getattr(value, name)) for name in names if not name.startswith("_"))


def _short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"<{type(value).__name__} {' x '.join(map(str, value.shape))}>"
    if isinstance(value, (Mapping, list, tuple)) and len(value) > _FEW:
        return f"<{type(value).__name__} of {len(value)}>"
    text = repr(value)
    if " at 0x" in text:  # functions, and objects that do not say what they are
        return f"<{type(value).__name__}>"
    return _cut(text, _TEXT)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 4]}...{text[-1]}"
