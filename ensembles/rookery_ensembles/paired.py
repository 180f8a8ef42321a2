"""Two predictions of the same objects, metric by metric: how much the first is better, and how sure that is.

Both are judged on the same bootstrap draws of the objects (Efron & Tibshirani 1993, section 13.3), so that
what makes an object hard for both cancels. The intervals tell what another sample of objects would change;
not what another training would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.bootstrap import bootstrap_weights, check_bootstrap
from rookery_ensembles.errors import fail
from rookery_ensembles.metric import METRICS
from rookery_ensembles.predictions import Predictions, prediction_metrics
from rookery_ensembles.progress import tracked
from rookery_ensembles.shown import short_repr

LEVEL = 0.95
"""Probability of the intervals."""
# An interval from fewer defined draws than this part of all is none.
_DEFINED = 0.5


@dataclass(frozen=True)
class PairedDifference:
    """A metric of two predictions of the same objects."""

    first: float
    second: float
    """Its values; NaN where undefined."""
    low: float
    high: float
    """Ends of the interval of `first` - `second`, which holds their difference; NaN without one."""
    better: str | None = None
    """Which is better where the interval leaves 0 out: ``first`` or ``second``; None for neither."""

    @property
    def difference(self) -> float:
        """The first minus the second."""
        return self.first - self.second


@short_repr
@dataclass(frozen=True)
class Comparison:
    """Two predictions compared on the objects that both have and whose truth is known."""

    n: int
    """Number of these objects."""
    left_out: tuple[int, int]
    """Objects of known truth that only the first has, and that only the second has."""
    metrics: Mapping[str, PairedDifference]
    """By their names; see :mod:`rookery_ensembles.metric`."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values, null where a figure is undefined."""
        found = {
            key: {
                name: None if isinstance(value, float) and np.isnan(value) else value
                for name, value in (*vars(pair).items(), ("difference", pair.difference))
            }
            for key, pair in self.metrics.items()
        }
        return {"n": self.n, "left_out": list(self.left_out), "level": LEVEL, "metrics": found}


def compare_predictions(
    first: Predictions, second: Predictions, *, positive: str = "Ia", replicates: int = 1000, seed: int = 0
) -> Comparison:
    """Compare two predictions on the objects that both have.

    Parameters
    ----------
    first, second
        Of one target, with truths; objects in any order.
    positive
        Class whose recall at fixed precision is judged.
    replicates, seed
        Draws of the objects; 0 for no intervals.

    Raises
    ------
    InputError
        When they predict other classes or bins, a truth differs, or no object of known truth is in both.
    """
    check_bootstrap(replicates, seed)
    target = first.info.target
    if second.info.target != target:
        rule = f"must predict the classes or bins that {first.info.maker} does"
        raise fail(second.info.maker, f"{rule}, but its are others")
    rows = [_known(each) for each in (first, second)]
    ids = [each.object_id[row].astype(str) for each, row in zip((first, second), rows, strict=True)]
    both, *places = np.intersect1d(ids[0], ids[1], assume_unique=True, return_indices=True)
    if not len(both):
        rule = f"must share an object of known truth with {first.info.maker}"
        raise fail(second.info.maker, f"{rule}, but of {len(ids[0])} and {len(ids[1])} none is the same")
    pair = [each.take(row[place]) for each, row, place in zip((first, second), rows, places, strict=True)]
    truth = [np.asarray(each.truth) for each in pair]
    if (wrong := target.contradicts(truth[0], truth[1])).any():
        some = int(wrong.argmax())
        rule = f"the truth of {both[some]} must be that of {first.info.maker}, {truth[0][some]}"
        number = f"{wrong.sum()} of {len(both)} differ"
        raise fail(second.info.maker, f"{rule}, but is {truth[1][some]} ({number})")
    values = [prediction_metrics(each, positive) for each in pair]
    samples = [target.sample(each.values, truth[0], positive=positive) for each in pair]
    draws: dict[str, list[NDArray[np.float64]]] = {}
    drawn = bootstrap_weights(len(both), replicates, seed)
    for weight in tracked(drawn, "draws", replicates, size=len):
        one, other = (sample.metrics(weight) for sample in samples)
        for key in one.keys() & other.keys():
            draws.setdefault(key, []).append(one[key] - other[key])
    metrics = {
        key: _paired(key, values[0][key], values[1][key], np.concatenate(draws.get(key, [np.empty(0)])))
        for key in values[0]
        if key in METRICS and key in values[1]
    }
    return Comparison(len(both), (len(ids[0]) - len(both), len(ids[1]) - len(both)), metrics)


def _paired(key: str, first: float, second: float, draws: NDArray[np.float64]) -> PairedDifference:
    defined = draws[np.isfinite(draws)]
    value = first - second
    if not len(draws) or len(defined) < _DEFINED * len(draws) or not np.isfinite(value):
        return PairedDifference(first, second, np.nan, np.nan)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = min(float(low), value), max(float(high), value)
    better = None
    if METRICS[key].goal is None and (low > 0 or high < 0):
        better = "first" if METRICS[key].loss(first) < METRICS[key].loss(second) else "second"
    return PairedDifference(first, second, low, high, better)


def _known(predictions: Predictions) -> NDArray[np.intp]:
    """Return the rows of known truth."""
    if predictions.truth is None:
        raise fail(predictions.info.maker, "tells no truth: name the survey that knows it")
    known = [value is not None and value == value for value in np.asarray(predictions.truth).tolist()]
    return np.flatnonzero(known)
