import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from rookery_ensembles import InputError, WeightedSample, bootstrap_scores, classification_metrics
from rookery_ensembles.bootstrap import bootstrap_purity_efficiency, bootstrap_weights
from rookery_ensembles.metric import CLASS_METRICS, EACH_CLASS_METRICS

METRIC_KEYS = tuple(metric.name for metric in CLASS_METRICS)
CLASS_KEYS = tuple(metric.name for metric in EACH_CLASS_METRICS)
BINARY = ("Ia", "non-Ia")
THREE = ("Ia", "Ibc", "II")


def drawn_sample(
    n: int, names: tuple[str, ...] = BINARY, seed: int = 0, sharp: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """True classes and probabilities rounded to two digits, so that scores have ties."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(names), n)
    logit = rng.normal(size=(n, len(names))) + sharp * np.eye(len(names))[truth]
    p = np.round(np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True), 2) + 1e-3
    return truth, p / p.sum(axis=1, keepdims=True)


def named(truth: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    return np.array(names, dtype=object)[truth]


@settings(max_examples=40)
@given(
    n=st.integers(1, 60),
    names=st.sampled_from([BINARY, THREE]),
    positive=st.sampled_from(["Ia", "II", "no class"]),
    seed=st.integers(0, 1000),
)
def test_weights_of_one_give_the_metrics_of_the_whole_sample(
    n: int, names: tuple[str, ...], positive: str, seed: int
) -> None:
    truth, p = drawn_sample(n, names, seed)
    found = WeightedSample(names, truth, p, positive).metrics()
    expected = classification_metrics(names, named(truth, names), p, positive)
    assert tuple(found) == METRIC_KEYS == tuple(expected)[1:]
    for key in METRIC_KEYS:
        np.testing.assert_allclose(found[key], [expected[key]], atol=1e-12, err_msg=key)


@settings(max_examples=40)
@given(n=st.integers(1, 30), names=st.sampled_from([BINARY, THREE]), seed=st.integers(0, 1000))
def test_metrics_by_weights_are_those_of_repeated_objects(n: int, names: tuple[str, ...], seed: int) -> None:
    truth, p = drawn_sample(n, names, seed)
    counts = np.random.default_rng(seed).integers(0, 4, size=(2, n)).astype(float)
    counts[:, 0] += 1
    sample = WeightedSample(names, truth, p)
    found, classes = sample.metrics(counts), sample.class_metrics(counts)
    for row, weight in enumerate(counts.astype(int)):
        again = np.repeat(np.arange(n), weight)
        expected = classification_metrics(names, named(truth[again], names), p[again])
        repeated = WeightedSample(names, truth[again], p[again]).class_metrics()
        for key in METRIC_KEYS:
            np.testing.assert_allclose(found[key][row], expected[key], atol=1e-12, err_msg=key)
        for key in CLASS_KEYS:
            np.testing.assert_allclose(classes[key][row], repeated[key][0], atol=1e-12, err_msg=key)


def test_each_class_of_a_hand_worked_case() -> None:
    # true Ia: assigned Ia, Ia, II; true II: assigned II; true Ibc: assigned Ia. Nothing is assigned to Ibc.
    truth = np.array([0, 0, 0, 2, 1])
    p = np.eye(3)[[0, 0, 2, 2, 0]] * 0.7 + 0.1
    found = WeightedSample(THREE, truth, p).class_metrics()
    np.testing.assert_allclose(found["precision"][0], [2 / 3, np.nan, 1 / 2])
    np.testing.assert_allclose(found["recall"][0], [2 / 3, 0, 1])
    np.testing.assert_allclose(found["f1"][0], [2 / 3, 0, 2 / 3])
    # Of the 3 x 2 pairs of an Ia and another: two Ia beat the II and tie with the Ibc, one ties and loses.
    assert found["auc"][0, 0] == pytest.approx((2 * 1.5 + 0.5) / 6)
    np.testing.assert_array_equal(
        WeightedSample(THREE, truth, p).confusion()[0], [[2, 0, 1], [1, 0, 0], [0, 0, 1]]
    )


def test_purity_and_efficiency_of_a_hand_worked_case() -> None:
    sample = WeightedSample(BINARY, np.array([0, 1, 0]), np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]))
    purity, efficiency = sample.purity_efficiency(np.array([0.0, 0.5, 0.6, 0.7, 1.0]))
    np.testing.assert_allclose(purity[0], [2 / 3, 1 / 2, 1 / 2, 1, np.nan])
    np.testing.assert_allclose(efficiency[0], [1, 1 / 2, 1 / 2, 1 / 2, 0])


def test_interval_of_accuracy_is_the_binomial_one() -> None:
    n, right = 400, 300
    p = np.tile([0.8, 0.2], (n, 1))
    truth = (np.arange(n) >= right).astype(int)
    found = bootstrap_scores(WeightedSample(BINARY, truth, p), replicates=2000).metrics["accuracy"]
    sigma = math.sqrt(0.75 * 0.25 / n)
    for level, (low, high) in found.intervals.items():
        half = norm.ppf((1 + level) / 2) * sigma
        assert low == pytest.approx(0.75 - half, abs=0.08 * half + 1 / n)
        assert high == pytest.approx(0.75 + half, abs=0.08 * half + 1 / n)


def test_interval_of_auc_has_the_width_of_hanley_and_mcneil() -> None:
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1], 200)
    score = 1 / (1 + np.exp(-(rng.normal(size=400) + np.where(truth == 0, 1.0, -1.0))))
    found = bootstrap_scores(WeightedSample(BINARY, truth, np.column_stack([score, 1 - score])))
    auc, (low, high) = found.metrics["auc"].value, found.metrics["auc"].intervals[0.68]
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + 199 * (q1 - auc**2) + 199 * (q2 - auc**2)) / 200**2
    assert (high - low) / 2 == pytest.approx(math.sqrt(variance), rel=0.25)


@settings(max_examples=25)
@given(n=st.integers(1, 40), names=st.sampled_from([BINARY, THREE]), seed=st.integers(0, 1000))
def test_intervals_hold_the_value_and_the_wider_holds_the_narrower(
    n: int, names: tuple[str, ...], seed: int
) -> None:
    truth, p = drawn_sample(n, names, seed)
    scores = bootstrap_scores(WeightedSample(names, truth, p), replicates=30, classes=True, seed=seed)
    classes = [estimate for found in scores.per_class.values() for estimate in found.values()]
    for estimate in [*scores.metrics.values(), *classes]:
        narrow, wide = estimate.intervals[0.68], estimate.intervals[0.95]
        assert np.isnan(narrow).all() == np.isnan(wide).all()
        if math.isnan(estimate.value):
            assert np.isnan(narrow).all()
        elif not np.isnan(narrow).any():
            assert 0 <= wide[0] <= narrow[0] <= estimate.value <= narrow[1] <= wide[1]


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    sample = WeightedSample(BINARY, *drawn_sample(50))
    first, again, other = (bootstrap_scores(sample, replicates=50, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.metrics["log_loss"].intervals != other.metrics["log_loss"].intervals
    assert first.metrics["log_loss"].value == other.metrics["log_loss"].value


def test_every_replicate_draws_as_many_objects_as_there_are() -> None:
    blocks = list(bootstrap_weights(70_000, 20, seed=0))
    assert sum(len(block) for block in blocks) == 20
    assert len(blocks) > 1
    assert all((block.sum(axis=1) == 70_000).all() for block in blocks)
    mean = np.concatenate(list(bootstrap_weights(10, 4000, seed=0))).mean(axis=0)
    np.testing.assert_allclose(mean, 1.0, atol=0.07)


def test_a_calibrated_sample_has_an_interval_around_its_calibration_error() -> None:
    """Chance lifts the replicates of a sum of distances; their place is put right, not their spread."""
    rng = np.random.default_rng(0)
    score = rng.uniform(size=500)
    truth = (rng.uniform(size=500) > score).astype(int)
    found = bootstrap_scores(WeightedSample(BINARY, truth, np.column_stack([score, 1 - score])))
    low, high = found.metrics["ece"].intervals[0.68]
    assert low < found.metrics["ece"].value - 0.002
    assert high > found.metrics["ece"].value + 0.002


def test_bands_hold_the_curves_of_purity_and_efficiency() -> None:
    found = bootstrap_purity_efficiency(WeightedSample(BINARY, *drawn_sample(300)), replicates=100)
    low, high = found.efficiency_band
    assert ((low <= found.efficiency) & (found.efficiency <= high)).mean() > 0.95
    assert found.purity_band[0][0] < found.purity[0] < found.purity_band[1][0]


def test_without_replicates_there_are_values_and_no_intervals() -> None:
    sample = WeightedSample(BINARY, *drawn_sample(30))
    scores = bootstrap_scores(sample, replicates=0)
    assert scores.metrics["accuracy"].to_json() == {"value": scores.metrics["accuracy"].value}
    assert np.isnan(bootstrap_purity_efficiency(sample, replicates=0).purity_band[0]).all()


def test_what_is_undefined_is_null_with_its_intervals() -> None:
    sample = WeightedSample(BINARY, np.zeros(9, dtype=int), np.tile([0.8, 0.2], (9, 1)))
    found = bootstrap_scores(sample, replicates=20).metrics
    assert found["auc"].to_json() == {"value": None, "68": None, "95": None}
    assert found["accuracy"].to_json() == {"value": 1.0, "68": [1.0, 1.0], "95": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"replicates": 5}, "at least 20, but are 5"), ({"seed": -1}, "seed must be at least 0, but is -1")],
)
def test_bootstraps_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bootstrap_scores(WeightedSample(BINARY, *drawn_sample(10)), **options)
