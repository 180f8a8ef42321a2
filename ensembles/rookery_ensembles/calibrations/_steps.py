"""Rising maps of probabilities that are told by tables, one for each class against the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations.base import FloatArray
from rookery_ensembles.errors import fail

MOST_KNOTS = 256
"""Scores of a table; more different ones are joined, as many objects to each."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Objects of one class against the rest, in groups of equal or neighbouring scores, lowest first."""

    low: FloatArray
    high: FloatArray
    """(G,) least and greatest score of each group."""
    weight: FloatArray
    right: FloatArray
    """(G,) sum of the weights, and of those of the objects that are of the class."""


def grouped(score_n: FloatArray, true_n: NDArray[np.bool_], weight_n: FloatArray) -> Grouped:
    """Group N objects by their scores; objects of weight 0 are left out."""
    kept = weight_n > 0
    score, position = np.unique(score_n[kept], return_inverse=True)
    weight = np.bincount(position, weight_n[kept])
    right = np.bincount(position, weight_n[kept] * true_n[kept])
    starts = np.arange(len(score))
    if len(score) > MOST_KNOTS:
        part = np.minimum(MOST_KNOTS * (np.cumsum(weight) - weight) / weight.sum(), MOST_KNOTS - 1)
        starts = np.flatnonzero(np.diff(np.floor(part), prepend=-1.0))
    ends = np.append(starts[1:], len(score)) - 1
    return Grouped(
        score[starts], score[ends], np.add.reduceat(weight, starts), np.add.reduceat(right, starts)
    )


def rising(mean: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the never-falling sequence that is nearest to the means (pool adjacent violators)."""
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(mean, weights=weight).x, dtype=np.float64)


def check_rising(numbers: Sequence[float], where: str) -> None:
    """Raise InputError unless numbers lie from 0 to 1 and never fall."""
    for last, number in zip((0.0, *numbers), numbers, strict=False):
        if not last <= number <= 1:
            raise fail(
                where, f"must hold numbers from 0 to 1 that never fall, but found {number} after {last}"
            )
