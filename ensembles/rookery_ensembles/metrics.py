"""How good class probabilities are: whole-sample metrics and the curves behind them.

The functions of a score take (N,) scores, of which higher means more likely, and (N,) outcomes,
true where the object is of the class in question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import LOG_FLOOR, as_probabilities, class_indices

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """How often predicted probabilities come true, in B bins of equal width from 0 to 1."""

    score: FloatArray
    """(B,) mean predicted probability; NaN in an empty bin."""
    frequency: FloatArray
    """(B,) fraction of the objects whose outcome is true; NaN in an empty bin."""
    count: NDArray[np.intp]
    """(B,) number of objects."""


def classification_metrics(
    class_names: Sequence[str],
    truth: Sequence[str | None] | NDArray[Any],
    probability_nk: NDArray[Any],
    positive: str = "Ia",
    n_bins: int = 15,
) -> dict[str, float]:
    """Score class probabilities against the truth, over the objects whose truth is known.

    Parameters
    ----------
    class_names
        K names, in the order of the columns.
    truth
        (N,) class names, None where unknown.
    probability_nk
        (N, K).
    positive
        The class that average precision and recall at a precision are about. With two classes,
        ROC AUC, Brier score and calibration error are about it too; where it is none of the two
        classes, about the second.
    n_bins
        Bins of the expected calibration error.

    Returns
    -------
    ``n`` (objects with a known truth), and each of `rookery_ensembles.metric.CLASS_METRICS`: always
    these keys. With more than two classes ``auc`` is the mean over classes of
    one-versus-rest, and ``ece`` is that of the most probable class. A metric is NaN where it is
    undefined: ``auc`` when the truth is of one class only, ``average_precision`` and the recalls
    when no object, or no class, is `positive`.

    Raises
    ------
    InputError
        When a truth is no class name, none is known, or the probabilities are invalid.
    """
    probability, index = _known_truths(class_names, truth, probability_nk)
    k = len(class_names)
    chosen = list(class_names).index(positive) if positive in class_names else 1
    if k == 2:
        auc = roc_auc(probability[:, chosen], index == chosen)
        ece = expected_calibration_error(probability[:, chosen], index == chosen, n_bins)
    else:
        aucs = [
            roc_auc(probability[:, j], index == j) for j in range(k) if 0 < np.sum(index == j) < len(index)
        ]
        auc = float(np.mean(aucs)) if aucs else float("nan")
        ece = expected_calibration_error(probability.max(axis=1), probability.argmax(axis=1) == index, n_bins)
    score, outcome = probability[:, chosen], (index == chosen) & (positive in class_names)
    return {
        "n": float(len(index)),
        "accuracy": accuracy(probability, index),
        "auc": auc,
        "average_precision": average_precision(score, outcome),
        "recall_at_precision_0.95": recall_at_precision(score, outcome, 0.95),
        "recall_at_precision_0.98": recall_at_precision(score, outcome, 0.98),
        "log_loss": log_loss(probability, index),
        "brier": brier(probability, index),
        "ece": ece,
        "macro_f1": macro_f1(probability, index),
    }


def accuracy(
    probability_nk: NDArray[Any],
    truth_index_n: NDArray[np.intp],
    sample_weight_n: NDArray[Any] | None = None,
) -> float:
    """Return the fraction of objects, weighted where weights are given, whose most probable class is true."""
    right_n = np.argmax(probability_nk, axis=1) == truth_index_n
    return float(np.average(right_n, weights=sample_weight_n))


def macro_f1(probability_nk: NDArray[Any], truth_index_n: NDArray[np.intp]) -> float:
    """Return the mean of F1 over the classes that an object is of or is assigned to.

    F1 is the harmonic mean of precision and recall; an object is assigned to its most probable class.
    """
    k = np.shape(probability_nk)[1]
    assigned_n = np.argmax(probability_nk, axis=1)
    right_k = np.bincount(truth_index_n[assigned_n == truth_index_n], minlength=k)
    both_k = np.bincount(truth_index_n, minlength=k) + np.bincount(assigned_n, minlength=k)
    return float(np.mean(2 * right_k[both_k > 0] / both_k[both_k > 0]))


def log_loss(
    probability_nk: NDArray[Any],
    truth_index_n: NDArray[np.intp],
    sample_weight_n: NDArray[Any] | None = None,
) -> float:
    """Return the mean, weighted where weights are given, of -ln p(true class); in nats per object.

    p is no less than `LOG_FLOOR`.
    """
    likelihood_n = np.take_along_axis(np.asarray(probability_nk), np.asarray(truth_index_n)[:, None], axis=1)
    loss_n = -np.log(np.maximum(likelihood_n[:, 0], LOG_FLOOR), dtype=np.float64)
    return float(loss_n.mean() if sample_weight_n is None else np.average(loss_n, weights=sample_weight_n))


def brier(probability_nk: NDArray[Any], truth_index_n: NDArray[np.intp]) -> float:
    """Return the Brier score: the mean squared distance between probabilities and truth.

    With two classes it is the square of one class's difference, from 0 to 1; with more, the sum
    of squares over the classes, from 0 to 2 (Brier 1950).
    """
    probability = np.asarray(probability_nk, dtype=np.float64)
    k = probability.shape[1]
    total = float(np.mean(np.sum((probability - np.eye(k)[truth_index_n]) ** 2, axis=1)))
    return total / 2 if k == 2 else total


def roc_auc(score_n: NDArray[Any], outcome_n: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: the chance that a true outcome outscores a false one.

    Ties count half. NaN unless there are outcomes of both kinds.
    """
    hits, misses = _counts_above_thresholds(score_n, outcome_n)
    if hits[-1] == 0 or misses[-1] == 0:
        return float("nan")
    true_rate, false_rate = np.append(0, hits / hits[-1]), np.append(0, misses / misses[-1])
    return float(np.trapezoid(true_rate, false_rate))


def precision_recall_curve(
    score_n: NDArray[Any], outcome_n: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return precision, recall and threshold at every distinct score, from the highest down.

    Precision (purity) and recall (efficiency) are those of the objects whose score is at or above
    the threshold. Recall is NaN when no outcome is true.
    """
    hits, misses = _counts_above_thresholds(score_n, outcome_n)
    recall = hits / hits[-1] if hits[-1] else np.full(len(hits), np.nan)
    return hits / (hits + misses), recall, np.unique(score_n)[::-1].astype(np.float64)


def average_precision(score_n: NDArray[Any], outcome_n: NDArray[np.bool_]) -> float:
    """Return the sum of precision times step in recall over all thresholds; NaN when no outcome is true."""
    precision, recall, _ = precision_recall_curve(score_n, outcome_n)
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def recall_at_precision(score_n: NDArray[Any], outcome_n: NDArray[np.bool_], precision: float) -> float:
    """Return the largest recall at which the precision is `precision` or more.

    0 when the precision is never reached; NaN when no outcome is true.
    """
    reached, recall, _ = precision_recall_curve(score_n, outcome_n)
    if np.isnan(recall).any():
        return float("nan")
    return float(np.max(recall, where=reached >= precision, initial=0.0))


def reliability_curve(
    score_n: NDArray[Any], outcome_n: NDArray[np.bool_], n_bins: int = 15
) -> ReliabilityCurve:
    """Compare predicted probabilities with how often they come true, in bins of equal width.

    A probability on an edge belongs to the bin above it, and 1 to the last.
    """
    score = np.asarray(score_n, dtype=np.float64)
    bin_n = np.minimum((score * n_bins).astype(np.intp), n_bins - 1)
    count = np.bincount(bin_n, minlength=n_bins)
    sums = np.bincount(bin_n, weights=score, minlength=n_bins)
    hits = np.bincount(bin_n, weights=np.asarray(outcome_n, dtype=np.float64), minlength=n_bins)
    empty = np.full(n_bins, np.nan)
    return ReliabilityCurve(
        score=np.divide(sums, count, out=empty.copy(), where=count > 0),
        frequency=np.divide(hits, count, out=empty.copy(), where=count > 0),
        count=count,
    )


def expected_calibration_error(
    score_n: NDArray[Any], outcome_n: NDArray[np.bool_], n_bins: int = 15
) -> float:
    """Return the mean distance of a reliability curve from the diagonal, weighted by the bins' objects.

    (Naeini et al. 2015; Guo et al. 2017, equation 3.)
    """
    curve = reliability_curve(score_n, outcome_n, n_bins)
    filled = curve.count > 0
    gap = np.abs(curve.score - curve.frequency)[filled]
    return float(np.average(gap, weights=curve.count[filled]))


def _known_truths(
    class_names: Sequence[str], truth: Sequence[str | None] | NDArray[Any], probability_nk: NDArray[Any]
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the probabilities and the class indices of the objects whose truth is known."""
    probability = as_probabilities(probability_nk)
    indices = class_indices(truth, class_names)
    expected = (len(indices), len(class_names))
    if probability.shape != expected:
        rule = f"must hold {expected[1]} classes for each of {expected[0]} objects"
        raise fail("probability", f"{rule}, but has the shape {probability.shape}")
    known = indices >= 0
    if not known.any():
        raise fail("truth", f"at least one of {len(indices)} objects must have a known class, but none has")
    return probability[known], indices[known]


def _counts_above_thresholds(
    score_n: NDArray[Any], outcome_n: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the numbers of true and of false outcomes at or above each distinct score, highest first."""
    score = np.asarray(score_n)
    if score.ndim != 1 or score.size == 0 or score.shape != np.shape(outcome_n):
        found = f"{score.shape} and {np.shape(outcome_n)}"
        raise fail(
            "scores", f"there must be one outcome per score, and at least one, but the shapes are {found}"
        )
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(np.asarray(outcome_n, dtype=np.intp)[order])[last_of_ties]
    return hits, last_of_ties + 1 - hits
