"""Predictions of several members for one set of objects, whose values are read block by block."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.configurations import ConfigurationReader, Configurations, FoldReader, readers
from rookery_ensembles.errors import fail
from rookery_ensembles.member_values import MemberValues, blocks
from rookery_ensembles.pools.base import check_block
from rookery_ensembles.schema import PredictionInfo, Predictions, require_predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.stack import align_members
from rookery_ensembles.stored import StoredPredictions
from rookery_ensembles.target import Target

_MANY = 10_000_000
_VALUES_AT_ONCE, _MOST_THREADS = 1_000_000, 8


@short_repr
@dataclass(frozen=True, eq=False)
class MemberTable:
    """What `rookery_ensembles.Stack` is, but for the values, which may stay in files."""

    members: tuple[str, ...]
    """M names."""
    info: PredictionInfo
    """Of the first member."""
    object_id: NDArray[np.str_]
    truth: NDArray[Any] | None
    """(N,) as in `Predictions`."""
    values: MemberValues
    """(M, N, K)."""

    def some(self, names: Sequence[str]) -> MemberValues:
        """Return the values of some of the members, in this order."""
        position = {name: number for number, name in enumerate(self.members)}
        return self.values.some([position[name] for name in names])


def tabulate_members(predictions: Sequence[Predictions | StoredPredictions]) -> MemberTable:
    """Bring predictions of the same objects together, in the order of the first.

    Raises
    ------
    InputError
        As `rookery_ensembles.stack_members` does.
    """
    for number, each in enumerate(predictions):
        if not isinstance(each, StoredPredictions):
            require_predictions(each, f"members, item {number}")
    found = align_members(predictions)
    n = len(found.object_id)
    configurations = [
        ConfigurationReader((FoldReader((reader,), (rows,), n),), slice(None))
        for reader, rows in zip(readers(predictions), found.rows, strict=True)
    ]
    values = Configurations(configurations, n, found.info.target.n_columns)
    return MemberTable(found.names, found.info, found.object_id, found.truth, values)


def likelihoods(
    target: Target, values: MemberValues, column_n: NDArray[np.intp], names: Sequence[str]
) -> NDArray[Any]:
    """Return (M, N) probabilities that members give to the true columns; NaN where there is none.

    Of millions of them in single precision.

    Parameters
    ----------
    column_n
        (N,) true columns, -1 where there is none.
    names
        M names of the members' values, for messages.

    Raises
    ------
    InputError
        When a value breaks its rules.
    """
    m, n, k = values.shape
    if len(names) != m:
        raise fail("names", f"there must be one for each of {m} members, but found {len(names)}")
    found = np.full((m, n), np.nan, dtype=np.float32 if m * n > _MANY else np.float64)
    widths = target.widths

    def read(number: int) -> None:
        """Fill a member's row: one file is read from its beginning to its end."""
        for place, block in blocks(values.some([number]), _VALUES_AT_ONCE):
            column = column_n[place]
            known = np.flatnonzero(column >= 0)
            if values.checked:
                likelihood = block[0][known, column[known]] * widths[column[known]]
            else:
                check_block(target, block, names[number : number + 1], place.start)
                likelihood = target.likelihood(block[0][known], column[known], names[number])
            found[number, place.start + known] = likelihood

    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS) if m * n * k > _MANY else 1
    if threads == 1:
        for number in range(m):
            read(number)
        return found
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, range(m)))
    return found
