"""Every metric of class probabilities under many weightings of the same objects at once.

A weight says how often an object counts: with the counts of a bootstrap replicate, a metric is
that of the resampled objects. Scores are sorted once and for all; a replicate costs cumulative
sums, no sorting. Arrays end in their axes: r weightings, n objects, k classes.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.metric import CLASS_METRICS, EACH_CLASS_METRICS, weighted
from rookery_ensembles.probabilities import LOG_FLOOR, as_probabilities, check_truth_index
from rookery_ensembles.shown import short_repr

FloatArray = NDArray[np.float64]

N_CALIBRATION_BINS = 15
_COLUMNS = ("right", "loss", "squares")


class RankedScores:
    """Scores of one class against all others, sorted once.

    Parameters
    ----------
    score_n
        (N,) scores, of which higher means more likely.
    outcome_n
        (N,) true where the object is of the class.
    """

    def __init__(self, score_n: NDArray[Any], outcome_n: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-np.asarray(score_n), kind="stable")
        ranked = np.asarray(score_n)[self._order]
        self._last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        self._outcome = np.asarray(outcome_n, dtype=np.float64)[self._order]
        self.threshold = ranked[self._last_of_ties].astype(np.float64)

    def curves(self, weight_rn: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the weights (R, T) of true and of false outcomes at or above each distinct score.

        The T thresholds go from the highest score down.
        """
        weight = weight_rn[:, self._order]
        total = np.cumsum(weight, axis=1)[:, self._last_of_ties]
        weight *= self._outcome
        hits = np.cumsum(weight, axis=1)[:, self._last_of_ties]
        return hits, total - hits


def roc_auc_r(hits_rt: FloatArray, misses_rt: FloatArray) -> FloatArray:
    """Return (R,) areas under the ROC curve, ties counting half; NaN without outcomes of both kinds."""
    before = hits_rt - np.diff(hits_rt, axis=1, prepend=0.0) / 2
    area = np.einsum("rt,rt->r", before, np.diff(misses_rt, axis=1, prepend=0.0))
    return _ratio(area, hits_rt[:, -1] * misses_rt[:, -1])


def average_precision_r(hits_rt: FloatArray, misses_rt: FloatArray) -> FloatArray:
    """Return (R,) sums of precision times step in recall; NaN when no outcome is true."""
    precision = _ratio(hits_rt, hits_rt + misses_rt, empty=0.0)
    total = np.einsum("rt,rt->r", precision, np.diff(hits_rt, axis=1, prepend=0.0))
    return _ratio(total, hits_rt[:, -1])


def recall_at_precision_r(hits_rt: FloatArray, misses_rt: FloatArray, precision: float) -> FloatArray:
    """Return (R,) largest recalls at a precision of `precision` or more; NaN when no outcome is true."""
    reached = _ratio(hits_rt, hits_rt + misses_rt, empty=0.0) >= precision
    best = np.max(hits_rt, axis=1, where=reached, initial=0.0)
    return _ratio(best, hits_rt[:, -1])


@short_repr
class WeightedSample:
    """Class probabilities of N objects of known class, ready to be scored under any weights.

    Parameters
    ----------
    class_names
        K names, in the order of the columns.
    truth_index
        (N,) positions of the true classes.
    probability_nk
        (N, K).
    positive
        The class that one-sided metrics are about; see `classification_metrics`, whose rules hold
        here: with weights of 1 the metrics are the same.
    n_bins
        Bins of the expected calibration error.

    Raises
    ------
    InputError
        When a probability or a true class is invalid.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        truth_index: NDArray[Any],
        probability_nk: NDArray[Any],
        positive: str = "Ia",
        n_bins: int = N_CALIBRATION_BINS,
    ) -> None:
        self.class_names = tuple(class_names)
        probability = as_probabilities(probability_nk)
        n, k = len(probability), len(self.class_names)
        self.truth = check_truth_index(truth_index, n, k)
        self.predicted = probability.argmax(axis=1)
        self.n_bins = n_bins
        self._probability = probability
        self._positive = self.class_names.index(positive) if positive in self.class_names else None
        self._ranked: dict[int, RankedScores] = {}

    def __len__(self) -> int:
        """Return N."""
        return len(self.truth)

    def take(self, rows: NDArray[np.intp]) -> "WeightedSample":
        """Return some of the objects."""
        positive = self.class_names[self.chosen] if self.has_positive else ""
        kept = self._probability[rows]
        return WeightedSample(self.class_names, self.truth[rows], kept, positive, self.n_bins)

    @property
    def n_positive(self) -> int:
        """Number of objects of the positive class; 0 where it is none of the classes."""
        return int((self.truth == self._positive).sum()) if self.has_positive else 0

    @property
    def chosen(self) -> int:
        """Position of the class that one-sided metrics are about: `positive`, or else the second."""
        return 1 if self._positive is None else self._positive

    @property
    def has_positive(self) -> bool:
        """Whether `positive` is one of the classes, so that an object can be of it."""
        return self._positive is not None

    def metrics(self, weight_rn: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return each of `CLASS_METRICS` under every weighting, (R,); NaN where undefined.

        Without weights every object counts once, and R is 1.
        """
        return weighted(CLASS_METRICS, Weighting(self, self._weights(weight_rn)))

    def confusion(self, weight_rn: FloatArray | None = None) -> FloatArray:
        """Return (R, K, K) weights of the objects by true (row) and most probable class (column)."""
        k = len(self.class_names)
        cells: FloatArray = (self._weights(weight_rn) @ self._cell_nc).reshape(-1, k, k)
        return cells

    def class_metrics(self, weight_rn: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return each of `EACH_CLASS_METRICS` for every class, (R, K); NaN where undefined.

        An object is assigned to its most probable class. Precision (purity) is undefined where
        nothing is assigned to a class, recall (efficiency) where no object is of it, and F1, their
        harmonic mean, where both are; AUC is one-versus-rest.
        """
        return weighted(EACH_CLASS_METRICS, Weighting(self, self._weights(weight_rn)))

    def purity_efficiency(
        self, threshold_t: FloatArray, weight_rn: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return purity and efficiency (R, T) of the positive class, selected at or above thresholds.

        Purity is NaN where nothing is selected; efficiency where no object is of the class.
        """
        weight = self._weights(weight_rn)
        outcome = self.truth == self.chosen
        selected_nt = (self._probability[:, self.chosen, None] >= threshold_t).astype(np.float64)
        hits = weight @ (selected_nt * outcome[:, None])
        return _ratio(hits, weight @ selected_nt), _ratio(hits, (weight @ outcome)[:, None])

    def curves(self, chosen: int, weight_rn: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the weights (R, T) of objects of a class, and of others, by falling thresholds."""
        if chosen not in self._ranked:
            self._ranked[chosen] = RankedScores(self._probability[:, chosen], self.truth == chosen)
        return self._ranked[chosen].curves(weight_rn)

    def aucs(self, weight_rn: FloatArray) -> FloatArray:
        """Return each class's one-versus-rest area, (R, K)."""
        found = [roc_auc_r(*self.curves(chosen, weight_rn)) for chosen in range(len(self.class_names))]
        return np.stack(found, axis=1)

    @cached_property
    def columns_nc(self) -> FloatArray:
        """(N, 3): whether the predicted class is right, its log-loss and its squared distance."""
        k = len(self.class_names)
        likelihood = self._probability[np.arange(len(self)), self.truth]
        squares: FloatArray = np.sum((self._probability - np.eye(k)[self.truth]) ** 2, axis=1)
        loss = -np.log(np.maximum(likelihood, LOG_FLOOR))
        return np.column_stack([self.predicted == self.truth, loss, squares / 2 if k == 2 else squares])

    @cached_property
    def calibration_gaps(self) -> FloatArray:
        """(N, B): in an object's bin its probability less its outcome, elsewhere 0."""
        if len(self.class_names) == 2:
            score, outcome = self._probability[:, self.chosen], self.truth == self.chosen
        else:
            score, outcome = self._probability.max(axis=1), self.predicted == self.truth
        gaps = np.zeros((len(self), self.n_bins))
        bin_n = np.minimum((score * self.n_bins).astype(np.intp), self.n_bins - 1)
        gaps[np.arange(len(self)), bin_n] = score - outcome
        return gaps

    @cached_property
    def _cell_nc(self) -> FloatArray:
        k = len(self.class_names)
        cells = np.zeros((len(self), k * k))
        cells[np.arange(len(self)), self.truth * k + self.predicted] = 1.0
        return cells

    def _weights(self, weight_rn: FloatArray | None) -> FloatArray:
        return np.ones((1, len(self))) if weight_rn is None else np.asarray(weight_rn, dtype=np.float64)


class Weighting:
    """A sample under R weightings: what several metrics share is worked out once."""

    def __init__(self, sample: WeightedSample, weight_rn: FloatArray) -> None:
        self._sample, self._weight = sample, weight_rn
        self._total = weight_rn.sum(axis=1)

    @cached_property
    def means(self) -> dict[str, FloatArray]:
        """Weighted means (R,) of the sample's columns."""
        sums = (self._weight @ self._sample.columns_nc).T
        return {name: _ratio(column, self._total) for name, column in zip(_COLUMNS, sums, strict=True)}

    @cached_property
    def auc(self) -> FloatArray:
        """(R,) area of two classes; of more the mean over those of which it is defined."""
        if len(self._sample.class_names) == 2:
            return roc_auc_r(*self._curves)
        return _mean_defined(self.aucs)

    @cached_property
    def aucs(self) -> FloatArray:
        """(R, K) one-versus-rest areas of each class."""
        return self._sample.aucs(self._weight)

    @property
    def precision(self) -> FloatArray:
        """(R, K) of each class; NaN where nothing is assigned to it."""
        right, _, assigned = self._assigned
        return _ratio(right, assigned)

    @property
    def recall(self) -> FloatArray:
        """(R, K) of each class; NaN where no object is of it."""
        right, true, _ = self._assigned
        return _ratio(right, true)

    @property
    def f1(self) -> FloatArray:
        """(R, K) of each class; NaN where nothing is of it or assigned to it."""
        right, true, assigned = self._assigned
        return _ratio(2 * right, true + assigned)

    @property
    def macro_f1(self) -> FloatArray:
        """(R,) mean of F1 over the classes of which it is defined."""
        return _mean_defined(self.f1)

    @cached_property
    def _assigned(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Weights (R, K) of what is rightly assigned to each class, of it, and assigned to it."""
        confusion = self._sample.confusion(self._weight)
        return np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2), confusion.sum(axis=1)

    @property
    def average_precision(self) -> FloatArray:
        """(R,) of the positive class."""
        return average_precision_r(*self._one_sided)

    def recall_at_precision(self, precision: float) -> FloatArray:
        """Return (R,) largest recalls of the positive class at a precision."""
        return recall_at_precision_r(*self._one_sided, precision)

    @property
    def calibration_error(self) -> FloatArray:
        """(R,) mean distances of the reliability curve from the diagonal."""
        return _ratio(np.abs(self._weight @ self._sample.calibration_gaps).sum(axis=1), self._total)

    @cached_property
    def _curves(self) -> tuple[FloatArray, FloatArray]:
        return self._sample.curves(self._sample.chosen, self._weight)

    @cached_property
    def _one_sided(self) -> tuple[FloatArray, FloatArray]:
        hits, misses = self._curves
        if self._sample.has_positive:
            return hits, misses
        return np.zeros_like(hits), misses + hits  # no object can be of a class that is none of these


def _ratio(above: FloatArray, below: FloatArray, empty: float = np.nan) -> FloatArray:
    """Divide; `empty` where the divisor is 0."""
    shape = np.broadcast_shapes(np.shape(above), np.shape(below))
    ratio: FloatArray = np.divide(above, below, out=np.full(shape, empty), where=np.asarray(below) > 0)
    return ratio


def _mean_defined(values_rk: FloatArray) -> FloatArray:
    """Return the mean over a row's numbers that are not NaN; NaN where all are."""
    defined = ~np.isnan(values_rk)
    return _ratio(np.where(defined, values_rk, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))
