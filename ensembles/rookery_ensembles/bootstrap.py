"""Bootstrap intervals of every metric: the objects are drawn again, with replacement, many times.

(Efron 1979; percentile intervals as in Efron & Tibshirani 1993, section 13.3.) They tell how much
a metric would move with another sample of objects of the same kind; not how much it would with
another training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.metric import METRICS
from rookery_ensembles.progress import tracked
from rookery_ensembles.shown import short_repr
from rookery_ensembles.weighted import FloatArray, WeightedSample

LEVELS = (0.68, 0.95)
"""Probabilities of the intervals that are given."""
REPLICATES = 300
# A block of replicates with so many weights stays within a few megabytes.
_BLOCK = 500_000
# An interval from fewer defined replicates than this part of all is none.
_DEFINED = 0.5

Interval = tuple[float, float]


class Sample(Protocol):
    """Objects that can be scored under many weightings at once."""

    def __len__(self) -> int:
        """Return the number of objects N."""
        ...

    def metrics(self, weight_rn: FloatArray | None = None) -> Mapping[str, FloatArray]:
        """Return each metric under every weighting, (R,); without weights R is 1."""
        ...


@short_repr
@dataclass(frozen=True)
class Estimate:
    """A metric of a sample, and how far chance may have moved it."""

    value: float
    """The metric; NaN where undefined."""
    intervals: Mapping[float, Interval] = field(default_factory=dict)
    """Ends of the central interval by its probability, each holding `value`; NaN where undefined."""

    def to_json(self) -> dict[str, Any]:
        """Return ``{"value": ..., "68": [low, high], "95": [low, high]}``, null where undefined."""
        ends = {
            f"{100 * level:g}": None if np.isnan(low) else [low, high]
            for level, (low, high) in self.intervals.items()
        }
        return {"value": None if np.isnan(self.value) else self.value, **ends}


@short_repr
@dataclass(frozen=True)
class Scores:
    """All metrics of a sample, with intervals."""

    n: int
    """Number of objects."""
    metrics: Mapping[str, Estimate]
    """By the keys of the sample's metrics."""
    per_class: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """By class, then by the names of `EACH_CLASS_METRICS`; empty unless asked for."""


@dataclass(frozen=True, eq=False)
class PurityEfficiency:
    """Purity and efficiency of the positive class against the threshold of its probability."""

    threshold: FloatArray
    """(T,) from 0 to 1."""
    purity: FloatArray
    efficiency: FloatArray
    """(T,); purity is NaN where nothing is selected."""
    purity_band: tuple[FloatArray, FloatArray]
    efficiency_band: tuple[FloatArray, FloatArray]
    """Low and high ends (T,) of the 68 % interval."""


def check_bootstrap(replicates: int, seed: int, where: str = "bootstrap") -> None:
    """Raise InputError unless there are no or at least 20 replicates, and the seed is 0 or more."""
    if replicates != 0 and replicates < 20:
        raise fail(where, f"replicates must be 0 (no intervals) or at least 20, but are {replicates}")
    if seed < 0:
        raise fail(where, f"seed must be at least 0, but is {seed}")


def bootstrap_weights(n: int, replicates: int, seed: int) -> Iterator[FloatArray]:
    """Yield blocks (R', n) of how often each of `n` objects is drawn; their R' add up to `replicates`.

    A row is a draw of the multinomial distribution: n objects with replacement. The same seed
    gives the same rows.
    """
    generator = np.random.default_rng(seed)
    rows = max(1, min(replicates, _BLOCK // max(n, 1)))
    for start in range(0, replicates, rows):
        r = min(rows, replicates - start)
        drawn = generator.integers(0, n, size=(r, n)) + n * np.arange(r)[:, None]
        yield np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n).astype(np.float64)


def bootstrap_scores(
    sample: Sample,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    levels: Sequence[float] = LEVELS,
    classes: bool = False,
) -> Scores:
    """Return all metrics of a sample with their bootstrap intervals.

    Parameters
    ----------
    sample
        The objects.
    replicates
        How often they are drawn again; 0 for no intervals.
    seed
        Seed of the draws.
    levels
        Probabilities of the intervals.
    classes
        Whether to score each class too; for a `WeightedSample` only.

    Raises
    ------
    InputError
        When `replicates` or `seed` is out of range.
    """
    check_bootstrap(replicates, seed)
    by_class = sample if classes and isinstance(sample, WeightedSample) else None
    names = () if by_class is None else by_class.class_names

    def score(weight: FloatArray | None) -> dict[str, FloatArray]:
        found = dict(sample.metrics(weight))
        if by_class is not None:
            for key, values in by_class.class_metrics(weight).items():
                found |= {f"{name}\n{key}": values[:, i] for i, name in enumerate(names)}
        return found

    once, drawn = score(None), _replicates(score, len(sample), replicates, seed)
    estimates = {key: _estimate(key, float(value[0]), drawn.get(key), levels) for key, value in once.items()}
    per_class: dict[str, dict[str, Estimate]] = {name: {} for name in names}
    for key in [key for key in estimates if "\n" in key]:
        name, _, metric = key.rpartition("\n")
        per_class[name][metric] = estimates.pop(key)
    return Scores(len(sample), estimates, per_class)


def bootstrap_purity_efficiency(
    sample: WeightedSample, *, n_thresholds: int = 101, replicates: int = REPLICATES, seed: int = 0
) -> PurityEfficiency:
    """Return purity and efficiency at evenly spaced thresholds, with 68 % intervals.

    Raises
    ------
    InputError
        When `replicates` or `seed` is out of range.
    """
    check_bootstrap(replicates, seed)
    threshold = np.linspace(0.0, 1.0, n_thresholds)

    def score(weight: FloatArray | None) -> dict[str, FloatArray]:
        return dict(zip(("purity", "efficiency"), sample.purity_efficiency(threshold, weight), strict=True))

    once, drawn = score(None), _replicates(score, len(sample), replicates, seed)
    nothing = (np.full(n_thresholds, np.nan),) * 2
    bands = {key: _percentiles(values, LEVELS[0]) for key, values in drawn.items()}
    return PurityEfficiency(
        threshold,
        once["purity"][0],
        once["efficiency"][0],
        bands.get("purity", nothing),
        bands.get("efficiency", nothing),
    )


def _replicates(
    score: Callable[[FloatArray | None], Mapping[str, FloatArray]], n: int, replicates: int, seed: int
) -> dict[str, FloatArray]:
    """Return every score under `replicates` draws of `n` objects, the draws along the first axis."""
    draws = tracked(bootstrap_weights(n, replicates, seed), "draws", replicates, size=len)
    blocks = [score(weight) for weight in draws]
    return {key: np.concatenate([block[key] for block in blocks]) for key in (blocks[0] if blocks else ())}


def _estimate(key: str, value: float, drawn_r: FloatArray | None, levels: Sequence[float]) -> Estimate:
    """Return a value and its intervals from the replicates."""
    if drawn_r is None:
        return Estimate(value)
    shift, least = 0.0, -np.inf
    known = METRICS.get(key)
    if known is not None and known.is_distance and not np.isnan(value):
        # Replicates of a distance lie above it by what it lies above the truth: their spread is right.
        shift, least = float(np.nanmedian(drawn_r)) - value, 0.0
    intervals = {}
    for level in levels:
        low, high = (float(end[0]) - shift for end in _percentiles(drawn_r[:, None], level))
        intervals[level] = (min(max(low, least), value), max(high, value))
    undefined = dict.fromkeys(levels, (np.nan, np.nan))
    return Estimate(value, undefined if np.isnan(value) or np.isnan(low) else intervals)


def _percentiles(drawn_rt: NDArray[Any], level: float) -> tuple[FloatArray, FloatArray]:
    """Return the ends (T,) of the central interval; NaN where too few replicates are defined."""
    enough = np.mean(~np.isnan(drawn_rt), axis=0) >= _DEFINED
    ends = np.full((2, drawn_rt.shape[1]), np.nan)
    if enough.any():
        ends[:, enough] = np.nanquantile(drawn_rt[:, enough], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ends[0], ends[1]
