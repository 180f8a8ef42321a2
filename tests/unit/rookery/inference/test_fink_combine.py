"""The Fink module's own weights, pools and calibrations do what those of ensembles do."""

from pathlib import Path

import numpy as np
import pytest

from rookery.inference.fink.module.combine import CALIBRATIONS, POOLS, calibrated, member_weights, pooled
from rookery_ensembles import Classes, Covariates
from rookery_ensembles.calibrations import fit_calibration, methods
from rookery_ensembles.gate import Gate
from rookery_ensembles.pools import POOLS as ALL_POOLS
from rookery_ensembles.pools import find_pool


def probabilities(n: int, k: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).dirichlet(np.full(k, 0.3), n)
    values[:5] = np.eye(k)[np.arange(5) % k]  # as certain as can be
    return values


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("method", sorted(methods(Classes.kind)))
def test_a_calibration(method, k):
    values, rng = probabilities(600, k, 1), np.random.default_rng(2)
    truth = np.array([rng.choice(k, p=0.7 * row + 0.3 / k) for row in values])
    fitted = fit_calibration(Classes.kind, method, values, truth)
    new = probabilities(500, k, 3)
    np.testing.assert_allclose(calibrated(fitted.to_dict(), new), fitted.apply(new), atol=1e-6)
    assert method in CALIBRATIONS


@pytest.mark.parametrize("name", POOLS)
def test_a_pool(name):
    target = Classes(("Ia", "II", "Ibc"))
    values = np.stack([probabilities(200, 3, seed) for seed in (1, 2, 3)])
    weights = np.array([0.2, 0.5, 0.3])
    expected = find_pool(name, target).combine(target, values, weights)
    found = pooled(name, values.transpose(1, 0, 2), np.tile(weights, (200, 1)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_every_pool_of_classes_is_there():
    able = {name for name, pool in ALL_POOLS.items() if Classes.kind in pool.kinds}
    assert able == set(POOLS)


def test_a_gate():
    knots = ((0.0, 1.0, 4.0), (20.0, 23.0))
    slopes = {"a": (0.5, -1.0, 0.2, 0.0, 1.0, 0.3), "b": (-0.5, 0.1, 0.0, 2.0, 0.0, 0.0)}
    gate = Gate(("z", "mag_r"), knots, slopes)
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.uniform(-1, 6, 50), rng.uniform(18, 25, 50)])
    values[::7, 1] = np.nan
    expected = gate.weights(("a", "b"), (0.6, 0.4), Covariates(gate.names, values))
    document = gate.to_dict() | {"slopes": [slopes["a"], slopes["b"]]}
    found = member_weights((0.6, 0.4), document, {"z": values[:, 0], "mag_r": values[:, 1]}, 50)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_no_file_of_the_module_imports_rookery():
    import rookery.inference.fink as fink

    files = list((Path(fink.__file__).parent / "module").glob("*.py"))
    assert len(files) == 6
    for file in files:
        assert "import rookery" not in (text := file.read_text(encoding="utf-8"))
        assert "from rookery" not in text
