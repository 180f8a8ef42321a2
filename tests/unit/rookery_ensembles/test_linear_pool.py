import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import InputError, average


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
