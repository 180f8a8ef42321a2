"""Local linear regression: planes, outliers and boxes with known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.baselines._local_linear import local_linear


def points(n: int = 400, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_a_linear_relation_is_recovered_exactly():
    x, query = points(), 0.5 * points(50, seed=1)
    slope = np.array([0.1, -0.3, 0.02])
    fits = local_linear(x, 0.2 + x @ slope, query, neighbours=30, threads=1)
    np.testing.assert_allclose(fits.value, 0.2 + query @ slope, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fits.error, 0, atol=1e-12)
    assert (fits.n_neighbours == 30).all()


def test_fits_are_those_of_numpy_least_squares_clipped_once():
    x, query = points(300), 0.3 * points(5, seed=1)
    value = np.sin(x[:, 0]) + 0.1 * np.random.default_rng(2).standard_t(2, len(x))
    fits = local_linear(x, value, query, neighbours=40, threads=1)
    for i, q in enumerate(query):
        near = np.argsort(((x - q) ** 2).sum(axis=1))[:40]
        for _ in range(2):
            design = np.column_stack([np.ones(len(near)), x[near]])
            solution = np.linalg.lstsq(design, value[near], rcond=None)[0]
            residual = value[near] - design @ solution
            error, kept = np.sqrt((residual**2).mean()), near
            near = near[np.abs(residual) <= 3 * error]
        assert fits.value[i] == pytest.approx(solution @ np.r_[1, q], abs=1e-10)
        assert fits.error[i] == pytest.approx(error, abs=1e-10)
        assert fits.n_neighbours[i] == len(kept)


def test_a_planted_outlier_is_dropped():
    x = points(100)
    value = 0.1 * x[:, 0]
    value[7] += 5.0
    fits = local_linear(x, value, np.zeros((1, 3)), neighbours=100, threads=1)
    assert fits.n_neighbours[0] == 99
    assert fits.value[0] == pytest.approx(0, abs=1e-12)


def test_a_query_outside_the_box_of_its_neighbours_is_flagged():
    x = points(200, 2)
    query = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, -9.0]])
    fits = local_linear(x, x[:, 0], query, neighbours=50, threads=1)
    assert fits.extrapolated.tolist() == [False, True, True]


def test_directions_without_spread_have_no_slope():
    x = np.column_stack([points(100, 1)[:, 0], np.full(100, 2.0)])
    fits = local_linear(x, 3 * x[:, 0], np.array([[0.5, 2.0], [0.5, 4.0]]), neighbours=20, threads=1)
    np.testing.assert_allclose(fits.value, 1.5, atol=1e-10)
    assert fits.extrapolated.tolist() == [False, True]


def test_all_training_points_are_neighbours_where_they_are_few():
    x = points(8, 2)
    fits = local_linear(x, x[:, 1], np.zeros((1, 2)), neighbours=100, threads=1)
    assert fits.n_neighbours[0] == 8


def test_no_query_has_no_fit():
    fits = local_linear(points(20), points(20)[:, 0], np.empty((0, 3)), threads=1)
    assert len(fits.value) == 0


@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(0.1, 10))
def test_an_offset_and_a_unit_of_the_value_pass_through(seed, offset, unit):
    rng = np.random.default_rng(seed)
    x, value, query = points(80, 2, seed), rng.normal(size=80), points(4, 2, seed + 1)
    first = local_linear(x, value, query, neighbours=25, threads=1)
    second = local_linear(x, offset + unit * value, query, neighbours=25, threads=1)
    np.testing.assert_allclose(second.value, offset + unit * first.value, atol=1e-8)
    np.testing.assert_allclose(second.error, unit * first.error, atol=1e-8)


def test_threads_and_order_of_the_queries_change_nothing():
    x, query = points(500), points(5000, seed=3)
    value = np.cos(x[:, 0])
    one = local_linear(x, value, query, neighbours=20, threads=1)
    two = local_linear(x, value, query[::-1], neighbours=20, threads=2)
    np.testing.assert_allclose(one.value, two.value[::-1], rtol=0, atol=1e-12)
