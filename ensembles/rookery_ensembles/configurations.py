"""Values of configurations: each object's from the fold members that did not see it, averaged over starts."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.schema import Predictions
from rookery_ensembles.stored import StoredPredictions

MOST_IN_MEMORY = 1 << 29
"""Values of files that take so many bytes or less together are read once and kept: 512 MB."""
_MOST_THREADS = 8


class Reader(Protocol):
    """Reads the values of one member."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return (n, K) values of rows that follow each other."""
        ...

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return (n, K) values of any rows."""
        ...


class _ArrayReader:
    def __init__(self, values_nk: NDArray[Any]) -> None:
        self._values = values_nk

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self._values[start:stop]

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        return np.asarray(self._values[rows])


def readers(predictions: Sequence[Predictions | StoredPredictions]) -> list[Reader]:
    """Return what reads the members' values: from memory where these are there or are few."""
    stored = [each for each in predictions if isinstance(each, StoredPredictions)]
    size = sum(4 * len(each.object_id) * each.info.target.n_columns for each in stored)
    return [
        each.reader()
        if isinstance(each, StoredPredictions) and size > MOST_IN_MEMORY
        else _ArrayReader(each.values)
        for each in predictions
    ]


@dataclass(frozen=True, eq=False)
class FoldReader:
    """What reads the objects of one fold, averaged over random starts."""

    starts: tuple[Reader, ...]
    rows: tuple[NDArray[np.intp] | slice, ...]
    """Of each start the rows in the fold's order; all of them where they are in it."""
    n: int
    """Objects."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return (n, K) values of objects that follow each other."""
        return self._mean(
            [
                each.read(start, stop) if isinstance(rows, slice) else each.take(rows[start:stop])
                for each, rows in zip(self.starts, self.rows, strict=True)
            ]
        )

    def take(self, places: NDArray[np.intp]) -> NDArray[Any]:
        """Return (n, K) values of any objects of the fold."""
        return self._mean(
            [
                each.take(places if isinstance(rows, slice) else rows[places])
                for each, rows in zip(self.starts, self.rows, strict=True)
            ]
        )

    @staticmethod
    def _mean(values: list[NDArray[Any]]) -> NDArray[Any]:
        return values[0] if len(values) == 1 else np.stack(values).mean(axis=0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ConfigurationReader:
    """What reads one configuration: its folds end to end, in any order."""

    folds: tuple[FoldReader, ...]
    rows: NDArray[np.intp] | slice
    """(N,) the rows of the joined folds in the order wanted; all of them where they are in it."""

    def block(self, start: int, stop: int) -> NDArray[Any]:
        """Return (n, K) values."""
        if isinstance(self.rows, slice):
            return self._joined(start, stop)
        rows = self.rows[start:stop]
        if (np.diff(rows) == 1).all():
            return self._joined(int(rows[0]), int(rows[-1]) + 1)
        found: NDArray[Any] | None = None
        first = 0
        for fold in self.folds:
            here = np.flatnonzero((rows >= first) & (rows < first + fold.n))
            if here.size:
                values = fold.take(rows[here] - first)
                found = np.empty((len(rows), values.shape[1]), values.dtype) if found is None else found
                found[here] = values
            first += fold.n
        assert found is not None
        return found

    def _joined(self, start: int, stop: int) -> NDArray[Any]:
        parts, first = [], 0
        for fold in self.folds:
            low, high = max(start - first, 0), min(stop - first, fold.n)
            if low < high:
                parts.append(fold.read(low, high))
            first += fold.n
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Configurations:
    """`rookery_ensembles.member_values.MemberValues` of M configurations.

    Files are read by as many threads as there are CPUs, each by one.
    """

    def __init__(self, each: Sequence[ConfigurationReader], n: int, k: int) -> None:
        self._each, self._n, self._k = tuple(each), n, k

    @property
    def shape(self) -> tuple[int, int, int]:
        """M, N and K."""
        return len(self._each), self._n, self._k

    @property
    def checked(self) -> bool:
        """True: so are predictions, and what is read from their files."""
        return True

    def block(self, start: int, stop: int) -> list[NDArray[Any]]:
        """Return M arrays (n, K)."""
        threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS, len(self._each))
        if threads == 1 or not self._from_files:
            return [each.block(start, stop) for each in self._each]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda each: each.block(start, stop), self._each))

    def some(self, members: Sequence[int]) -> "Configurations":
        """Return some of the configurations."""
        return Configurations([self._each[number] for number in members], self._n, self._k)

    @property
    def _from_files(self) -> bool:
        first = self._each[0].folds[0].starts[0]
        return not isinstance(first, _ArrayReader)
