import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_ensembles import (
    InputError,
    PredictionInfo,
    PriorCorrection,
    choose,
    correct_probabilities,
    estimate_fractions,
    load_bundle,
    read_predictions,
    write_bundle,
    write_predictions,
)


def calibrated(fractions, training, n: int, seed: int, distance: float = 1.5) -> np.ndarray:
    """Exact posteriors, at the training fractions, of objects drawn at other fractions.

    Class k is a unit Gaussian around `distance` times the k-th unit vector.
    """
    rng = np.random.default_rng(seed)
    k = len(fractions)
    truth = rng.choice(k, n, p=fractions)
    x = rng.normal(size=(n, k)) + distance * np.eye(k)[truth]
    weighted = np.exp(distance * x) * np.asarray(training)
    return weighted / weighted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("fractions", "training"),
    [((0.23, 0.77), (0.5, 0.5)), ((0.9, 0.1), (0.3, 0.7)), ((0.1, 0.6, 0.3), (0.5, 0.25, 0.25))],
)
def test_fractions_are_recovered_within_their_interval_under_label_shift(fractions, training) -> None:
    probability = calibrated(fractions, training, 6000, seed=1)
    found = estimate_fractions(probability, training)
    assert found.fractions == pytest.approx(fractions, abs=0.03)
    assert (found.high - found.low < 0.1).all()
    assert (found.low < found.fractions).all()
    assert (found.fractions < found.high).all()
    assert found.n_objects == 6000


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(60):
        found = estimate_fractions(calibrated((0.3, 0.7), (0.5, 0.5), 400, seed), (0.5, 0.5), seed=seed)
        inside += found.low[0] <= 0.3 <= found.high[0]
    assert inside >= 50


def test_the_interval_of_many_objects_shrinks_though_few_are_resampled() -> None:
    few, many = (
        estimate_fractions(calibrated((0.3, 0.7), (0.5, 0.5), n, 2), (0.5, 0.5)) for n in (20_000, 80_000)
    )
    assert (many.high - many.low)[0] == pytest.approx((few.high - few.low)[0] / 2, rel=0.3)


def test_nothing_changes_where_the_fractions_did_not() -> None:
    training = np.array([0.3, 0.7])
    probability = calibrated(training, training, 50_000, seed=3)
    assert estimate_fractions(probability, training, bootstrap=0).fractions == pytest.approx(
        training, abs=0.01
    )
    assert np.array_equal(correct_probabilities(probability, training, training), probability)


def test_correction_gives_the_posteriors_at_the_new_fractions() -> None:
    old, new = (0.5, 0.5), (0.2, 0.8)
    at_old, at_new = (calibrated((0.4, 0.6), training, 500, seed=4) for training in (old, new))
    assert correct_probabilities(at_old, old, new) == pytest.approx(at_new)


def test_corrected_probabilities_have_less_log_loss_under_label_shift() -> None:
    rng = np.random.default_rng(5)
    truth = (rng.random(4000) < 0.85).astype(int)
    x = rng.normal(size=4000) + 1.5 * truth
    p_1 = 1 / (1 + np.exp(-(1.5 * x - 1.5**2 / 2)))
    probability = np.stack([1 - p_1, p_1], axis=1)
    found = estimate_fractions(probability, (0.5, 0.5), bootstrap=0)
    corrected = correct_probabilities(probability, (0.5, 0.5), found.fractions)
    rows = np.arange(4000)
    assert np.log(corrected[rows, truth]).mean() > np.log(probability[rows, truth]).mean() + 0.05


def test_prior_objects_pull_the_estimate_towards_the_training_fractions() -> None:
    probability = calibrated((0.1, 0.9), (0.5, 0.5), 300, seed=6)
    free, damped, held = (
        estimate_fractions(probability, (0.5, 0.5), prior_objects=n, bootstrap=0).fractions[0]
        for n in (0, 300, 1e9)
    )
    assert free < damped < held == pytest.approx(0.5, abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.sampled_from([0.05, 1.0, 20.0]))
def test_fractions_are_on_the_simplex_and_follow_a_permutation_of_classes(seed, k, concentration) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.full(k, concentration), 40).clip(1e-9)
    probability /= probability.sum(axis=1, keepdims=True)
    training = rng.dirichlet(np.full(k, 5.0)).clip(0.01)
    training /= training.sum()
    found = estimate_fractions(probability, training, tolerance=1e-6, bootstrap=0).fractions
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    corrected = correct_probabilities(probability, training, found)
    assert corrected.sum(axis=1) == pytest.approx(1)
    order = rng.permutation(k)
    again = estimate_fractions(probability[:, order], training[order], tolerance=1e-6, bootstrap=0)
    assert again.fractions == pytest.approx(found[order], abs=1e-4)


@pytest.mark.parametrize(
    ("probability", "training", "message"),
    [
        ([[1, 0], [1, 0]], (0.5, 0.5), "class 1 has none in 2 objects"),
        ([[0.6, 0.4]], (1, 0), "greater than 0, but class 1 has 0"),
        ([[0.6, 0.4]], (0.5, 0.4), "must sum to 1, but sum to 0.9"),
        ([[0.6, 0.4]], (0.5, 0.25, 0.25), "one for each of 2 classes"),
        ([[0.6, 0.6]], (0.5, 0.5), "must sum to 1 within"),
    ],
)
def test_bad_input_is_refused_with_the_rule_and_the_value(probability, training, message) -> None:
    with pytest.raises(InputError, match=message):
        estimate_fractions(np.array(probability, dtype=float), training)


def test_an_estimate_that_does_not_settle_says_so() -> None:
    probability = calibrated((0.1, 0.9), (0.5, 0.5), 300, seed=6)
    with pytest.raises(InputError, match="settle to 1e-07 within 2 iterations"):
        estimate_fractions(probability, (0.5, 0.5), max_iterations=2)


def test_prediction_files_tell_of_the_correction(make_predictions, tmp_path: Path) -> None:
    record = PriorCorrection((0.5, 0.5), (0.2, 0.8), (0.1, 0.7), (0.3, 0.9), 3)
    plain = make_predictions()
    told = replace(plain, info=replace(plain.info, prior_correction=record))
    write_predictions(told, tmp_path / "p.parquet")
    assert read_predictions(tmp_path / "p.parquet").info == told.info
    assert "prior_correction" not in json.loads(plain.info.to_json()), "old files and new ones look alike"
    document = json.loads(told.info.to_json())
    document["prior_correction"]["estimated"] = [1.0]
    with pytest.raises(InputError, match="one fraction for each of the class names"):
        PredictionInfo.from_json(json.dumps(document).encode(), "p.parquet")


@pytest.fixture
def candidates(make_predictions, make_member, tmp_path: Path):
    from rookery_ensembles import CandidateMember

    # m0 is right on the first half of the objects, m1 on the second.
    truth = ["Ia", "non-Ia"] * 30
    right = np.where(np.arange(60) % 2 == 0, 0.9, 0.1)
    sides = (
        np.where(np.arange(60) < 30, right, 1 - right),
        np.where(np.arange(60) < 30, 1 - right, right),
    )
    return [
        CandidateMember(
            f"m{i}", make_member(tmp_path, f"m{i}"), f"c{i}", make_predictions(p, truth, member=f"m{i}")
        )
        for i, p in enumerate(sides)
    ]


@pytest.mark.parametrize("bags", [0, 20])
def test_weights_of_objects_decide_which_member_is_chosen(candidates, bags: int) -> None:
    first = {f"SN{i}": 1.0 if i < 30 else 0.0 for i in range(60)}
    second = {name: 1 - weight for name, weight in first.items()}
    assert choose(candidates, bags=bags, sample_weight=first).weights == {"m0": 1.0}
    chosen = choose(candidates, bags=bags, sample_weight=second)
    assert chosen.weights == {"m1": 1.0}
    assert chosen.scores["selected"]["weighted_log_loss"] == pytest.approx(-np.log(0.9), rel=1e-5)
    assert chosen.calibration.temperature < 0.2, "those that count are all right: the sharpest is best"


def test_equal_weights_change_nothing(candidates) -> None:
    plain = choose(candidates)
    equal = choose(candidates, sample_weight={f"SN{i}": 3.0 for i in range(60)})
    assert equal.weights == plain.weights
    assert equal.losses == pytest.approx(plain.losses)


def test_a_missing_or_negative_weight_is_refused(candidates) -> None:
    with pytest.raises(InputError, match="1 have none, the first being 'SN59'"):
        choose(candidates, sample_weight={f"SN{i}": 1.0 for i in range(59)})
    with pytest.raises(InputError, match="not negative, but found -1"):
        choose(candidates, sample_weight={f"SN{i}": -1.0 for i in range(60)})
    with pytest.raises(InputError, match="must be greater than 0"):
        choose(candidates, sample_weight={f"SN{i}": 0.0 for i in range(60)})


def test_a_bundle_keeps_its_class_fractions_and_an_old_one_has_none(candidates, tmp_path: Path) -> None:
    choice = choose(candidates)
    assert choice.class_fractions == {"Ia": 0.5, "non-Ia": 0.5}
    terms = {"members": choice.members, "scores": choice.scores, "provenance": {}}
    terms["target"] = choice.target
    old = write_bundle(tmp_path / "old", **terms)
    assert old.class_fractions is None
    new = write_bundle(tmp_path / "new", class_fractions=choice.class_fractions, **terms)
    assert load_bundle(new.path).class_fractions == choice.class_fractions
    with pytest.raises(InputError, match="key `class_fractions`: must name the classes Ia, non-Ia"):
        write_bundle(tmp_path / "bad", class_fractions={"Ia": 1.0}, **terms)
