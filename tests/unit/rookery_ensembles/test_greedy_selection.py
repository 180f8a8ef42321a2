import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rookery_ensembles import InputError, average, bagged_selection, greedy_selection
from rookery_ensembles.metrics import log_loss
from rookery_ensembles.weights.greedy import select_by_likelihood


def test_members_that_complete_each_other_share_the_weight() -> None:
    # Either alone is right on one object and wrong on the other; the third is mediocre on both.
    likelihood = np.array([[0.9, 0.3], [0.3, 0.9], [0.4, 0.4]])
    found = select_by_likelihood(likelihood)
    np.testing.assert_array_equal(found.weights_m, [0.5, 0.5, 0.0])
    assert found.picks == (0, 1)
    assert found.losses == pytest.approx([-np.log(0.27) / 2, -np.log(0.6)])


def test_a_member_may_be_picked_more_than_once() -> None:
    # The likelihoods of the mixture are 0.1 + 0.6 w and, twice, 0.9 - 0.6 w: best at w = 7 / 18.
    likelihood = np.array([[0.7, 0.3, 0.3], [0.1, 0.9, 0.9]])
    found = select_by_likelihood(likelihood, max_picks=400, patience=400)
    assert len(found.picks) > 2
    assert found.weights_m[0] == pytest.approx(7 / 18, abs=0.01)
    assert found.losses[-1] == pytest.approx(-np.log((1 / 3) * (2 / 3) ** 2) / 3, abs=1e-4)


def test_the_one_good_member_is_selected_alone() -> None:
    found = select_by_likelihood(np.array([[0.2, 0.1], [0.9, 0.8], [0.5, 0.5]]))
    assert found.picks == (1,)
    np.testing.assert_array_equal(found.weights_m, [0, 1, 0])


def test_equal_members_are_picked_in_their_order() -> None:
    assert select_by_likelihood(np.array([[0.5, 0.7], [0.5, 0.7]])).picks == (0,)


def test_picks_stop_at_their_limit() -> None:
    rng = np.random.default_rng(0)
    assert len(select_by_likelihood(rng.random((5, 50)), max_picks=3).picks) <= 3


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_selection_is_never_worse_than_the_best_member(member_stacks, data: st.DataObject) -> None:
    values, truth = data.draw(member_stacks)
    found = greedy_selection(values, truth)
    best = min(log_loss(member, truth) for member in values)
    selected = log_loss(average(values, found.weights_m), truth)
    assert selected <= best + 1e-6
    assert selected == pytest.approx(found.losses[-1], abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_weights_are_on_the_simplex_and_losses_end_at_their_best(member_stacks, data: st.DataObject) -> None:
    values, truth = data.draw(member_stacks)
    found = greedy_selection(values, truth)
    assert found.weights_m.min() >= 0
    assert found.weights_m.sum() == pytest.approx(1)
    assert len(found.losses) == len(found.picks)
    assert min(found.losses) == pytest.approx(found.losses[-1], abs=1e-12)
    np.testing.assert_allclose(
        np.bincount(found.picks, minlength=len(values)) / len(found.picks), found.weights_m
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 6))
def test_weights_follow_the_members_when_their_order_changes(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    likelihood, order = rng.random((m, 30)), rng.permutation(m)
    found, shuffled = select_by_likelihood(likelihood), select_by_likelihood(likelihood[order])
    np.testing.assert_allclose(shuffled.weights_m, found.weights_m[order])


def test_selection_matches_one_that_averages_anew_at_every_step() -> None:
    rng = np.random.default_rng(7)
    values, truth = rng.dirichlet(np.ones(3), size=(4, 25)), rng.integers(0, 3, 25)
    picks: list[int] = []
    for _ in range(12):
        losses = [log_loss(average(values[[*picks, m]]), truth) for m in range(4)]
        picks.append(int(np.argmin(losses)))
    found = greedy_selection(values, truth, max_picks=12, patience=12)
    assert list(found.picks) == picks[: len(found.picks)]


@pytest.mark.parametrize(
    ("values", "truth", "message"),
    [
        ([], [0], "at least one to select from"),
        ([[[0.5, 0.5]], [[0.5, 0.6]]], [0], "member 1, row 0: probabilities must sum to 1"),
        ([[[0.5, 0.5]], [[0.3, 0.3, 0.4]]], [0], r"member 1 has \(1, 3\)"),
        ([[[0.5, 0.5]]], [2], "row 0: class indices must be 0 to 1, but found 2"),
    ],
)
def test_invalid_input_is_refused(values: list, truth: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        greedy_selection([np.array(member) for member in values], truth)


def test_limits_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="max_picks: must be 1 or more, but is 0"):
        select_by_likelihood(np.ones((1, 1)), max_picks=0)


@given(likelihoods=arrays(np.float64, (4, 30), elements=st.floats(0.01, 1)), bags=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_bagged_weights_lie_on_the_simplex(likelihoods, bags) -> None:
    weights = bagged_selection(likelihoods, bags=bags)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)


def test_bags_spread_what_luck_gives_to_one_of_equal_members() -> None:
    likelihood = np.random.default_rng(0).uniform(0.2, 1, (6, 200))
    alone = select_by_likelihood(likelihood).weights_m
    bagged = bagged_selection(likelihood, bags=40)
    assert np.square(bagged).sum() < np.square(alone).sum()


def test_a_member_that_is_best_everywhere_takes_all_in_every_bag() -> None:
    likelihood = np.array([[0.9] * 50, [0.5] * 50, [0.6] * 50])
    assert bagged_selection(likelihood).tolist() == [1, 0, 0]


def test_bags_must_be_one_or_more() -> None:
    with pytest.raises(InputError, match="bags: must be 1 or more, but is 0"):
        bagged_selection(np.ones((1, 2)), bags=0)
