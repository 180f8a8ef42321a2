import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import InputError
from rookery_ensembles.marginal import contributions


def two_peaks(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], n) + rng.normal(0, 1, n)


def gaussian_members(offsets: list[float], n: int = 4000, seed: int = 0) -> np.ndarray:
    """Likelihoods of Gaussian members of width 1 whose means miss a truth around 0 by `offsets`."""
    truth = two_peaks(n, seed)
    return np.exp(-0.5 * (truth - np.array(offsets)[:, None]) ** 2) / np.sqrt(2 * np.pi)


def test_the_right_mixture_is_found_and_its_loss_is_that_of_the_truth() -> None:
    found = contributions(gaussian_members([-1.0, 1.0, 6.0]))
    truth = two_peaks(200_000, 5)
    density = (np.exp(-0.5 * (truth - 1) ** 2) + np.exp(-0.5 * (truth + 1) ** 2)) / np.sqrt(8 * np.pi)
    assert found.loss == pytest.approx(-np.log(density).mean(), abs=0.03)
    assert found.weights_m == pytest.approx([0.5, 0.5, 0.0], abs=0.06)
    assert found.gain_m[0] > 0.3
    assert found.gain_m[1] > 0.3
    assert found.gain_m[2] < 0


def test_a_worse_network_that_errs_differently_adds_more_than_a_better_copy() -> None:
    table = gaussian_members([-1.0, -0.95, -0.9, 1.2])
    losses = -np.log(table).mean(axis=1)
    found = contributions(table)
    assert losses.argmax() == 3
    assert found.gain_m.argmax() == 3
    assert max(found.gain_m[:3]) < 0.1 * found.gain_m[3]


def test_one_more_of_what_is_lacking_is_worth_most() -> None:
    table = gaussian_members([-1.0, -0.95, 1.0, 5.0])
    found = contributions(table)
    weights = np.array([0.5, 0.0, 0.5, 0.0])
    pool = weights @ table
    third = -np.log(pool).mean() + np.log(2 / 3 * pool + table / 3).mean(axis=1)  # it would be one of three
    assert found.another_m == pytest.approx(third, rel=0.1, abs=0.01)
    assert found.another_m[3] < min(found.another_m[:3])


def test_what_a_member_adds_by_chance_is_nothing_on_average() -> None:
    rng = np.random.default_rng(2)
    gains = []
    for seed in range(40):
        good = gaussian_members([-1.0, 1.0], n=400, seed=seed)
        noise = np.exp(rng.normal(0, 0.3, (6, 400)) - 0.045)  # of mean 1: they know no more
        table = np.concatenate([good, good.mean(axis=0) * noise])
        gains.append(contributions(table).loss - contributions(good).loss)
    error = np.std(gains, ddof=1) / len(gains) ** 0.5
    assert np.mean(gains) > -2 * error  # cross-fitted: luck on one half is none on the other


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_members_does_not_matter(order: list[int]) -> None:
    table = gaussian_members([-1.0, -0.4, 0.3, 1.0, 2.0], n=300)
    first, again = contributions(table), contributions(table[order])
    assert again.loss == pytest.approx(first.loss)
    assert again.gain_m == pytest.approx(first.gain_m[order])
    assert again.another_m == pytest.approx(first.another_m[order])


def test_objects_that_count_nothing_change_nothing() -> None:
    table = gaussian_members([-1.0, 1.0, 0.0], n=300)
    counts = np.ones(300)
    counts[::3] = 0
    spoiled = table.copy()
    spoiled[:, ::3] = 1e-9
    assert contributions(spoiled, counts).loss == pytest.approx(contributions(table, counts).loss)
    assert contributions(spoiled, counts).gain_m == pytest.approx(contributions(table, counts).gain_m)


def test_a_member_alone_gains_nothing_and_is_the_ensemble() -> None:
    table = gaussian_members([0.0], n=100)
    found = contributions(table)
    assert (found.gain_m.tolist(), found.weights_m.tolist()) == ([0.0], [1.0])
    assert found.loss == pytest.approx(-np.log(table).mean())


@pytest.mark.parametrize("shape", [(0, 5), (2, 1), (4,)])
def test_too_few_members_or_objects_are_one_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"must be a table of one or more members by two or more objects"):
        contributions(np.ones(shape))


def test_a_half_that_counts_nothing_is_one_error() -> None:
    with pytest.raises(InputError, match="one half counts nothing"):
        contributions(gaussian_members([-1.0, 1.0], n=10), np.eye(10)[0])
