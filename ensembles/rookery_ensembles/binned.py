"""Metrics in bins of a covariate: redshift, signal-to-noise, number of observations, anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.bootstrap import REPLICATES, Sample, Scores, bootstrap_scores
from rookery_ensembles.edges import bin_positions, check_edges
from rookery_ensembles.errors import fail
from rookery_ensembles.shown import short_repr

__all__ = [
    "MAX_BINS",
    "MIN_PER_BIN",
    "Bin",
    "Binned",
    "bin_positions",
    "binned_scores",
    "check_edges",
    "quantile_edges",
]

MAX_BINS, MIN_PER_BIN = 8, 40
"""Quantile bins are so many at most, and so few that each holds this many objects."""


@dataclass(frozen=True)
class Bin:
    """The objects of one bin."""

    low: float
    high: float
    """Its edges: low <= x < high; the last bin holds its upper edge too."""
    median: float
    """Median of the covariate in it; NaN when it is empty."""
    n: int
    n_positive: int
    """Its objects, and those of the positive class (0 where there is no such class)."""
    scores: Scores | None
    """Their metrics; None when it is empty."""


@short_repr
@dataclass(frozen=True)
class Binned:
    """Metrics in bins of one covariate."""

    name: str
    """The covariate."""
    bins: tuple[Bin, ...]
    """From the lowest up."""
    n_unknown: int
    n_outside: int
    """Objects whose covariate is unknown, or outside all bins."""

    @property
    def edges(self) -> list[float]:
        """The B + 1 edges."""
        return [self.bins[0].low, *(found.high for found in self.bins)]


class Divisible(Sample, Protocol):
    """A sample some of whose objects are a sample too."""

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return some of the objects."""
        ...

    @property
    def n_positive(self) -> int:
        """Number of objects of the positive class; 0 where there is no such class."""
        ...


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
    sample: Divisible,
    *,
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
    sample
        The N objects.
    replicates, seed
        See `bootstrap_scores`.

    Raises
    ------
    InputError
        When the edges do not increase, or there is not one value per object.
    """
    values = np.asarray(values_n, dtype=np.float64)
    if values.shape != (len(sample),):
        found = f"shapes are {values.shape} and {(len(sample),)}"
        raise fail(f"bins of {name}", f"there must be one value per object, but the {found}")
    check_edges(edges, f"bins of {name}")
    position = bin_positions(values, edges)
    bins = []
    for index, (low, high) in enumerate(pairwise(edges)):
        rows = np.flatnonzero(position == index)
        if not rows.size:
            bins.append(Bin(float(low), float(high), float("nan"), 0, 0, None))
            continue
        inside = sample.take(rows)
        scores = bootstrap_scores(inside, replicates=replicates, seed=seed + 1 + index)
        median = float(np.median(values[rows]))
        bins.append(Bin(float(low), float(high), median, len(rows), inside.n_positive, scores))
    unknown = np.isnan(values)
    return Binned(name, tuple(bins), int(unknown.sum()), int(((position < 0) & ~unknown).sum()))
