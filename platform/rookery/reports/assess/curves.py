"""The curves of a report as arrays, ready to draw with any library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.classes import Assessment
from rookery_ensembles.metrics import precision_recall_curve, reliability_curve, roc_auc

FloatArray = NDArray[np.float64]
N_HISTOGRAM_BINS = 40
# A curve is drawn with so many points at most, however many objects there are.
_MAX_POINTS = 1500


@dataclass(frozen=True, eq=False)
class Reliability:
    """Filled bins of a reliability diagram."""

    score: FloatArray
    frequency: FloatArray
    """(B,) mean predicted probability, and fraction of objects for which it came true."""
    low: FloatArray
    high: FloatArray
    """(B,) ends of the frequency's 68 % Wilson interval."""
    count: NDArray[np.intp]
    """(B,) number of objects."""


class Curve(NamedTuple):
    """Points (P,) of a curve, and the threshold at each; empty where the curve is undefined."""

    x: FloatArray
    y: FloatArray
    """(P,) points."""
    threshold: FloatArray
    """(P,) at each point."""


_UNDEFINED = Curve(np.empty(0), np.empty(0), np.empty(0))


@dataclass(frozen=True, eq=False)
class Curves:
    """Everything that is drawn of one assessment."""

    name: str
    """What the legend calls it."""
    area: float
    """Area under the ROC curve of the positive class; NaN where undefined."""
    roc: Curve
    """True against false positive rate of the positive class; empty when there is one class only."""
    recall_precision: Curve
    """Precision against recall of the positive class; empty without an object of it."""
    reliability: Reliability
    """Of the positive class, or with more than two classes of the most probable one."""
    by_class: Mapping[str, Reliability]
    """Of each class against the rest, the positive one first."""
    histogram: NDArray[np.intp]
    """(K, `N_HISTOGRAM_BINS`) objects of each true class by probability of the positive class."""
    confusion: NDArray[np.intp]
    """(K, K) objects by true class (row) and most probable class (column)."""

    @property
    def row_fractions(self) -> FloatArray:
        """(K, K) the confusion matrix divided by the objects of each true class; 0 where there are none."""
        totals = self.confusion.sum(axis=1, keepdims=True)
        fractions = np.zeros(self.confusion.shape)
        np.divide(self.confusion, totals, out=fractions, where=totals > 0)
        return fractions


def make_curves(assessment: Assessment) -> Curves:
    """Compute all curves of an assessment."""
    score, outcome = assessment.score, assessment.outcome
    names, truth = assessment.class_names, assessment.truth_index
    k, order = len(names), [names.index(name) for name in positive_first(names, assessment.positive)]
    bins = np.minimum((score * N_HISTOGRAM_BINS).astype(np.intp), N_HISTOGRAM_BINS - 1)
    histogram = np.zeros((k, N_HISTOGRAM_BINS), dtype=np.intp)
    np.add.at(histogram, (truth, bins), 1)
    confusion = np.zeros((k, k), dtype=np.intp)
    np.add.at(confusion, (truth, assessment.probability.argmax(axis=1)), 1)
    return Curves(
        name=assessment.name,
        area=roc_auc(score, outcome),
        roc=_roc(score, outcome),
        recall_precision=_recall_precision(score, outcome),
        reliability=_highest(assessment) if k > 2 else reliability(score, outcome),
        by_class={names[j]: reliability(assessment.probability[:, j], truth == j) for j in order},
        histogram=histogram,
        confusion=confusion,
    )


def class_curves(assessment: Assessment) -> list[Curves]:
    """Return the curves of every class against all others, named by their class, the positive one first.

    Other classes whose curves are undefined, since none of the objects or all are of them, are left out.
    """
    names = positive_first(assessment.class_names, assessment.positive)
    found = [make_curves(replace(assessment, positive=name, name=name)) for name in names]
    return [curves for curves in found if curves.name == assessment.positive or len(curves.roc.x)]


def positive_first(class_names: Sequence[str], positive: str) -> list[str]:
    """Return the class names, the positive class before the others: it always has the first colour."""
    return [positive, *(name for name in class_names if name != positive)]


def _roc(score: FloatArray, outcome: NDArray[np.bool_]) -> Curve:
    from sklearn.metrics import roc_curve

    if outcome.all() or not outcome.any():
        return _UNDEFINED
    false_rate, true_rate, threshold = roc_curve(outcome, score)
    # The first threshold is infinite: nothing is selected there.
    return _thin(false_rate, true_rate, np.minimum(threshold, 1.0))


def _recall_precision(score: FloatArray, outcome: NDArray[np.bool_]) -> Curve:
    if not outcome.any():
        return _UNDEFINED
    precision, recall, threshold = precision_recall_curve(score, outcome)
    return _thin(recall, precision, threshold)


def _highest(assessment: Assessment) -> Reliability:
    """Return how often the most probable class is the true one."""
    probability = assessment.probability
    return reliability(probability.max(axis=1), probability.argmax(axis=1) == assessment.truth_index)


def reliability(score: FloatArray, outcome: NDArray[np.bool_]) -> Reliability:
    """Return the reliability diagram of N probabilities and whether they came true."""
    curve = reliability_curve(score, outcome)
    filled = curve.count > 0
    frequency, count = curve.frequency[filled], curve.count[filled]
    low, high = _wilson(frequency, count)
    return Reliability(curve.score[filled], frequency, low, high, count)


def _wilson(frequency: FloatArray, count: NDArray[np.intp], z: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the Wilson score interval of `z` standard deviations (Wilson 1927)."""
    centre = (frequency + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(frequency * (1 - frequency) / count + z**2 / (4 * count**2))
    # The frequency is inside; at 0 and 1 only to within rounding.
    return np.clip(centre - half, 0.0, frequency), np.clip(centre + half, frequency, 1.0)


def _thin(x: FloatArray, y: FloatArray, threshold: FloatArray) -> Curve:
    """Keep points that are evenly spaced along the curve, both ends among them."""
    if len(x) <= _MAX_POINTS:
        return Curve(x, y, threshold)
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    kept = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], _MAX_POINTS)).clip(max=len(x) - 1))
    return Curve(x[kept], y[kept], threshold[kept])
