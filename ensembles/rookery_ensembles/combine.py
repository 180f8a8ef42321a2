"""Pooling members into one answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import check_weights


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
