"""A first simulator of supernova light curves, good enough to show the way of the data.

Parametric black bodies (see ``_supernova_models``) under a DES-like cadence and noise (see
``_cadence``). The shares of the types are those of the detected sample, not volumetric rates, and
the spectra have no lines: spectral templates, filter curves, rates and selection as surveys have
them are the next step's.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.simulators._cadence import Cadence, draw_cadence, draw_positions
from rookery.surveys.simulators._supernova_models import BANDS, REDSHIFT_RANGE
from rookery.surveys.simulators._supernova_sample import Sample, draw_sample
from rookery.surveys.store import Survey, refuse_existing, write_survey
from rookery_ensembles.errors import fail

# Host photometric redshifts: scatter over (1 + z), and fraction of failures; chosen.
_PHOTO_Z_SCATTER, _PHOTO_Z_FAILURES = 0.03, 0.03
_MWEBV_ERROR = 0.16  # relative error of Galactic reddening maps (Schlegel et al. 1998)


def simulate_supernovae(
    out: str | Path, *, n: int, seed: int = 0, name: str = "simulated-supernovae", replace: bool = False
) -> Survey:
    """Simulate a survey of supernovae of types Ia, IIP, IIL, IIn, Ib and Ic, and write it.

    Every object has at least four detections (signal-to-noise ratio of 5 or more) in at least two
    bands; 32 % are of type Ia. On one machine the same seed gives the same checksum.

    Parameters
    ----------
    out
        The survey folder to make.
    n
        Number of supernovae, at least 1.
    seed
        Seed of every draw, at least 0.
    name
        The survey's name.
    replace
        Whether an existing `out` may be replaced.

    Raises
    ------
    InputError
        When `n` or `seed` is out of range, or `out` exists or cannot be written.
    """
    if n < 1:
        raise fail("simulate supernovae", f"n must be at least 1, but is {n}")
    if seed < 0:
        raise fail("simulate supernovae", f"seed must be at least 0, but is {seed}")
    refuse_existing(Path(out), replace=replace)
    generator = np.random.default_rng(seed)
    cadence = draw_cadence(generator)
    sample = draw_sample(n, cadence, generator)
    ids = [f"SN{number:07d}" for number in range(1, n + 1)]
    return write_survey(
        out,
        name=name,
        bands=BANDS,
        objects=_objects_table(ids, sample, cadence, generator),
        observations=_observations_table(ids, sample),
        truth=_truth_table(ids, sample),
        provenance={"simulator": "supernovae", "n": n, "seed": seed},
        replace=replace,
    )


def _objects_table(
    ids: list[str], sample: Sample, cadence: Cadence, generator: np.random.Generator
) -> pd.DataFrame:
    """Return identity, type, redshift, and the covariates as a survey would measure them."""
    ra, dec = draw_positions(cadence, sample.field, generator)
    photo_z, photo_z_err = _photo_z(sample.population.redshift, generator)
    mwebv = sample.population.mwebv * (1.0 + _MWEBV_ERROR * generator.normal(size=len(ids)))
    return pd.DataFrame(
        {
            "object_id": ids,
            "type": sample.kind,
            "redshift": sample.population.redshift,
            "ra": ra,
            "dec": dec,
            "mwebv": np.maximum(mwebv, 0.0),
            "host_photo_z": photo_z,
            "host_photo_z_err": photo_z_err,
        }
    )


def _observations_table(ids: list[str], sample: Sample) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "object_id": pd.Categorical.from_codes(sample.owner, categories=pd.Index(ids)),
            "mjd": sample.mjd,
            "band": pd.Categorical.from_codes(sample.band_index, categories=pd.Index(BANDS)),
            "flux": sample.flux,
            "flux_err": sample.flux_err,
        }
    )


def _truth_table(ids: list[str], sample: Sample) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "object_id": ids,
            "sim_peak_mjd": sample.peak_mjd,
            "sim_absolute_magnitude": sample.population.magnitude,
            "sim_decline": sample.population.decline,
            "sim_host_av": sample.population.host_av,
            "sim_mwebv": sample.population.mwebv,
        }
    )


def _photo_z(
    redshift: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw host photometric redshifts and their stated errors; a few are failures."""
    error = _PHOTO_Z_SCATTER * (1.0 + redshift) * np.exp(0.3 * generator.normal(size=len(redshift)))
    estimate = redshift + error * generator.normal(size=len(redshift))
    failed = generator.uniform(size=len(redshift)) < _PHOTO_Z_FAILURES
    estimate = np.where(failed, generator.uniform(*REDSHIFT_RANGE, len(redshift)), estimate)
    return np.maximum(estimate, 0.001), error
