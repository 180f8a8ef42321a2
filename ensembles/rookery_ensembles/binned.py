"""Metrics in bins of a covariate: redshift, signal-to-noise, number of observations, anything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.bootstrap import REPLICATES, Sample, Scores, bootstrap_scores
from rookery_ensembles.edges import bin_positions, check_edges
from rookery_ensembles.errors import fail
from rookery_ensembles.weighted import FloatArray, WeightedSample

__all__ = [
    "MAX_BINS",
    "MIN_PER_BIN",
    "Bin",
    "Binned",
    "bin_positions",
    "binned_samples",
    "binned_scores",
    "check_edges",
    "quantile_edges",
]

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
        Its objects, and those of the positive class (0 where there is no such class).
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
    values, truth = np.asarray(values_n, dtype=np.float64), np.asarray(truth_index)
    probability = np.asarray(probability_nk)
    if values.shape != truth.shape:
        found = f"shapes are {values.shape} and {truth.shape}"
        raise fail(f"bins of {name}", f"there must be one value per object, but the {found}")
    names = list(class_names)
    is_positive = truth == names.index(positive) if positive in names else np.zeros(len(truth), np.bool_)
    return binned_samples(
        name,
        values,
        edges,
        lambda rows: WeightedSample(class_names, truth[rows], probability[rows], positive),
        is_positive=is_positive,
        replicates=replicates,
        seed=seed,
    )


def binned_samples(
    name: str,
    values_n: FloatArray,
    edges: Sequence[float],
    sample: Callable[[NDArray[np.intp]], Sample],
    *,
    is_positive: NDArray[np.bool_] | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Binned:
    """Return all metrics of the objects in each bin, whatever `sample` makes of their rows.

    Parameters
    ----------
    name, values_n, edges, replicates, seed
        As in `binned_scores`.
    sample
        Makes the sample of the objects of the given rows.
    is_positive
        (N,) true for the objects of a positive class, where there is one.

    Raises
    ------
    InputError
        When the edges do not increase, or `sample` refuses the objects.
    """
    check_edges(edges, f"bins of {name}")
    position = bin_positions(values_n, edges)
    bins = []
    for index, (low, high) in enumerate(pairwise(edges)):
        rows = np.flatnonzero(position == index)
        scores = None
        if rows.size:
            scores = bootstrap_scores(sample(rows), replicates=replicates, seed=seed + 1 + index)
        positives = 0 if is_positive is None else int(is_positive[rows].sum())
        median = float(np.median(values_n[rows])) if rows.size else float("nan")
        bins.append(Bin(float(low), float(high), median, len(rows), positives, scores))
    unknown = np.isnan(values_n)
    return Binned(name, tuple(bins), int(unknown.sum()), int(((position < 0) & ~unknown).sum()))
