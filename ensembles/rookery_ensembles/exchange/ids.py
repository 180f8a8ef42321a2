"""Names of objects as users keep them: numbers stay numbers."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail

_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,18}")
_EXACT = 2.0**53
"""Whole numbers up to here are exact in double precision."""


def are_numbers(names: Sequence[str]) -> bool:
    """Return whether every name is what Python writes of a number of 64 bits: ``12``, ``-3``, not ``007``."""
    if not all(_CANONICAL.fullmatch(name) for name in names):
        return False
    return all(-(2**63) <= int(name) < 2**63 for name in names)


def users_ids(object_id: Sequence[str] | NDArray[Any], numbers: bool | None = None) -> NDArray[Any]:
    """Return (N,) names as they are written to tables: int64 where every one is a canonical whole number.

    Then nothing is lost, and a user's own numbers come back as numbers. Else they are text.

    Parameters
    ----------
    numbers
        Whether they are `are_numbers`, where these are some of more names; by default they tell.
    """
    names = [str(name) for name in object_id]
    if are_numbers(names) if numbers is None else numbers:
        return np.array([int(name) for name in names], dtype=np.int64)
    return np.array(names, dtype=np.str_)


def ids_as_text(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return (N,) names of a table's column as predictions hold them: text.

    Raises
    ------
    InputError
        Where a name is missing, or is a number with a fraction or one too large to be exact.
    """
    found = np.asarray(values)
    if found.dtype.kind == "f":
        bad = np.flatnonzero(~(np.isfinite(found) & (found == np.floor(found)) & (np.abs(found) <= _EXACT)))
        if bad.size:
            rule = "must be text or whole numbers that doubles hold exactly"
            raise fail(f"{where}, row {bad[0]}", f"{rule}, but found {found[bad[0]]!r}")
        found = found.astype(np.int64)
    if found.dtype.kind == "S":
        found = np.char.decode(found, "utf-8", "replace")
    if found.dtype.kind in "iu":
        return found.astype(np.str_)
    missing = [row for row, name in enumerate(found.tolist()) if name is None or name != name or name == ""]
    if missing:
        raise fail(f"{where}, row {missing[0]}", "every object must have a name, but this one has none")
    return np.array([str(name).strip() for name in found.tolist()], dtype=np.str_)
