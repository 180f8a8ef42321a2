"""Which rows of SNANA's PHOT table belong to which row of its HEAD table."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail

# SNANA ends each object's rows with one in which the date is this.
SEPARATOR = -777.0


def owners(
    head: dict[str, NDArray[Any]], mjd: NDArray[np.float64], head_path: Path, phot_path: Path
) -> NDArray[np.int32]:
    """Return for each PHOT row the HEAD row that owns it, -1 for separators.

    PTROBS_MIN and PTROBS_MAX count rows from 1 and include both ends; an object without
    observations has PTROBS_MAX < PTROBS_MIN, or both 0 or negative.

    Raises
    ------
    InputError
        When pointers lie outside the table, overlap, take in a separator, disagree with NOBS, or
        leave a row that is no separator to nobody: the two tables do not belong together.
    """
    for name in ("PTROBS_MIN", "PTROBS_MAX"):
        if name not in head or head[name].dtype.kind not in "iu":
            raise fail(head_path, f"must have a column {name} of whole numbers")
    first, last = (head[name].astype(np.int64) for name in ("PTROBS_MIN", "PTROBS_MAX"))
    has_rows = last >= np.maximum(first, 1)
    _check_range(first, last, has_rows, len(mjd), head_path, phot_path)
    if "NOBS" in head and head["NOBS"].dtype.kind in "iu":
        _check_counts(head["NOBS"].astype(np.int64), np.where(has_rows, last - first + 1, 0), head_path)
    owner = np.full(len(mjd), -1, np.int32)
    order = np.flatnonzero(has_rows)
    for row in order[np.argsort(first[order], kind="stable")]:
        owner[first[row] - 1 : last[row]] = row
    separator = mjd == SEPARATOR
    if (wrong := (owner >= 0) & separator).any():
        row = int(wrong.argmax())
        rule = f"pointers must not take in a separator (MJD {SEPARATOR:g})"
        one = owner[row]
        found = f"PTROBS {first[one]} to {last[one]} takes in row {row + 1} of {phot_path.name}"
        raise fail(f"{head_path}, row {one + 1}", f"{rule}, but {found}")
    if (orphan := (owner < 0) & ~separator).any():
        row = int(orphan.argmax())
        rule = f"every row but separators (MJD {SEPARATOR:g}) must belong to an object of {head_path.name}"
        raise fail(f"{phot_path}, row {row + 1}", f"{rule}, but {int(orphan.sum())} rows belong to none")
    return owner


def _check_range(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    has_rows: NDArray[np.bool_],
    rows: int,
    head_path: Path,
    phot_path: Path,
) -> None:
    outside = has_rows & ((first < 1) | (last > rows))
    if outside.any():
        row = int(outside.argmax())
        rule = f"pointers must lie within the {rows} rows of {phot_path.name}"
        raise fail(f"{head_path}, row {row + 1}", f"{rule}, but PTROBS is {first[row]} to {last[row]}")
    order = np.flatnonzero(has_rows)
    order = order[np.argsort(first[order], kind="stable")]
    overlap = first[order[1:]] <= last[order[:-1]]
    if overlap.any():
        one, other = order[int(overlap.argmax())], order[int(overlap.argmax()) + 1]
        rule = "pointers of two objects must not overlap"
        found = f"PTROBS {first[one]} to {last[one]} (row {one + 1}) and {first[other]} to {last[other]} do"
        raise fail(f"{head_path}, row {other + 1}", f"{rule}, but {found}")


def _check_counts(promised: NDArray[np.int64], found: NDArray[np.int64], head_path: Path) -> None:
    wrong = np.maximum(promised, 0) != found
    if wrong.any():
        row = int(wrong.argmax())
        rule = "PTROBS_MIN to PTROBS_MAX must be NOBS rows"
        raise fail(
            f"{head_path}, row {row + 1}",
            f"{rule}, but NOBS is {promised[row]} and the pointers take in {found[row]}",
        )
