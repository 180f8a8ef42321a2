"""PIT, means, quantiles and CRPS of binned PDFs are those of qp and of scoringrules, within 1e-6."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from rookery_ensembles.photoz_sample import PhotozSample
from rookery_ensembles.redshift_pdf import pit, z_mean, z_median

EDGES = np.linspace(0.0, 1.0, 41)

ORACLES = """
import sys
import numpy as np, qp, scoringrules
with np.load(sys.argv[1]) as given:
    edges, pdf, z = (given[name] for name in ("edges", "pdf", "z"))
made = qp.Ensemble(qp.hist, data={"bins": edges, "pdfs": pdf})
np.savez(
    sys.argv[2],
    pit=made.cdf(z[:, None])[:, 0],
    mean=np.ravel(made.mean()),
    median=np.ravel(made.median()),
    uniform=scoringrules.crps_uniform(z[:, None], edges[:-1], edges[1:]),
)
"""


def crps(pdf: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the CRPS of each object."""
    return np.array(
        [PhotozSample(pdf[[i]], EDGES, z[[i]]).metrics(np.ones((1, 1)))["crps"][0] for i in range(len(z))]
    )


def of_uniform(uniform_nk: np.ndarray, mass_nk: np.ndarray) -> np.ndarray:
    """Return the CRPS of mixtures of uniform distributions, by those of each of them.

    CRPS = E|X - z| - E|X - X'| / 2 (Gneiting & Raftery 2007, equation 21); of two uniform distributions on
    bins of width w the mean distance is that of the centres, of one from itself w / 3.
    """
    centres, width = (EDGES[1:] + EDGES[:-1]) / 2, EDGES[1] - EDGES[0]
    apart = np.abs(centres[:, None] - centres)
    np.fill_diagonal(apart, width / 3)
    spread = np.einsum("nk,kl,nl->n", mass_nk, apart, mass_nk) / 2
    return np.sum(mass_nk * (uniform_nk + width / 6), axis=1) - spread


@pytest.mark.slow
def test_numbers_are_those_of_qp_and_scoringrules(tmp_path: Path, project_root: Path) -> None:
    python = project_root / ".venv-qp" / "bin" / "python"
    if not python.is_file() or not [*python.parents[1].glob("lib/python3*/site-packages/scoringrules")]:
        pytest.skip(f"no environment with qp-prob and scoringrules: {python}; .ci/run makes it")
    rng = np.random.default_rng(0)
    z = rng.uniform(0.02, 0.98, 60)
    masses = rng.dirichlet(np.full(40, 0.3), 60)
    pdf = masses / np.diff(EDGES)
    place = rng.integers(0, 40, 60)
    single = np.eye(40)[place] / np.diff(EDGES)
    np.savez(tmp_path / "given.npz", edges=EDGES, pdf=pdf, z=z)
    subprocess.run(
        [python, "-W", "ignore", "-c", ORACLES, tmp_path / "given.npz", tmp_path / "told.npz"],
        check=True,
        capture_output=True,
    )
    with np.load(tmp_path / "told.npz") as told:
        np.testing.assert_allclose(pit(pdf, EDGES, z), told["pit"], atol=1e-6)
        np.testing.assert_allclose(z_mean(pdf, EDGES), told["mean"], atol=1e-6)
        np.testing.assert_allclose(z_median(pdf, EDGES), told["median"], atol=1e-6)
        np.testing.assert_allclose(crps(single, z), told["uniform"][np.arange(60), place], atol=1e-6)
        np.testing.assert_allclose(crps(pdf, z), of_uniform(told["uniform"], masses), atol=1e-6)
