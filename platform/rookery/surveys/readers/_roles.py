"""Columns that play roles, as a file names them, and the error of one that is missing."""

from pathlib import Path

from rookery.documents import Source
from rookery_ensembles.errors import InputError, did_you_mean, fail


def read_columns(path: Path) -> dict[str, str]:
    """Read a YAML file with a line ``ROLE: COLUMN`` for each role.

    Raises
    ------
    InputError
        When it is unreadable or holds anything else.
    """
    document = Source.read(path).data
    for role, column in document.items():
        if not isinstance(role, str) or not isinstance(column, (str, int)) or isinstance(column, bool):
            raise fail(path, f"must be lines of ROLE: COLUMN, but holds {role!r}: {column!r}")
    return {role: str(column) for role, column in document.items()}


def missing_column(role: str, column: str, names: list[str], where: Path, hint: str = "") -> InputError:
    """Return the error of a table, with columns `names`, that lacks a role's column."""
    rule = f"must have a column {column!r} for {role}; its columns are {', '.join(names)}"
    return fail(where, f"{rule}{hint}{did_you_mean(column, names)}")
