"""Observations on their way from a source in any order to a store's order, in little memory.

An external bucket sort: each block of rows is dealt to files by ranges of objects; a file is then
small enough to be sorted in memory. A row takes 21 bytes of disk beside the survey to be made.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECORD = np.dtype([("object", "<i4"), ("mjd", "<f8"), ("band", "i1"), ("flux", "<f4"), ("flux_err", "<f4")])
# About 600,000 rows (13 MB) of PLAsTiCC a file, and 250 files for 100 million rows.
OBJECTS_PER_FILE = 4096


class Spool:
    """Files of records, each of one range of objects."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._numbers: set[int] = set()

    def add(self, records: NDArray[np.void]) -> None:
        """Deal records to the files of their objects."""
        if not len(records):
            return
        number = records["object"] // OBJECTS_PER_FILE
        if (np.diff(number) < 0).any():
            order = np.argsort(number, kind="stable")
            records, number = records[order], number[order]
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(number)], strict=True):
            self._numbers.add(int(number[start]))
            # Opened for each append: a shuffled source touches more files than may stay open.
            with self._file(int(number[start])).open("ab") as stream:
                records[start:stop].tofile(stream)

    def parts(self) -> Iterator[NDArray[np.void]]:
        """Yield each file's records, unsorted; files come in the order of their objects, and are deleted."""
        for number in sorted(self._numbers):
            path = self._file(number)
            records = np.fromfile(path, RECORD)
            path.unlink()
            yield records

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.rows"


def sort_records(records: NDArray[np.void]) -> tuple[NDArray[np.void], int]:
    """Return records by object, date and band without exact repeats, and the number of these.

    Rows that agree in object, date and band are sorted by flux and error, so that equal rows are
    neighbours. Different measurements of one band at one date all stay.
    """
    if not len(records):
        return records, 0
    columns = {name: np.ascontiguousarray(records[name]) for name in RECORD.names or ()}
    # By date, then stably by object: in two bytes, which a range of objects fits into, that is a radix sort.
    owner = columns["object"] - columns["object"].min()
    order = np.argsort(columns["mjd"])
    small = owner.astype(np.uint16) if owner.max() < 1 << 16 else owner
    order = order[np.argsort(small[order], kind="stable")]
    if _repeats(columns, order, ("object", "mjd")).any():
        keys = ("flux_err", "flux", "band", "mjd", "object")
        order = np.lexsort([columns[name] for name in keys])
    repeated = _repeats(columns, order, RECORD.names or ())
    return records[order[~repeated]], int(repeated.sum())


def _repeats(
    columns: Mapping[str, NDArray[Any]], order: NDArray[np.int64], names: Sequence[str]
) -> NDArray[np.bool_]:
    """Mark the rows that, in this order, equal the row before in the named columns."""
    same = np.zeros(len(order), dtype=bool)
    same[1:] = True
    for name in names:
        values = columns[name][order]
        same[1:] &= values[1:] == values[:-1]
        if not same.any():
            break
    return same
