"""Simulated images of Main-Galaxy-Sample-like galaxies, and what a survey would measure on them.

What is simulated, from which sources, and how far to trust it: docs/simulations.md.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from rookery.compute.progress import tracked
from rookery.surveys._document import DOCUMENT
from rookery.surveys.galaxies import MISSING_MAGNITUDE, GalaxyWriter, new_galaxy_survey
from rookery.surveys.store import Survey, open_survey
from rookery_ensembles.errors import fail
from rookery_ensembles.files import refuse_existing

if TYPE_CHECKING:
    from rookery.surveys.simulators.galaxies.sample import Sample

SURVEYS = ("sdss", "stripe82", "both")
_STRIPE82_SHARE = 0.1  # of the galaxies of "both"; chosen
_SMALLEST, _LARGEST = 32, 256  # pixels of a side
_WHERE = "simulate galaxies"


def simulate_galaxies(
    out: str | Path,
    *,
    n: int,
    seed: int = 0,
    survey: str = "sdss",
    stripe82_fraction: float | None = None,
    size: int = 64,
    processes: int | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Survey:
    """Simulate ugriz cutouts of galaxies with dereddened Petrosian r <= 17.8 and z < 0.4, and write them.

    Magnitudes, shapes and neighbours in the object table are measured on the simulated images, and
    the selection acts on what is measured; the truth goes into the truth table (`sim_...`). On one
    machine the same arguments give the same checksum, whatever the number of processes.

    Parameters
    ----------
    out
        The survey folder to make.
    n
        Number of selected galaxies, at least 1.
    seed
        Seed of every draw, at least 0.
    survey
        "sdss" (single images), "stripe82" (stacks of 25) or "both".
    stripe82_fraction
        Share of the galaxies in Stripe 82, 0 to 1; 0.1 unless given. For "both" alone.
    size
        Pixels (0.396 arcsec) of a cutout's side: 32 to 256.
    processes
        Number of processes, at least 1; by default one a core, 16 at most, and fewer for small `n`.
    name
        The survey's name; by default ``simulated-<survey>-galaxies``.
    overwrite
        Whether an existing `out` may be replaced.

    Raises
    ------
    InputError
        When an argument is out of range, the extra `simulate` is not installed, or `out` exists
        or cannot be written.
    """
    from rookery.surveys.simulators.galaxies.chunks import Plan, simulate
    from rookery.surveys.simulators.galaxies.spectra import check_packages

    share = _checked(n, seed, survey, stripe82_fraction, size, processes)
    refuse_existing(out, overwrite=overwrite, document=DOCUMENT)
    check_packages()  # a missing package is one error here, not the end of a worker
    chunks = simulate(Plan(n, seed, share, size), processes)
    arguments: dict[str, object] = {"survey": survey, "n": n, "seed": seed, "size": size}
    if survey == "both":
        arguments["stripe82_fraction"] = share
    _write(out, chunks, name or f"simulated-{survey}-galaxies", size, arguments, overwrite=overwrite)
    return open_survey(out, verify=False)


def _checked(
    n: int, seed: int, survey: str, stripe82_fraction: float | None, size: int, processes: int | None
) -> float:
    """Refuse arguments out of range; return the share of galaxies in Stripe 82."""
    if n < 1:
        raise fail(_WHERE, f"n must be at least 1, but is {n}")
    if seed < 0:
        raise fail(_WHERE, f"seed must be at least 0, but is {seed}")
    if survey not in SURVEYS:
        raise fail(_WHERE, f"survey must be one of {', '.join(SURVEYS)}, but is {survey!r}")
    if processes is not None and processes < 1:
        raise fail(_WHERE, f"processes must be at least 1, but is {processes}")
    if not _SMALLEST <= size <= _LARGEST:
        raise fail(_WHERE, f"{_SMALLEST} <= size <= {_LARGEST} must hold, but it is {size}")
    if stripe82_fraction is None:
        return {"sdss": 0.0, "stripe82": 1.0, "both": _STRIPE82_SHARE}[survey]
    if survey != "both":
        raise fail(_WHERE, f"stripe82_fraction is for survey 'both', but the survey is {survey!r}")
    if not 0.0 <= stripe82_fraction <= 1.0:
        raise fail(_WHERE, f"0 <= stripe82_fraction <= 1 must hold, but it is {stripe82_fraction}")
    return stripe82_fraction


def _write(
    out: str | Path,
    chunks: "Iterable[Sample]",
    name: str,
    size: int,
    arguments: dict[str, object],
    *,
    overwrite: bool,
) -> None:
    """Write the chunks as they come; only the tables are held in memory."""
    from rookery.surveys.simulators.galaxies.spectra import BANDS
    from rookery.surveys.simulators.galaxies.surveys import PIXEL_SCALE

    objects, truth = [], []
    rejected = np.zeros(3, np.int64)
    with new_galaxy_survey(out, name=name, bands=BANDS, replace=overwrite) as writer:
        writer.open_images(size=size, pixel_scale=PIXEL_SCALE)
        n = cast(int, arguments["n"])
        for sample in tracked(chunks, "galaxies", n, size=lambda sample: len(sample.images)):
            writer.add_images(sample.images)
            objects.append(pd.DataFrame(sample.objects))
            truth.append(pd.DataFrame(sample.truth))
            rejected += sample.rejected
        reasons = ("too_faint", "low_surface_brightness", "not_measured")
        provenance = {
            "simulator": "galaxies",
            **arguments,
            "rejected": dict(zip(reasons, rejected.tolist(), strict=True)),
        }
        _finish(
            writer, pd.concat(objects, ignore_index=True), pd.concat(truth, ignore_index=True), provenance
        )


def _finish(
    writer: GalaxyWriter, objects: pd.DataFrame, truth: pd.DataFrame, provenance: dict[str, object]
) -> None:
    ids = [f"SIM{number:07d}" for number in range(1, len(objects) + 1)]
    missing = objects.filter(regex="^mag_.$").isna().any(axis=1)
    objects.insert(0, "object_id", ids)
    truth.insert(0, "object_id", ids)
    objects["flags"] = np.where(missing, float(MISSING_MAGNITUDE), 0.0)
    writer.finish(objects=objects, truth=truth, provenance=provenance)
