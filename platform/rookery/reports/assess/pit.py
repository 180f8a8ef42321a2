"""Whether PDFs tell the truth: PIT histogram, quantiles and coverage as arrays, ready to draw."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Pits = Mapping[str, FloatArray]
"""By method, (N,) the PIT of the same objects."""
N_POINTS = 101
"""Points of a curve."""
_BAND = 0.95
_MOST_BINS, _PER_BIN = 40, 25


@dataclass(frozen=True, eq=False)
class PitHistogram:
    """Histograms of the PIT, and what calibrated PDFs would give."""

    edges: FloatArray
    """(B + 1,) from 0 to 1."""
    counts: dict[str, FloatArray]
    """By method, (B,) objects."""
    expected: float
    low: float
    high: float
    """Objects per bin of calibrated PDFs: mean, and ends of the central 95 % of one bin (binomial)."""


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """A curve that is the diagonal for calibrated PDFs."""

    x: FloatArray
    """(P,) from 0 to 1: theoretical quantiles, or levels of credible intervals."""
    y: dict[str, FloatArray]
    """By method, (P,) quantiles of the PIT, or fractions of objects inside the intervals."""
    low: FloatArray
    high: FloatArray
    """(P,) ends of the central 95 % of what N calibrated PDFs would give at one point."""


def pit_histogram(pits: Pits) -> PitHistogram:
    """Return histograms of the PIT of the same N objects, with as many bins as N allows, 40 at most."""
    from scipy.stats import binom

    n = _number(pits)
    number = int(np.clip(n // _PER_BIN, 5, _MOST_BINS))
    edges = np.linspace(0.0, 1.0, number + 1)
    low, high = binom.ppf([(1 - _BAND) / 2, (1 + _BAND) / 2], n, 1 / number)
    counts = {name: np.histogram(pit, edges)[0].astype(np.float64) for name, pit in pits.items()}
    return PitHistogram(edges, counts, n / number, float(low), float(high))


def quantile_curve(pits: Pits) -> CalibrationCurve:
    """Return the quantiles of the PIT against those of the even distribution."""
    from scipy.stats import beta

    n, x = _number(pits), np.linspace(0.0, 1.0, N_POINTS)
    y = {name: np.quantile(pit, x) for name, pit in pits.items()}
    # The rank of a quantile x is about x (n - 1) + 1 (the quantile's own definition).
    rank = x * (n - 1) + 1
    low, high = (beta.ppf(q, rank, n + 1 - rank) for q in ((1 - _BAND) / 2, (1 + _BAND) / 2))
    return CalibrationCurve(x, y, np.asarray(low), np.asarray(high))


def coverage_curve(pits: Pits) -> CalibrationCurve:
    """Return the fraction of objects inside the central credible intervals of every level."""
    from scipy.stats import binom

    n, x = _number(pits), np.linspace(0.0, 1.0, N_POINTS)
    # Inside the central interval of a level is who has so much probability on either side.
    needed = {name: np.sort(2 * np.abs(pit - 0.5)) for name, pit in pits.items()}
    y = {name: np.searchsorted(level, x, side="right") / n for name, level in needed.items()}
    low, high = (binom.ppf(q, n, x) / n for q in ((1 - _BAND) / 2, (1 + _BAND) / 2))
    return CalibrationCurve(x, y, low, high)


def _number(pits: Pits) -> int:
    return len(next(iter(pits.values())))
