"""Bins of a number: their edges, and which of them holds a value."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail


def check_edges(edges: Sequence[float] | NDArray[Any], where: str) -> None:
    """Raise InputError unless there are two or more finite edges that increase."""
    if len(edges) < 2:
        raise fail(
            where, f"there must be at least two edges, but there is {', '.join(map(str, edges)) or 'none'}"
        )
    found = np.asarray(edges, dtype=np.float64)
    good = np.isfinite(found[:-1]) & np.isfinite(found[1:]) & (found[:-1] < found[1:])
    if not good.all():
        low, high = found[good.argmin() :][:2]
        raise fail(where, f"edges must be finite and increase, but found {low:g}, {high:g}")


def bin_positions(
    values_n: NDArray[np.float64], edges: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return (N,) bins of the values, -1 outside of all; the last bin holds its upper edge."""
    position = np.searchsorted(edges, values_n, side="right") - 1
    position[values_n == edges[-1]] = len(edges) - 2
    position[np.isnan(values_n) | (position >= len(edges) - 1)] = -1
    return position
