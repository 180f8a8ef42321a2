"""Predictions of several members for one set of objects, whose values are read block by block."""

from collections.abc import Sequence
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
    m, n, _ = values.shape
    if len(names) != m:
        raise fail("names", f"there must be one for each of {m} members, but found {len(names)}")
    found = np.full((m, n), np.nan, dtype=np.float32 if m * n > _MANY else np.float64)
    for place, block in blocks(values):
        check_block(target, block, names, place.start)
        column = column_n[place]
        known = np.flatnonzero(column >= 0)
        for number in range(m if known.size else 0):
            values_nk = np.asarray(block[number])[known]
            found[number, place.start + known] = target.likelihood(values_nk, column[known], names[number])
    return found
