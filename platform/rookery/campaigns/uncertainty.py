"""How far a figure of the table may be off: by the objects judged, and by the random start.

Objects are drawn again with replacement, the same draws for every row, so that rows are compared on
the same objects (a paired bootstrap); of random starts the scatter among those trained is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles import Predictions, prediction_metrics
from rookery_ensembles.bootstrap import bootstrap_weights

LEVEL = 0.95
"""Probability of the interval of a difference."""
# An error from fewer defined draws than this part of all is none.
_DEFINED = 0.5


@dataclass(frozen=True)
class Judged:
    """What a row scores on some objects."""

    values: Sequence[Mapping[str, float]]
    """The metrics of each prediction: of each random start, or of one baseline, average or ensemble."""
    draws: Mapping[str, NDArray[np.float64]]
    """The mean over the predictions under each draw of the objects, (R,) by metric."""

    @property
    def metrics(self) -> dict[str, float]:
        """Mean over the predictions."""
        return {key: mean(each[key] for each in self.values) for key in (self.values or [{}])[0]}

    @property
    def scatter(self) -> dict[str, float]:
        """Standard deviation over the predictions; empty for fewer than two."""
        if len(self.values) < 2:
            return {}
        return {key: stdev(each[key] for each in self.values) for key in self.values[0]}

    @property
    def error(self) -> dict[str, float]:
        """Standard deviation of the mean: of the objects' draws, and of the starts over their number."""
        seeds = self.seed_variance()
        return {
            key: float(np.sqrt(np.nanvar(draws) + seeds.get(key, 0.0)))
            for key, draws in self.draws.items()
            if len(draws) and np.mean(np.isfinite(draws)) >= _DEFINED
        }

    def seed_variance(self) -> dict[str, float]:
        """Return the variance of the mean that comes of the random starts; empty for fewer than two."""
        return {key: value**2 / len(self.values) for key, value in self.scatter.items()}


@dataclass(frozen=True)
class Difference:
    """How much better or worse one figure is than another, on the same objects."""

    value: float
    """One figure less the other."""
    low: float
    high: float
    """Ends of its interval."""


def judge(
    predictions: Sequence[tuple[Predictions, NDArray[np.intp]]],
    n: int,
    positive: str,
    replicates: int,
    seed: int,
) -> Judged:
    """Score predictions of some of `n` objects.

    Parameters
    ----------
    predictions
        Each with the positions, among the `n`, of the objects that it holds.
    replicates, seed
        Draws of the `n` objects; the same seed and `n` give the same draws.
    """
    values = [
        {key: value for key, value in prediction_metrics(each, positive).items() if key != "n"}
        for each, _ in predictions
    ]
    drawn: dict[str, NDArray[np.float64]] = {}
    for each, position in predictions if replicates else ():
        assert each.truth is not None
        sample = each.info.target.sample(each.values, each.truth, positive=positive)
        blocks = [sample.metrics(weight[:, position]) for weight in bootstrap_weights(n, replicates, seed)]
        for key in blocks[0]:
            found = np.concatenate([block[key] for block in blocks])
            drawn[key] = drawn.get(key, 0.0) + found / len(predictions)
    return Judged(values, {key: drawn[key] for key in drawn if values and key in values[0]})


def differences(one: Judged, other: Judged, seed: int) -> dict[str, Difference]:
    """Return `one` minus `other` by metric, with the interval that objects and random starts allow."""
    generator, found = np.random.default_rng(seed), {}
    seeds = [each.seed_variance() for each in (one, other)]
    for key in one.draws:
        if key not in other.draws:
            continue
        spread = float(np.sqrt(sum(each.get(key, 0.0) for each in seeds)))
        draws = one.draws[key] - other.draws[key]
        draws = draws + spread * generator.normal(size=len(draws))
        enough = np.mean(np.isfinite(draws)) >= _DEFINED
        ends = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if enough else (np.nan, np.nan)
        value = one.metrics[key] - other.metrics[key]
        found[key] = Difference(value, float(ends[0]), float(ends[1]))
    return found
