"""Errors and paired differences of a campaign's table, against what is known of the draws."""

from dataclasses import replace

import numpy as np
import pytest

from rookery.campaigns.averages import mean_of
from rookery.campaigns.uncertainty import Judged, differences, judge
from rookery_ensembles import Classes, PredictionInfo, Predictions, prediction_metrics

N = 800
CLASSES = ("Ia", "non-Ia")


def classifier(skill: float, seed: int, noise_seed: int = 0) -> Predictions:
    """Predictions of the same objects: easy and hard ones are so for every network."""
    generator = np.random.default_rng(noise_seed)
    is_ia = generator.uniform(size=N) < 0.4
    shared = generator.normal(size=N)
    own = np.random.default_rng([seed, 7]).normal(size=N) * 0.3
    p = 1 / (1 + np.exp(-(skill * np.where(is_ia, 1, -1) + shared + own)))
    return Predictions(
        info=PredictionInfo(Classes(CLASSES), member=f"m{seed}"),
        object_id=np.array([f"o{row:04}" for row in range(N)]),
        truth=np.where(is_ia, "Ia", "non-Ia").astype(object),
        values=np.column_stack([p, 1 - p]).astype(np.float32),
    )


def of(*predictions: Predictions, replicates: int = 400, n: int = N) -> Judged:
    everything = np.arange(N)
    return judge([(each, everything) for each in predictions], n, "Ia", replicates, 3)


def test_the_error_of_one_prediction_is_that_of_its_objects() -> None:
    found = of(classifier(1.0, 1))
    accuracy = found.metrics["accuracy"]
    assert found.error["accuracy"] == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / N), rel=0.15)
    assert found.scatter == {}
    assert found.metrics == {
        key: value for key, value in prediction_metrics(classifier(1.0, 1), "Ia").items() if key != "n"
    }


def test_the_error_of_a_mean_holds_objects_and_random_starts() -> None:
    starts = [classifier(skill, seed) for seed, skill in enumerate((0.6, 1.0, 1.4))]
    found, alone = of(*starts), of(starts[1])
    scatter = np.std([of(each, replicates=0).metrics["log_loss"] for each in starts], ddof=1)
    assert found.scatter["log_loss"] == pytest.approx(scatter)
    assert found.error["log_loss"] > scatter / np.sqrt(3)
    assert found.error["log_loss"] > alone.error["log_loss"]
    objects = float(np.std(found.draws["log_loss"]))
    assert found.error["log_loss"] == pytest.approx(np.hypot(objects, scatter / np.sqrt(3)))


def test_without_draws_there_is_no_error() -> None:
    found = of(classifier(1.0, 1), replicates=0)
    assert (found.error, found.draws) == ({}, {})
    assert found.metrics["auc"] > 0.5


def test_a_paired_difference_is_sharper_than_its_two_errors() -> None:
    better, worse = of(classifier(1.1, 1)), of(classifier(1.0, 1))
    found = differences(better, worse, seed=1)["log_loss"]
    assert found.low < found.value < found.high < 0, "the same objects are hard for both"
    both = np.hypot(better.error["log_loss"], worse.error["log_loss"])
    assert found.high - found.low < 0.5 * 2 * 1.96 * both


def test_random_starts_widen_a_difference() -> None:
    plain = of(classifier(1.0, 1))
    starts = of(*(classifier(skill, seed) for seed, skill in enumerate((0.5, 1.0, 1.5))))
    wide, narrow = (differences(one, plain, seed=1)["auc"] for one in (starts, of(classifier(1.0, 2))))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_row_is_the_same_as_itself() -> None:
    one = of(classifier(1.0, 1))
    found = differences(one, one, seed=1)["auc"]
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_rows_of_fewer_objects_are_paired_by_the_same_draws() -> None:
    whole, part = classifier(1.0, 1), np.arange(0, N, 2)
    some = replace(whole, object_id=whole.object_id[part], truth=whole.truth[part], values=whole.values[part])
    found = judge([(some, part)], N, "Ia", 400, 3)
    assert found.error["accuracy"] == pytest.approx(of(whole).error["accuracy"] * np.sqrt(2), rel=0.25)
    assert differences(found, of(whole), 1)["accuracy"].low < 0.05


def test_no_prediction_gives_no_figure() -> None:
    found = of()
    assert (found.metrics, found.scatter, found.error) == ({}, {}, {})


def test_starts_of_one_configuration_are_averaged_whatever_they_are_called() -> None:
    starts = [classifier(1.0, seed) for seed in range(3)]
    pooled = [replace(each, info=replace(each.info, member="same")) for each in starts]
    found = mean_of(pooled)
    np.testing.assert_allclose(found.values, np.mean([each.values for each in starts], axis=0), rtol=1e-5)
    assert found.info == pooled[0].info
