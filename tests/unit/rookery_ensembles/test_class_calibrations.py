"""Calibrations of class probabilities against values worked by hand and other programs."""

import numpy as np
import pytest

from rookery_ensembles import InputError
from rookery_ensembles.calibrations._steps import MOST_KNOTS
from rookery_ensembles.calibrations.beta import BetaCalibration
from rookery_ensembles.calibrations.dirichlet import DirichletCalibration
from rookery_ensembles.calibrations.isotonic import IsotonicCalibration
from rookery_ensembles.calibrations.vector import VectorCalibration
from rookery_ensembles.calibrations.venn_abers import VennAbersCalibration


def binary(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose odds are the squares of the true odds, with equal ones among them, and the truth."""
    rng = np.random.default_rng(seed)
    told = rng.uniform(0.02, 0.98, n).round(2)
    truth = (rng.uniform(size=n) > told).astype(int)
    score = told**2 / (told**2 + (1 - told) ** 2)
    return np.column_stack([score, 1 - score]), truth


def test_vector_scaling_worked_by_hand() -> None:
    found = VectorCalibration((2.0, 1.0), (0.0, np.log(3))).apply(np.array([[0.6, 0.4]]))
    np.testing.assert_allclose(found, [[0.36 / 1.56, 1.2 / 1.56]])


def test_a_dirichlet_map_worked_by_hand() -> None:
    matrix = ((1.0, 0.0), (1.0, 1.0))
    found = DirichletCalibration(matrix, (0.0, np.log(2))).apply(np.array([[0.6, 0.4]]))
    np.testing.assert_allclose(found, [[0.6 / 1.08, 0.48 / 1.08]])


def test_a_beta_map_worked_by_hand() -> None:
    found = BetaCalibration(((2.0, 1.0, np.log(2)),)).apply(np.array([[0.6, 0.4]]))
    np.testing.assert_allclose(found, [[1.8 / 2.8, 1 / 2.8]])


def test_isotonic_steps_worked_by_hand() -> None:
    # Scores 0.2 and 0.4 are right once in four, 0.8 always: (1 + 0.5) / (4 + 1) and (4 + 0.5) / (4 + 1).
    score = np.repeat([0.2, 0.4, 0.8], [2, 2, 4])
    truth = 1 - np.array([1, 0, 0, 0, 1, 1, 1, 1])
    found = IsotonicCalibration.fit(np.column_stack([score, 1 - score]), truth)
    assert found.knots == (((0.2, 0.4, 0.8), (0.3, 0.3, 0.9)),)
    middle = found.apply(np.array([[0.6, 0.4], [0.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_allclose(middle[:, 0], [0.6, 0.3, 0.9])


def test_isotonic_steps_are_those_of_scikit_learn() -> None:
    from sklearn.isotonic import IsotonicRegression

    values, truth = binary(4000)
    found = IsotonicCalibration.fit(values, truth)
    other = IsotonicRegression(out_of_bounds="clip").fit(values[:, 0], truth == 0)
    inside = (values[:, 0] > 0.05) & (values[:, 0] < 0.95)
    np.testing.assert_allclose(found.apply(values)[inside, 0], other.predict(values[:, 0])[inside], atol=0.02)


def reference(score: np.ndarray, right: np.ndarray, new: float) -> tuple[float, float]:
    """p0 and p1 as they are defined: two isotonic regressions with the new object among the others."""
    from sklearn.isotonic import IsotonicRegression

    told = []
    for outcome in (0.0, 1.0):
        fit = IsotonicRegression().fit(np.append(score, new), np.append(right, outcome))
        told.append(float(fit.predict([new])[0]))
    return told[0], told[1]


def test_venn_abers_is_what_its_definition_says() -> None:
    values, truth = binary(300)
    found = VennAbersCalibration.fit(values, truth)
    new = np.concatenate([np.linspace(0, 1, 41), values[:20, 0]])
    expected = []
    for score in new:
        p0, p1 = reference(values[:, 0], truth == 0, score)
        expected.append(p1 / (1 - p0 + p1))
    np.testing.assert_allclose(found.apply(np.column_stack([new, 1 - new]))[:, 0], expected, atol=1e-9)


def test_venn_abers_agrees_with_the_package_of_its_name() -> None:
    venn_abers = pytest.importorskip("venn_abers")
    values, truth = binary(300)
    new = binary(200, seed=1)[0]
    other, _ = venn_abers.VennAbers(), None
    other.fit(values[:, ::-1], truth == 0)
    expected, _ = other.predict_proba(new[:, ::-1])
    found = VennAbersCalibration.fit(values, truth).apply(new)
    # The package rounds no scores, but places new ones by its own rule for ties.
    np.testing.assert_allclose(found[:, 0], np.asarray(expected)[:, 1], atol=0.02)


def test_tables_stay_short_and_close_to_the_exact_ones() -> None:
    rng = np.random.default_rng(0)
    told = rng.uniform(size=20_000)
    truth = (rng.uniform(size=20_000) > told).astype(int)
    values = np.column_stack([told**2, 1 - told**2])
    for kind in (IsotonicCalibration, VennAbersCalibration):
        found = kind.fit(values, truth)
        np.testing.assert_allclose(found.apply(values)[:, 0], told, atol=0.12)
        assert np.abs(found.apply(values)[:, 0] - told).mean() < 0.015
        document = found.to_dict()
        table = document["knots" if kind is IsotonicCalibration else "tables"][0]
        assert max(map(len, table.values())) <= 2 * MOST_KNOTS


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: VectorCalibration((1.0, -1.0), (0.0, 0.0)), "scales must not be negative"),
        (lambda: VectorCalibration((1.0,), (0.0,)), "two or more classes"),
        (lambda: VectorCalibration((1.0, np.inf), (0.0, 0.0)), "must hold finite numbers"),
        (lambda: DirichletCalibration(((1.0, 0.0),), (0.0, 0.0)), "a row of K numbers"),
        (lambda: BetaCalibration(((1.0, -1.0, 0.0),)), "must not be negative"),
        (lambda: BetaCalibration(((1.0, 1.0, 0.0),) * 2), "three or more classes, or for one of two"),
        (lambda: IsotonicCalibration((((0.0, 1.0), (1.0, 0.0)),)), "never fall"),
        (lambda: IsotonicCalibration((((0.0,), (0.0, 1.0)),)), "a value for each"),
        (
            lambda: VennAbersCalibration.from_dict(
                {
                    "method": "venn_abers",
                    "tables": [{"low": [0.1], "high": [0.1], "at": [0.5], "between": [1]}],
                },
                "f",
            ),
            "G, G, G and G",
        ),
    ],
)
def test_impossible_parameters_are_refused(made: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made()
