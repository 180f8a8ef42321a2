"""How tables in text are written: what parts their fields, and the point of their numbers."""

import re
from collections.abc import Iterable

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
"""A number that is written with a comma."""


def split_fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line."""
    if delimiter == " ":
        return line.split()
    return [field.strip().strip('"') for field in line.split(delimiter)]


def separator(line: str) -> str:
    """Return what parts the fields of a line, ``" "`` where it is blanks."""
    return next((mark for mark in (";", ",", "\t") if mark in line), " ")


def decimal_point(rows: Iterable[str], delimiter: str) -> str:
    """Return how the numbers of rows are written: with a point, or with a comma between semicolons."""
    if delimiter != ";":
        return "."
    fields = [field for row in rows for field in split_fields(row.strip(), delimiter)]
    return "," if any(map(DECIMAL_COMMA.fullmatch, fields)) else "."
