import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from rookery_ensembles import InputError, classification_metrics, reliability_curve
from rookery_ensembles.metrics import (
    average_precision,
    brier,
    expected_calibration_error,
    log_loss,
    precision_recall_curve,
    recall_at_precision,
    roc_auc,
)
from rookery_ensembles.probabilities import LOG_FLOOR

BINARY = ("Ia", "non-Ia")
KEYS = {
    "n",
    "accuracy",
    "macro_f1",
    "auc",
    "average_precision",
    "recall_at_precision_0.95",
    "recall_at_precision_0.98",
    "log_loss",
    "brier",
    "ece",
}


def binary(p_ia: list[float]) -> np.ndarray:
    return np.array([[p, 1 - p] for p in p_ia])


def test_a_hand_worked_binary_case() -> None:
    truth = ["Ia", "Ia", "non-Ia", "Ia", "non-Ia", None]
    found = classification_metrics(BINARY, truth, binary([0.9, 0.8, 0.7, 0.6, 0.1, 0.5]), n_bins=2)
    assert found.keys() == KEYS
    assert found["n"] == 5
    assert found["accuracy"] == pytest.approx(4 / 5)
    assert found["auc"] == pytest.approx(5 / 6)
    assert found["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found["recall_at_precision_0.95"] == pytest.approx(2 / 3)
    assert found["log_loss"] == pytest.approx(-math.log(0.9 * 0.8 * 0.3 * 0.6 * 0.9) / 5)
    assert found["brier"] == pytest.approx((0.01 + 0.04 + 0.49 + 0.16 + 0.01) / 5)
    # Upper bin: mean score 0.75, three of four are Ia. Lower bin: score 0.1, none is.
    assert found["ece"] == pytest.approx(0.1 / 5)


def test_a_hand_worked_case_of_three_classes() -> None:
    p = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.5, 0.2, 0.3]])
    found = classification_metrics(("Ia", "Ibc", "II"), ["Ia", "Ibc", "II"], p, n_bins=1)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)  # II is taken for Ia
    assert found["log_loss"] == pytest.approx(-math.log(0.8 * 0.6 * 0.3) / 3)
    assert found["brier"] == pytest.approx((0.06 + 0.24 + (0.25 + 0.04 + 0.49)) / 3)
    assert found["ece"] == pytest.approx(abs((0.8 + 0.6 + 0.5) / 3 - 2 / 3))
    assert found["auc"] == pytest.approx(1.0)
    assert found["recall_at_precision_0.98"] == 1.0


def test_perfect_and_certain_predictions_score_perfectly() -> None:
    found = classification_metrics(BINARY, ["Ia", "non-Ia"], binary([1.0, 0.0]))
    assert found["accuracy"] == found["auc"] == found["average_precision"] == 1.0
    assert found["recall_at_precision_0.98"] == 1.0
    assert found["log_loss"] == found["brier"] == found["ece"] == 0.0


def test_a_certain_error_costs_the_floor_and_not_infinity() -> None:
    assert log_loss(binary([1.0]), np.array([1])) == pytest.approx(-math.log(LOG_FLOOR))


def test_a_precision_never_reached_gives_no_recall() -> None:
    outcome = np.array([False, True, False])
    assert recall_at_precision(np.array([0.9, 0.8, 0.1]), outcome, 0.95) == 0.0
    assert recall_at_precision(np.array([0.9, 0.8, 0.1]), outcome, 0.5) == 1.0


def test_truth_of_one_class_leaves_undefined_metrics_undefined() -> None:
    none_positive = classification_metrics(BINARY, ["non-Ia"] * 2, binary([0.2, 0.1]))
    assert {key for key, value in none_positive.items() if math.isnan(value)} == {
        "auc",
        "average_precision",
        "recall_at_precision_0.95",
        "recall_at_precision_0.98",
    }
    all_positive = classification_metrics(BINARY, ["Ia"] * 2, binary([0.2, 0.1]))
    assert {key for key, value in all_positive.items() if math.isnan(value)} == {"auc"}


def test_a_positive_class_that_is_none_leaves_its_metrics_undefined() -> None:
    found = classification_metrics(("star", "galaxy"), ["star", "galaxy"], binary([0.9, 0.1]))
    assert found["auc"] == 1.0
    assert math.isnan(found["average_precision"])
    assert found.keys() == KEYS


def test_the_positive_class_need_not_be_the_first() -> None:
    truth, p = ["Ia", "Ia", "non-Ia"], binary([0.9, 0.4, 0.6])
    swapped = classification_metrics(BINARY[::-1], truth, p[:, ::-1])
    assert swapped == pytest.approx(classification_metrics(BINARY, truth, p))


@pytest.mark.parametrize(
    ("truth", "p", "message"),
    [
        ([None], [0.5], "at least one of 1 objects must have a known class"),
        (["Ib"], [0.5], "row 0: must be one of Ia, non-Ia"),
        (["Ia"], [0.5, 0.5], "2 classes for each of 1 objects"),
        (["Ia"], [1.5], "negative"),
    ],
)
def test_invalid_input_is_refused(truth: list[str], p: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        classification_metrics(BINARY, truth, binary(p))


# Few distinct values make ties, the hard case of the rank metrics, common.
@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40), step=st.just(8))
def test_rank_metrics_agree_with_an_independent_implementation(pairs, step: int) -> None:
    score, outcome = np.array([s / step for s, _ in pairs]), np.array([o for _, o in pairs])
    if outcome.any() and not outcome.all():
        assert roc_auc(score, outcome) == pytest.approx(reference.roc_auc_score(outcome, score))
        assert average_precision(score, outcome) == pytest.approx(
            reference.average_precision_score(outcome, score)
        )
        precision, recall, threshold = reference.precision_recall_curve(outcome, score)
        ours = precision_recall_curve(score, outcome)
        np.testing.assert_allclose(ours[0], precision[-2::-1])
        np.testing.assert_allclose(ours[1], recall[-2::-1])
        np.testing.assert_allclose(ours[2], threshold[::-1])
        assert recall_at_precision(score, outcome, 0.75) == recall[precision >= 0.75].max()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_proper_scores_agree_with_an_independent_implementation(member_stacks, data: st.DataObject) -> None:
    values, truth = data.draw(member_stacks)
    k = values.shape[2]
    p = values[0].astype(np.float64)
    p = 0.999 * p / p.sum(axis=1, keepdims=True) + 0.001 / k
    assert log_loss(p, truth) == pytest.approx(reference.log_loss(truth, p, labels=range(k)))
    ours = brier(p, truth)
    if k == 2:
        assert ours == pytest.approx(np.mean((p[:, 1] - truth) ** 2))
    else:
        squares = [np.sum((row - np.eye(k)[t]) ** 2) for row, t in zip(p, truth, strict=True)]
        assert ours == pytest.approx(np.mean(squares))


def test_a_reliability_curve_counts_every_object_once() -> None:
    curve = reliability_curve(np.array([0.0, 0.1, 0.5, 1.0]), np.array([False, True, True, True]), n_bins=4)
    assert curve.count.tolist() == [2, 0, 1, 1]
    np.testing.assert_allclose(curve.score, [0.05, np.nan, 0.5, 1.0])
    np.testing.assert_allclose(curve.frequency, [0.5, np.nan, 1.0, 1.0])
    assert expected_calibration_error(
        np.array([0.0, 0.1, 0.5, 1.0]), np.array([False, True, True, True]), 4
    ) == pytest.approx((2 * 0.45 + 0.5 + 0) / 4)
