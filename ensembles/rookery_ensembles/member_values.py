"""Predictions of several members for the same objects, read block by block.

Nothing here needs all of M x N x K values at once: whoever works on them asks for blocks of objects. Arrays
in memory, memory-mapped ones and files of predictions are read in the same way.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.target import Target

Block = NDArray[Any] | Sequence[NDArray[Any]]
"""M arrays (n, K), stacked or in a list."""
BLOCK_VALUES = 24_000_000
"""A block that is read holds so many values of all members together: 96 MB in single precision."""


@runtime_checkable
class MemberValues(Protocol):
    """Predictions of M members for N objects by K columns, in one order of the objects."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """M, N and K."""
        ...

    @property
    def checked(self) -> bool:
        """Whether the values keep the target's rules, because they were checked when they were read."""
        ...

    def block(self, start: int, stop: int) -> Block:
        """Return (M, n, K) values of the objects from `start` up to, but without, `stop`.

        Whoever reads from files serves blocks that follow each other best.
        """
        ...

    def some(self, members: Sequence[int]) -> "MemberValues":
        """Return the values of some of the members, in this order."""
        ...


class ArrayValues:
    """Values that lie in arrays; nothing is copied.

    Parameters
    ----------
    values_mnk
        M arrays (N, K) of one shape, stacked or in a list.
    """

    def __init__(self, values_mnk: Block) -> None:
        self._values = values_mnk
        n, k = np.shape(values_mnk[0])
        self._shape = len(values_mnk), int(n), int(k)

    @property
    def shape(self) -> tuple[int, int, int]:
        """M, N and K."""
        return self._shape

    @property
    def checked(self) -> bool:
        """False: arrays may hold anything."""
        return False

    def block(self, start: int, stop: int) -> Block:
        """Return (M, n, K) views."""
        if isinstance(self._values, np.ndarray):
            return self._values[:, start:stop]
        return [values[start:stop] for values in self._values]

    def some(self, members: Sequence[int]) -> "ArrayValues":
        """Return the values of some of the members."""
        if len(members) == len(self._values):
            return self
        return ArrayValues([self._values[number] for number in members])


def as_member_values(
    values_mnk: MemberValues | Block, target: Target, where: str = "members"
) -> MemberValues:
    """Return what can be read block by block.

    Raises
    ------
    InputError
        When there is no member, or one is not of the first's objects by the target's columns.
    """
    k = target.n_columns
    if isinstance(values_mnk, MemberValues):
        if not values_mnk.shape[0]:
            raise fail(where, "there must be at least one to combine, but found none")
        if values_mnk.shape[2] != k:
            raise fail(where, f"must be of {k} columns, but has the shape {values_mnk.shape}")
        return values_mnk
    if len(values_mnk) == 0:
        raise fail(where, "there must be at least one to combine, but found none")
    shape = (*(np.shape(values_mnk[0])[:1] or (0,)), k)
    for number, values in enumerate(values_mnk):
        if np.shape(values) != shape:
            rule = f"must be of {shape[0]} objects by {shape[1]} columns"
            raise fail(f"{where}, item {number}", f"{rule}, but has the shape {np.shape(values)}")
    if not isinstance(values_mnk, np.ndarray):
        values_mnk = [np.asarray(values) for values in values_mnk]
    return ArrayValues(values_mnk)


def blocks(values: MemberValues, most: int = BLOCK_VALUES) -> Iterator[tuple[slice, Block]]:
    """Go through all objects: yield their places and (M, n, K) values, at most so many at a time."""
    m, n, k = values.shape
    size = max(1, most // max(1, m * k))
    for start in range(0, n, size):
        part = slice(start, min(start + size, n))
        yield part, values.block(part.start, part.stop)


def gather(values: MemberValues, rows: NDArray[np.intp]) -> list[NDArray[Any]]:
    """Return M arrays (len(rows), K) of some objects, in the order of `rows`."""
    order = np.argsort(rows, kind="stable")
    rising, m = rows[order], values.shape[0]
    parts: list[list[NDArray[Any]]] = [[] for _ in range(m)]
    for place, block in blocks(values):
        low, high = np.searchsorted(rising, (place.start, place.stop))
        if low == high:
            continue
        some = rising[low:high] - place.start
        for number in range(m):
            parts[number].append(np.asarray(block[number])[some])
    back = np.empty(len(rows), dtype=np.intp)
    back[order] = np.arange(len(rows))
    return [np.concatenate(part)[back] for part in parts]
