"""Pooling members into one answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import check_weights

MANY = 32
"""Of so many members the linear pool of values in single precision is summed in single precision."""


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


def weighted_sum(
    values_m: NDArray[Any] | Sequence[NDArray[Any]], weights_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of M arrays of one shape, each times its weight, in double precision.

    Of `MANY` arrays or more in single precision some at a time are multiplied and summed in single precision,
    which is as fast as memory is read and exact to single precision.
    """
    total = np.zeros(np.shape(values_m[0]))
    if len(values_m) < MANY or any(values.dtype != np.float32 for values in values_m):
        for weight, values in zip(weights_m, values_m, strict=True):
            total += weight * np.asarray(values, dtype=np.float64)
        return total
    single = weights_m.astype(np.float32)
    for start in range(0, len(values_m), MANY):
        group = values_m[start : start + MANY]
        stacked = group if isinstance(group, np.ndarray) else np.stack(group)
        summed = single[start : start + MANY] @ stacked.reshape(len(stacked), -1)
        total += summed.reshape(total.shape)
    return total
