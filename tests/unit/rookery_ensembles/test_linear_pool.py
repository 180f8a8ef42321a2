import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import InputError, RedshiftBins, average
from rookery_ensembles.pools import base, find_pool


def test_a_weighted_mean_worked_by_hand() -> None:
    values = np.array([[[1.0, 0.0]], [[0.5, 0.5]]])
    np.testing.assert_allclose(average(values), [[0.75, 0.25]])
    np.testing.assert_allclose(average(values, [0.2, 0.8]), [[0.6, 0.4]])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_pool_is_normalised_whatever_the_weights(member_stacks, data: st.DataObject) -> None:
    values, _ = data.draw(member_stacks)
    weights = np.random.default_rng(len(values)).dirichlet(np.ones(len(values)))
    pooled = average(values, weights)
    assert pooled.min() >= 0
    np.testing.assert_allclose(pooled.sum(axis=1), 1, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_pool_does_not_depend_on_the_members_order(member_stacks, data: st.DataObject) -> None:
    values, _ = data.draw(member_stacks)
    order = data.draw(st.permutations(range(len(values))))
    np.testing.assert_allclose(average(values[order]), average(values), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_combining_one_member_changes_nothing(member_stacks, data: st.DataObject) -> None:
    values, _ = data.draw(member_stacks)
    np.testing.assert_array_equal(average(values[:1]), values[0])
    alone = np.eye(len(values))[-1]
    np.testing.assert_array_equal(average(list(values), alone), values[-1])


def test_members_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape of the first, \(2, 2\), but member 1 has \(3, 2\)"):
        average([np.ones((2, 2)), np.ones((3, 2))])


def test_no_members_and_wrong_weights_are_refused() -> None:
    with pytest.raises(InputError, match="at least one to average"):
        average([])
    with pytest.raises(InputError, match="must sum to 1"):
        average(np.ones((2, 1, 1)), [0.5, 0.4])


MANY_BINS = RedshiftBins.equal(0.0, 2.0, 50)


def many_members(n: int = 600) -> np.ndarray:
    """37 members in single precision, whose objects are more than one piece holds."""
    values = np.random.default_rng(0).random((37, n, 50), dtype=np.float32)
    return np.asarray(values / (values @ MANY_BINS.widths.astype(np.float32))[:, :, None])


@pytest.mark.parametrize("of", [np.asarray, list])
def test_many_members_are_summed_piece_by_piece_to_single_precision(of) -> None:
    values, weights = many_members(), np.random.default_rng(1).dirichlet(np.ones(37))
    found = find_pool("linear", MANY_BINS).combine(MANY_BINS, of(values), weights)
    np.testing.assert_allclose(found, np.einsum("m,mnk->nk", weights, values.astype(float)), rtol=2e-6)


@pytest.mark.parametrize("of", [np.asarray, list])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.2])
def test_a_wrong_value_among_many_members_is_named(of, bad: float) -> None:
    values = many_members()
    values[35, 599, 7] = bad
    with pytest.raises(InputError, match=r"item 35, row 599.*column 7"):
        find_pool("linear", MANY_BINS).combine(MANY_BINS, of(values))
    weights = np.full(37, 1 / 36)
    weights[35] = 0.0
    found = find_pool("linear", MANY_BINS).combine(MANY_BINS, of(values), weights)
    assert np.isfinite(found).all()  # a member that does not count is not looked at


@pytest.mark.parametrize("of", [np.asarray, list])
def test_threads_that_share_many_blocks_find_what_one_finds(of, monkeypatch: pytest.MonkeyPatch) -> None:
    values, weights = many_members(), np.random.default_rng(2).dirichlet(np.ones(37))
    pool = find_pool("linear", MANY_BINS)
    alone = pool.combine(MANY_BINS, of(values), weights)
    monkeypatch.setattr(base, "_MANY_VALUES", 0)
    monkeypatch.setattr(base, "_BLOCK_VALUES", 37 * 50 * 41)
    np.testing.assert_allclose(pool.combine(MANY_BINS, of(values), weights), alone, rtol=2e-6)
    values[35, 599, 7] = -0.2
    with pytest.raises(InputError, match=r"item 35, row 599.*column 7"):
        pool.combine(MANY_BINS, of(values), weights)


@given(n=st.integers(1, 500), most=st.integers(1, 600), threads=st.integers(1, 8))
def test_parts_hold_every_row_once_and_give_threads_the_same_work(n: int, most: int, threads: int) -> None:
    parts = base.even_parts(n, most, threads)
    assert [row for part in parts for row in range(n)[part]] == list(range(n))
    sizes = [part.stop - part.start for part in parts]
    assert 1 <= min(sizes) <= max(sizes) <= min(most, min(sizes) + 1)
    assert len(parts) % threads == 0 or len(parts) == n
