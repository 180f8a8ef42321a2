"""Simulated supernova surveys: real synthetic photometry, volumetric rates, cadences, selection.

What is simulated, from which sources, and how far to trust it: docs/simulations.md.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.compute.progress import tracked
from rookery.surveys._document import DOCUMENT
from rookery.surveys.store import Survey, write_survey
from rookery_ensembles.errors import fail
from rookery_ensembles.files import refuse_existing

if TYPE_CHECKING:
    from rookery.surveys.simulators.supernovae.chunks import Plan
    from rookery.surveys.simulators.supernovae.sample import Sample

Floats = NDArray[np.float64]

# Host photometric redshifts: scatter over (1 + z), and fraction of failures; chosen.
_PHOTO_Z_SCATTER, _PHOTO_Z_FAILURES = 0.03, 0.03
_MWEBV_ERROR = 0.16  # relative error of Galactic reddening maps (Schlegel et al. 1998)


def simulate_supernovae(
    out: str | Path,
    *,
    n: int,
    seed: int = 0,
    survey: str = "des",
    deep_fraction: float | None = None,
    templates: str | Path | None = None,
    superluminous: bool = False,
    processes: int | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Survey:
    """Simulate a survey of supernovae of types Ia, IIP, IIL, IIn, Ib, Ic and, if asked for, SLSN; write it.

    Types and redshifts follow volumetric rates, and the survey's trigger selects what it detects,
    so that the share of each type is a result. On one machine the same arguments give the same
    checksum, whatever the number of processes.

    Parameters
    ----------
    out
        The survey folder to make.
    n
        Number of detected supernovae, at least 1.
    seed
        Seed of every draw, at least 0.
    survey
        "des" (DES-like griz), "sdss" (SDSS-II-like ugriz, Stripe 82) or "lsst" (ugrizy).
    deep_fraction
        Fraction of the objects in deep-drilling fields, 0 to 1; 0.5 unless given. For "lsst" alone.
    templates
        Folder of core-collapse templates (:mod:`rookery.surveys.simulators.supernovae.templates`), whose
        spectra and light curves each type has that it has templates of; the others keep their analytic ones.
    superluminous
        Whether superluminous supernovae (SLSN) explode too, one for a thousand of the other core collapses.
    processes
        Number of processes, at least 1; by default one a core, 8 at most, and fewer for small `n`.
    name
        The survey's name; by default ``simulated-<survey>``.
    overwrite
        Whether an existing `out` may be replaced.

    Raises
    ------
    InputError
        When an argument is out of range, a template is missing or of another format, the extra `simulate`
        is not installed, or `out` exists or cannot be written.
    """
    from rookery.surveys.simulators.supernovae.chunks import Plan, simulate
    from rookery.surveys.simulators.supernovae.designs import find_design
    from rookery.surveys.simulators.supernovae.templates import template_surfaces

    where = "simulate supernovae"
    if n < 1:
        raise fail(where, f"n must be at least 1, but is {n}")
    if seed < 0:
        raise fail(where, f"seed must be at least 0, but is {seed}")
    if processes is not None and processes < 1:
        raise fail(where, f"processes must be at least 1, but is {processes}")
    two_parts = len(find_design(survey).parts) > 1
    if deep_fraction is not None and not two_parts:
        raise fail(where, f"deep_fraction is for surveys with deep fields, but {survey!r} has none")
    if deep_fraction is not None and not 0.0 <= deep_fraction <= 1.0:
        raise fail(where, f"0 <= deep_fraction <= 1 must hold, but it is {deep_fraction}")
    refuse_existing(out, overwrite=overwrite, document=DOCUMENT)
    if templates is not None:
        template_surfaces(str(templates))  # refused here, not in a process
    part = 0.5 if deep_fraction is None else deep_fraction
    plan = Plan(survey, n, seed, part, None if templates is None else str(templates), superluminous)
    chunks = tracked(simulate(plan, processes), "supernovae", n, size=lambda chunk: len(chunk.peak_mjd))
    return _write(out, plan, list(chunks), name or f"simulated-{survey}", overwrite=overwrite)


def _write(out: str | Path, plan: "Plan", chunks: "list[Sample]", name: str, *, overwrite: bool) -> Survey:
    """Write the chunks as one survey."""
    from rookery.surveys.simulators.supernovae.sample import Sample
    from rookery.surveys.simulators.supernovae.templates import template_surfaces

    sample = Sample.concatenated(chunks)
    design = plan.design
    ids = [f"SN{number:07d}" for number in range(1, plan.n + 1)]
    arguments: dict[str, object] = {"survey": plan.survey, "n": plan.n, "seed": plan.seed}
    if plan.templates is not None:
        given = template_surfaces(plan.templates)
        arguments["templates"] = {kind: len(surface.variants) for kind, surface in given.items()}
    if plan.superluminous:
        arguments["superluminous"] = True
    two_parts = len(design.parts) > 1
    objects = _objects_table(ids, sample, design.max_redshift, plan.seed)
    if two_parts:
        objects["deep"] = sample.deep
        arguments["deep_fraction"] = plan.deep_fraction
    observations = pd.DataFrame(
        {
            "object_id": pd.Categorical.from_codes(sample.owner, categories=pd.Index(ids)),
            "mjd": sample.mjd,
            "band": pd.Categorical.from_codes(sample.band_index, categories=pd.Index(design.bands)),
            "flux": sample.flux,
            "flux_err": sample.flux_err,
        }
    )
    return write_survey(
        out,
        name=name,
        bands=design.bands,
        objects=objects,
        observations=observations,
        truth=_truth_table(ids, sample),
        provenance={"simulator": "supernovae", **arguments},
        replace=overwrite,
    )


def _objects_table(ids: list[str], sample: "Sample", max_redshift: float, seed: int) -> pd.DataFrame:
    """Return identity, type, redshift, and the covariates as a survey would measure them."""
    from rookery.surveys.simulators.supernovae.population import KINDS

    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    population = sample.population
    photo_z, photo_z_err = _photo_z(population.redshift, max_redshift, generator)
    mwebv = population.mwebv * (1.0 + _MWEBV_ERROR * generator.normal(size=len(ids)))
    return pd.DataFrame(
        {
            "object_id": ids,
            "type": np.array(KINDS)[population.kind],
            "redshift": population.redshift,
            "ra": sample.ra,
            "dec": sample.dec,
            "mwebv": np.maximum(mwebv, 0.0),
            "host_photo_z": photo_z,
            "host_photo_z_err": photo_z_err,
        }
    )


def _truth_table(ids: list[str], sample: "Sample") -> pd.DataFrame:
    population = sample.population
    return pd.DataFrame(
        {
            "object_id": ids,
            "sim_spectroscopic": sample.spectroscopic,
            "sim_peak_magnitude": sample.peak_i,
            "sim_peak_magnitude_r": sample.peak_r,
            "sim_peak_mjd": sample.peak_mjd,
            "sim_x1": population.x1,
            "sim_colour": population.colour,
            "sim_host_av": population.host_av,
            "sim_mwebv": population.mwebv,
        }
    )


def _photo_z(redshift: Floats, highest: float, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw host photometric redshifts and their stated errors; a few are failures."""
    error = _PHOTO_Z_SCATTER * (1.0 + redshift) * np.exp(0.3 * generator.normal(size=len(redshift)))
    estimate = redshift + error * generator.normal(size=len(redshift))
    failed = generator.uniform(size=len(redshift)) < _PHOTO_Z_FAILURES
    estimate = np.where(failed, generator.uniform(0.02, highest, len(redshift)), estimate)
    return np.maximum(estimate, 0.001), error
