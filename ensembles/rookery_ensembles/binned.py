"""Metrics in bins of a covariate: redshift, signal-to-noise, number of observations, anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.bootstrap import REPLICATES, Scores, bootstrap_scores
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import FloatArray
from rookery_ensembles.weighted import WeightedSample

MAX_BINS, MIN_PER_BIN = 8, 40
"""Quantile bins are so many at most, and so few that each holds this many objects."""


@dataclass(frozen=True)
class Bin:
    """The objects of one bin.

    Parameters
    ----------
    low, high
        Its edges: low <= x < high; the last bin holds its upper edge too.
    median
        Median of the covariate in it; NaN when it is empty.
    n, n_positive
        Its objects, and those of the positive class.
    scores
        Their metrics; None when it is empty.
    """

    low: float
    high: float
    median: float
    n: int
    n_positive: int
    scores: Scores | None


@dataclass(frozen=True)
class Binned:
    """Metrics in bins of one covariate.

    Parameters
    ----------
    name
        The covariate.
    bins
        From the lowest up.
    n_unknown, n_outside
        Objects whose covariate is unknown, or outside all bins.
    """

    name: str
    bins: tuple[Bin, ...]
    n_unknown: int
    n_outside: int

    @property
    def edges(self) -> list[float]:
        """The B + 1 edges."""
        return [self.bins[0].low, *(found.high for found in self.bins)]


def check_edges(edges: Sequence[float], where: str) -> None:
    """Raise InputError unless there are two or more finite edges that increase."""
    if len(edges) < 2:
        raise fail(
            where, f"there must be at least two edges, but there is {', '.join(map(str, edges)) or 'none'}"
        )
    for low, high in pairwise(edges):
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise fail(where, f"edges must be finite and increase, but found {low:g}, {high:g}")


def quantile_edges(values_n: NDArray[Any], n_bins: int | None = None) -> list[float]:
    """Return the edges of bins that hold equally many of the known values.

    Values that many objects share make fewer, larger bins. Without `n_bins` there are as many as
    leave `MIN_PER_BIN` objects to each, between 1 and `MAX_BINS`. A single value has a bin of its own.

    Raises
    ------
    InputError
        When no value is known, or `n_bins` is below 1.
    """
    known = np.asarray(values_n, dtype=np.float64)
    known = known[np.isfinite(known)]
    if n_bins is not None and n_bins < 1:
        raise fail("bins", f"there must be at least 1, but there are {n_bins}")
    if not known.size:
        raise fail("bins", "quantiles need at least one known value, but there is none")
    wanted = n_bins or int(np.clip(known.size // MIN_PER_BIN, 1, MAX_BINS))
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, wanted + 1)))
    if len(edges) == 1:
        return [float(edges[0]), float(np.nextafter(edges[0], np.inf))]
    return [float(edge) for edge in edges]


def binned_scores(
    name: str,
    values_n: NDArray[Any],
    edges: Sequence[float],
    class_names: Sequence[str],
    truth_index: NDArray[Any],
    probability_nk: NDArray[Any],
    *,
    positive: str = "Ia",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Binned:
    """Return all metrics of the objects in each bin of a covariate, with bootstrap intervals.

    In each bin its own objects are drawn again. A metric that is undefined there (an AUC where
    all objects are of one class) is NaN.

    Parameters
    ----------
    name
        What the covariate is called.
    values_n
        (N,) the covariate; NaN where unknown.
    edges
        B + 1 edges.
    class_names, truth_index, probability_nk, positive
        See `WeightedSample`.
    replicates, seed
        See `bootstrap_scores`.

    Raises
    ------
    InputError
        When the edges do not increase, or an array is invalid.
    """
    check_edges(edges, f"bins of {name}")
    values = np.asarray(values_n, dtype=np.float64)
    truth, probability = np.asarray(truth_index), np.asarray(probability_nk)
    if values.shape != truth.shape:
        found = f"shapes are {values.shape} and {truth.shape}"
        raise fail(f"bins of {name}", f"there must be one value per object, but the {found}")
    position = bin_positions(values, edges)
    bins = []
    for index, (low, high) in enumerate(pairwise(edges)):
        rows = np.flatnonzero(position == index)
        scores = None
        if rows.size:
            sample = WeightedSample(class_names, truth[rows], probability[rows], positive)
            scores = bootstrap_scores(sample, replicates=replicates, seed=seed + 1 + index)
        is_positive = (
            truth[rows] == list(class_names).index(positive) if positive in class_names else truth[:0]
        )
        median = float(np.median(values[rows])) if rows.size else float("nan")
        bins.append(Bin(float(low), float(high), median, len(rows), int(np.sum(is_positive)), scores))
    unknown = np.isnan(values)
    return Binned(name, tuple(bins), int(unknown.sum()), int(((position < 0) & ~unknown).sum()))


def bin_positions(values_n: FloatArray, edges: Sequence[float]) -> NDArray[np.intp]:
    """Return (N,) bins of the values, -1 outside of all; the last bin holds its upper edge."""
    position = np.searchsorted(edges, values_n, side="right") - 1
    position[values_n == edges[-1]] = len(edges) - 2
    position[np.isnan(values_n) | (position >= len(edges) - 1)] = -1
    return position
