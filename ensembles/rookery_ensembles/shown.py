"""Short representations: what a value is and how much it holds, never its arrays."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T", bound=type)
_MOST, _TEXT, _FEW = 480, 60, 3


def short_repr(cls: T) -> T:
    """Give a dataclass a representation of at most 480 characters, with counts in place of contents."""
    cls.__repr__ = _represent  # type: ignore[assignment, method-assign]
    return cls


def _represent(self: Any) -> str:
    inner = ", ".join(f"{field.name}={_short(getattr(self, field.name))}" for field in fields(self))
    return _cut(f"{type(self).__name__}({inner})", _MOST)


def _short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"<{type(value).__name__} {' x '.join(map(str, value.shape))}>"
    if isinstance(value, (Mapping, list, tuple)) and len(value) > _FEW:
        return f"<{type(value).__name__} of {len(value)}>"
    return _cut(repr(value), _TEXT)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 4]}...{text[-1]}"
