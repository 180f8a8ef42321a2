import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import InputError
from rookery_ensembles.probabilities import check_truth_index, check_weights, class_indices, normalised


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 20), k=st.integers(1, 200), seed=st.integers(0, 2**32 - 1), slack=st.floats(0, 9e-4))
def test_normalised_rows_sum_to_one_and_stay_so(n: int, k: int, seed: int, slack: float) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.dirichlet(np.ones(k), size=n) * (1 + slack)).astype(np.float32)
    once = normalised(values, "p")
    assert once.dtype == np.float32
    np.testing.assert_allclose(once.sum(axis=1, dtype=np.float64), 1, atol=2e-6)
    assert normalised(once, "p") is once


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 0), (1, 2, 2)])
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="objects by columns"):
        normalised(np.ones(shape), "p")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.6], "must sum to 1, but sum to 1.1"),
        ([1.5, -0.5], "weight 1 is -0.5"),
        ([np.nan, 1.0], "weight 0 is nan"),
        ([1.0], "one weight for each of 2 members, but found 1"),
    ],
)
def test_weights_off_the_simplex_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_weights(weights, 2, "weights")


def test_classes_are_found_by_name_and_unknown_ones_are_minus_one() -> None:
    assert class_indices(["b", None, "a", float("nan")], ("a", "b")).tolist() == [1, -1, 0, -1]
    with pytest.raises(
        InputError, match=r"truth, row 1: must be one of a, b, or None where unknown, but found 'c'"
    ):
        class_indices(["a", "c"], ("a", "b"))


@pytest.mark.parametrize("bad", [[0, 2], [0, -1], [0], [0.0, 1.0]])
def test_indices_of_no_class_are_refused(bad: list[float]) -> None:
    with pytest.raises(InputError, match="truth"):
        check_truth_index(np.array(bad), 2, 2)
