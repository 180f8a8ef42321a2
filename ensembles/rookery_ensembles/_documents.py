"""Taking documents read from JSON or YAML apart, with the file and the key in every complaint."""

import reprlib
from collections.abc import Sequence
from typing import TypeVar, cast

from rookery_ensembles.errors import fail

T = TypeVar("T", str, int, float, bool)

_SPOKEN = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class Fields:
    """One mapping of a document whose keys are known beforehand.

    A key whose value is null counts as absent.

    Parameters
    ----------
    document
        What the JSON or YAML reader returned.
    where
        The file, and the key under which this mapping stands in it.
    known
        Every key that may occur; None for a mapping with keys of any name.

    Raises
    ------
    InputError
        When `document` is no mapping or has an unknown key. The methods raise it for a missing
        key and for a value of the wrong type.
    """

    def __init__(self, document: object, where: str, known: Sequence[str] | None) -> None:
        if not isinstance(document, dict):
            raise fail(where, f"must be a mapping of keys to values, but found {reprlib.repr(document)}")
        for key in document:
            if not isinstance(key, str):
                raise fail(where, f"keys must be text, but found {reprlib.repr(key)}")
            if known is not None and key not in known:
                raise fail(where, f"unknown key `{key}`; the keys are {', '.join(known)}")
        self.where = where
        self._document = cast(dict[str, object], document)

    @classmethod
    def of_method(cls, document: object, where: str, method: str, known: Sequence[str]) -> "Fields":
        """Return a mapping that a key `method` tells to be of this method; `known` are its other keys."""
        fields = cls(document, where, ("method", *known))
        if (found := fields.take("method", str)) != method:
            raise fail(fields.place("method"), f"must be `{method}`, but found {found!r}")
        return fields

    def place(self, key: str) -> str:
        """Return the name of `key`'s place, for messages."""
        return f"{self.where}, key `{key}`"

    def has(self, key: str) -> bool:
        """Return whether `key` has a value."""
        return self._document.get(key) is not None

    def raw(self, key: str) -> object:
        """Return the value of a key that must be there, whatever its type."""
        if not self.has(key):
            raise fail(self.where, f"the key `{key}` is missing")
        return self._document[key]

    def take(self, key: str, kind: type[T]) -> T:
        """Return the value of a key that must be there; a whole number passes for a float."""
        return _typed(self.raw(key), kind, self.place(key))

    def get(self, key: str, kind: type[T]) -> T | None:
        """Return the value of `key`, or None where it is absent."""
        return self.take(key, kind) if self.has(key) else None

    def take_list(self, key: str, kind: type[T]) -> tuple[T, ...]:
        """Return the entries of a list that must be there."""
        return tuple(
            _typed(entry, kind, f"{self.place(key)}[{i}]") for i, entry in enumerate(self._entries(key))
        )

    def get_list(self, key: str, kind: type[T]) -> tuple[T, ...] | None:
        """Return the entries of a list, or None where it is absent."""
        return self.take_list(key, kind) if self.has(key) else None

    def take_rows(self, key: str) -> tuple[tuple[float, ...], ...]:
        """Return the entries of a list of lists of numbers that must be there."""
        rows = []
        for i, row in enumerate(self._entries(key)):
            if not isinstance(row, list):
                raise fail(f"{self.place(key)}[{i}]", f"must be a list, but found {reprlib.repr(row)}")
            rows.append(tuple(_typed(x, float, f"{self.place(key)}[{i}][{j}]") for j, x in enumerate(row)))
        return tuple(rows)

    def mapping(self, key: str) -> dict[str, object]:
        """Return a mapping that must be there, with keys of any name and values of any type."""
        return dict(Fields(self.raw(key), self.place(key), None)._document)

    def numbers(self, key: str) -> dict[str, float]:
        """Return a mapping that must be there, from keys of any name to numbers."""
        return {
            name: _typed(value, float, f"{self.place(key)}.{name}")
            for name, value in self.mapping(key).items()
        }

    def section(self, key: str, known: Sequence[str]) -> "Fields":
        """Return a mapping that must be there."""
        return Fields(self.raw(key), self.place(key), known)

    def sections(self, key: str, known: Sequence[str]) -> "list[Fields]":
        """Return the mappings of a list that must be there."""
        return [Fields(entry, f"{self.place(key)}[{i}]", known) for i, entry in enumerate(self._entries(key))]

    def _entries(self, key: str) -> list[object]:
        value = self.raw(key)
        if not isinstance(value, list):
            raise fail(self.place(key), f"must be a list, but found {reprlib.repr(value)}")
        return value


def _typed(value: object, kind: type[T], where: str) -> T:
    accepted = (int, float) if kind is float else (kind,)
    # bool is an int to Python, but "fold: true" is a mistake.
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise fail(where, f"must be {_SPOKEN[kind]}, but found {reprlib.repr(value)}")
    try:
        return kind(value)
    except OverflowError as error:
        raise fail(
            where, f"must be a number that a float can hold, but found {reprlib.repr(value)}"
        ) from error
