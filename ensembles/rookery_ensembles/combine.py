"""Pooling members into one answer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.member_values import Block
from rookery_ensembles.probabilities import check_weights

FloatArray = NDArray[np.float64]
Look = Callable[[Block, int, int], None]
MANY = 32
"""Of so many members the linear pool of values in single precision is summed in single precision."""
_PIECE = 1_600_000
"""So many values of `MANY` members are worked on at a time; with fewer threads wait for each other."""


def average(
    values_mnk: NDArray[Any] | Sequence[NDArray[Any]], weights_m: Sequence[float] | NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return the weighted mean of the members' probabilities or PDFs: the linear pool.

    Parameters
    ----------
    values_mnk
        M arrays of one shape (N, K), stacked or in a list. They are read one at a time.
    weights_m
        (M,) weights that sum to 1; equal ones by default.

    Returns
    -------
    (N, K) in double precision.

    Raises
    ------
    InputError
        When there is no member, the members' shapes differ, or the weights break their rules.
    """
    if len(values_mnk) == 0:
        raise fail("members", "there must be at least one to average, but found none")
    m, shape = len(values_mnk), np.shape(values_mnk[0])
    weights = np.full(m, 1 / m) if weights_m is None else check_weights(weights_m, m, "weights")
    pooled = np.zeros(shape)
    for i, (weight, values) in enumerate(zip(weights, values_mnk, strict=True)):
        if np.shape(values) != shape:
            rule = f"all members must have the shape of the first, {shape}"
            raise fail("members", f"{rule}, but member {i} has {np.shape(values)}")
        pooled += weight * np.asarray(values, dtype=np.float64)
    return pooled


def weighted_sum(values_m: Block, weights_m: NDArray[np.float64], look: Look | None = None) -> FloatArray:
    """Return the sum of M arrays (n, K), each times its weight, in double precision.

    Of `MANY` arrays or more in single precision some at a time are multiplied and summed in single precision,
    piece by piece, which is exact to single precision.

    Parameters
    ----------
    look
        Is given each piece while it is in the cache, (m, n, K), with the numbers of its first array and row.
    """
    n, k = np.shape(values_m[0])
    if not are_many(values_m):
        if look is not None:
            look(values_m, 0, 0)
        total = np.zeros((n, k))
        for weight, values in zip(weights_m, values_m, strict=True):
            total += weight * np.asarray(values, dtype=np.float64)
        return total
    total, single = np.empty((n, k)), weights_m.astype(np.float32)
    step = max(1, _PIECE // (MANY * k))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        with np.errstate(invalid="ignore", over="ignore"):  # whoever looks finds what is not finite
            _sum_rows_into(total[rows].reshape(-1), values_m, single, rows, look)
    return total


def are_many(values_m: Block) -> bool:
    """Return whether so many arrays in single precision are summed piece by piece."""
    return len(values_m) >= MANY and all(values.dtype == np.float32 for values in values_m)


def _sum_rows_into(
    total: FloatArray, values_m: Block, single_m: NDArray[np.float32], rows: slice, look: Look | None
) -> None:
    """Sum some rows, end to end, each array times its weight: of `MANY` at a time in single precision."""
    m = len(values_m)
    for first in range(0, m, MANY):
        some = slice(first, min(first + MANY, m))
        here = values_m[some]
        piece = here[:, rows] if isinstance(here, np.ndarray) else np.stack([one[rows] for one in here])
        found = single_m[some] @ piece.reshape(len(piece), -1)
        if first:
            total += found
        else:
            total[:] = found
        if look is not None:
            look(piece, first, rows.start)
