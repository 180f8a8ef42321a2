from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import (
    InputError,
    WeightedSample,
    binned_scores,
    classification_metrics,
    quantile_edges,
)
from rookery_ensembles.binned import bin_positions

BINARY = ("Ia", "non-Ia")


def scored(values: list[float], edges: list[float], truth: list[int], score: list[float], **options: int):
    p = np.column_stack([score, 1 - np.array(score)])
    return binned_scores("z", np.array(values), edges, WeightedSample(BINARY, np.array(truth), p), **options)


def test_a_hand_worked_case() -> None:
    values = [0.0, 0.1, 0.5, 0.9, 1.0, 2.0, np.nan]
    found = scored(
        values, [0, 0.5, 0.6, 0.8, 1.0], [0, 1, 0, 0, 1, 0, 0], [0.9, 0.4, 0.2, 0.7, 0.6, 0.5, 0.5]
    )
    assert [entry.n for entry in found.bins] == [2, 1, 0, 2]
    assert [entry.n_positive for entry in found.bins] == [1, 1, 0, 1]
    assert (found.n_unknown, found.n_outside) == (1, 1)
    assert found.edges == [0, 0.5, 0.6, 0.8, 1.0]
    accuracies = [entry.scores and entry.scores.metrics["accuracy"].value for entry in found.bins]
    assert accuracies == [1.0, 0.0, None, 0.5]
    assert found.bins[3].median == pytest.approx(0.95)


def test_a_bin_of_one_class_has_no_auc_but_an_accuracy() -> None:
    found = scored([0.1, 0.2], [0, 1], [0, 0], [0.9, 0.8], replicates=20).bins[0].scores
    assert found is not None
    assert found.metrics["auc"].to_json()["value"] is None
    assert found.metrics["accuracy"].value == 1.0


def test_a_bin_has_the_metrics_of_its_objects() -> None:
    rng = np.random.default_rng(0)
    values, truth, score = rng.uniform(size=200), rng.integers(0, 2, 200), rng.uniform(size=200)
    second = scored(list(values), [0, 0.5, 1], list(truth), list(score), replicates=0).bins[1]
    inside = values >= 0.5
    p = np.column_stack([score, 1 - score])[inside]
    expected = classification_metrics(BINARY, np.array(BINARY, dtype=object)[truth[inside]], p)
    assert second.n == inside.sum()
    for key, estimate in second.scores.metrics.items():
        assert estimate.value == pytest.approx(expected[key])


@settings(max_examples=50)
@given(
    values=st.lists(st.floats(-10, 10, width=32) | st.just(float("nan")), min_size=1, max_size=80).filter(
        lambda values: not np.isnan(values).all()
    ),
    n_bins=st.none() | st.integers(1, 6),
)
def test_quantile_bins_hold_every_known_value_once(values: list[float], n_bins: int | None) -> None:
    edges = quantile_edges(np.array(values), n_bins)
    assert all(low < high for low, high in pairwise(edges))
    position = bin_positions(np.array(values), edges)
    assert ((position >= 0) == ~np.isnan(values)).all()
    assert position.max() < len(edges) - 1


def test_quantile_bins_of_different_values_are_equally_full() -> None:
    values = np.random.default_rng(0).normal(size=400)
    edges = quantile_edges(values)
    assert np.bincount(bin_positions(values, edges)).tolist() == [50] * 8
    assert len(quantile_edges(values[:85])) == 3


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([1.0], "bins of z: there must be at least two edges, but there is 1.0"),
        ([0.0, 1.0, 1.0], "bins of z: edges must be finite and increase, but found 1, 1"),
        ([0.0, np.nan], "bins of z: edges must be finite and increase, but found 0, nan"),
    ],
)
def test_edges_that_make_no_bins_are_refused(edges: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scored([0.1], edges, [0], [0.5])


def test_quantiles_of_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="at least one known value"):
        quantile_edges(np.array([np.nan]))
