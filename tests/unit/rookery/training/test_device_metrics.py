"""Metrics of an epoch worked out by torch are those of rookery_ensembles."""

import numpy as np
import pytest
import torch

from rookery.training.device_metrics import fetched, judged
from rookery_ensembles import Classes, RedshiftBins, Target

EDGES = (0.0, 0.05, 0.2, 0.3, 0.7, 1.0)


def close(
    target: Target, probability: np.ndarray, index: np.ndarray, truth: np.ndarray, weight: np.ndarray | None
) -> None:
    given = truth if target.has_pdfs else None
    objects = judged(target, torch.from_numpy(index), given)
    weights = None if weight is None else torch.from_numpy(weight)
    (found,) = fetched([objects.score(torch.from_numpy(probability), weights)])
    wanted = target.score_epoch(probability, index, truth, weight)
    assert list(found) == list(target.each_epoch) == list(wanted)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 2, 7, 2500])
def test_metrics_of_redshifts(n: int, weighted: bool) -> None:
    random = np.random.default_rng(n)
    probability = random.random((n, 5)).astype(np.float32) ** 8
    probability /= probability.sum(axis=1, keepdims=True)
    truth = random.uniform(0, 1, n)
    truth[: n // 3] = random.choice(EDGES, n // 3)  # also the ends of all bins
    index = np.clip(np.searchsorted(EDGES, truth, side="right") - 1, 0, 4)
    weight = random.integers(0, 3, n) + (random.random(n) < 0.5) * 0.5 + 0.1 if weighted else None
    close(RedshiftBins(EDGES), probability, index, truth, weight)


def test_truths_outside_of_all_bins_count() -> None:
    probability = np.full((3, 5), 0.2, dtype=np.float32)
    truth = np.array([-0.2, 1.4, 0.5])
    close(RedshiftBins(EDGES), probability, np.array([0, 4, 3]), truth, None)


def test_a_certain_network_that_is_wrong_meets_the_floor() -> None:
    probability = np.eye(5, dtype=np.float32)[[0, 0]]
    close(RedshiftBins(EDGES), probability, np.array([0, 4]), np.array([0.01, 0.9]), None)


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_classes(weighted: bool) -> None:
    random = np.random.default_rng(3)
    probability = random.dirichlet([0.3] * 3, 400).astype(np.float32)
    index, target = random.integers(0, 3, 400), Classes(("Ia", "II", "Ibc"))
    weight = random.random(400) if weighted else None
    close(target, probability, index, np.array(target.names)[index], weight)


def test_what_is_no_number_gives_metrics_that_are_none() -> None:
    probability = torch.full((4, 5), 0.2)
    probability[2] = torch.nan
    objects = judged(RedshiftBins(EDGES), torch.zeros(4, dtype=torch.int64), np.full(4, 0.1))
    (found,) = fetched([objects.score(probability)])
    assert all(np.isnan(value) for value in found.values())
