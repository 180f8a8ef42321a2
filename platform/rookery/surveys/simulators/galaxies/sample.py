"""Draw galaxies, observe them, measure them, and keep those that the survey's selection takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.galaxies.images import add_noise, render
from rookery.surveys.simulators.galaxies.photometry import Catalogue, measure
from rookery.surveys.simulators.galaxies.population import Galaxies, draw_galaxies
from rookery.surveys.simulators.galaxies.scene import draw_scene
from rookery.surveys.simulators.galaxies.spectra import BANDS, load_table
from rookery.surveys.simulators.galaxies.surveys import DESIGNS, Conditions, draw_conditions

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Table = dict[str, Floats]

FAINTEST = 17.8  # measured, dereddened Petrosian r
# Mean surface brightness in r within the half-light radius, mag/arcsec^2 (Strauss et al. 2002).
DIMMEST = 24.5
# Galaxies truly fainter than the limit by more are not drawn: only a blend measured as one galaxy
# would bring them in. Chosen; it costs a sixth of the time.
_BEYOND = 0.15
_BATCH = 32  # candidates observed together; part of what a seed means
_R = BANDS.index("r")


@dataclass(frozen=True)
class Sample:
    """N selected galaxies."""

    images: NDArray[np.float16]
    """(N, B, size, size) nanomaggies in half precision, as they are stored."""
    objects: Table
    truth: Table
    """Column -> (N,) float64: what a survey knows, and what only a simulation does."""
    rejected: NDArray[np.int64]
    """(3,) candidates that were too faint, of too low a surface brightness, or not measured in r."""


def draw_sample(numbers: Sequence[int], size: int, generator: np.random.Generator) -> Sample:
    """Draw so many selected galaxies with the depth of each design, in random order."""
    total = sum(numbers)
    places = generator.permutation(total)
    images = np.empty((total, len(BANDS), size, size), np.float16)
    objects: list[Table] = []
    truth: list[Table] = []
    rejected = np.zeros(3, np.int64)
    found = 0
    for name, number in zip(DESIGNS, numbers, strict=True):
        last = found + number
        while found < last:
            batch = _draw_batch(name, size, generator)
            taken = np.flatnonzero(batch.outcome == 0)[: last - found]
            images[places[found : found + len(taken)]] = batch.images[taken]
            objects.append({column: values[taken] for column, values in batch.objects.items()})
            truth.append({column: values[taken] for column, values in batch.truth.items()})
            found += len(taken)
            # Candidates after the last one that was needed do not count as rejected.
            considered = taken[-1] + 1 if found == last else len(batch.outcome)
            rejected += np.bincount(batch.outcome[:considered], minlength=4)[1:]
    order = np.argsort(places)
    return Sample(images, _joined(objects, order), _joined(truth, order), rejected)


@dataclass(frozen=True)
class _Batch:
    """Candidates observed together; `outcome` is 0 for the selected, else the number of a rule."""

    images: Singles
    objects: Table
    truth: Table
    outcome: NDArray[np.int64]


def _draw_batch(name: str, size: int, generator: np.random.Generator) -> _Batch:
    """Observe and measure one batch of candidates."""
    galaxies = _candidates(generator)
    conditions = draw_conditions(DESIGNS[name], len(galaxies), generator)
    scene = draw_scene(galaxies, conditions, size, load_table(), generator)
    images = render(scene, conditions, size)
    add_noise(images, conditions, generator)
    catalogue = measure(images, conditions)
    objects = _objects(galaxies, conditions, catalogue, float(name == "stripe82"))
    return _Batch(images, objects, _truth(galaxies, conditions), _outcome(catalogue))


def _joined(tables: list[Table], order: NDArray[np.int64]) -> Table:
    return {name: np.concatenate([table[name] for table in tables])[order] for name in tables[0]}


def _candidates(generator: np.random.Generator) -> Galaxies:
    """Draw galaxies until a batch of them is bright enough to be looked at."""
    drawn = draw_galaxies(FAINTEST + _BEYOND, 3 * _BATCH, load_table(), generator)
    bright = np.flatnonzero(drawn.total()[:, _R] < FAINTEST + _BEYOND)
    return drawn.take(bright[:_BATCH])


def _outcome(catalogue: Catalogue) -> NDArray[np.int64]:
    """Return 0 for each galaxy that is taken, else the number of the rule against it."""
    r = catalogue.magnitude[:, _R]
    surface = r + 2.5 * np.log10(2.0 * np.pi * catalogue.half_light**2)
    return np.where(np.isnan(r), 3, np.where(r > FAINTEST, 1, np.where(surface > DIMMEST, 2, 0)))


def _objects(galaxies: Galaxies, conditions: Conditions, catalogue: Catalogue, stripe82: float) -> Table:
    table = {"redshift": galaxies.redshift}
    for index, band in enumerate(BANDS):
        table[f"mag_{band}"] = catalogue.magnitude[:, index]
        table[f"mag_err_{band}"] = catalogue.magnitude_error[:, index]
    return table | {
        "mwebv": conditions.mwebv_catalogued,
        "ra": conditions.ra,
        "dec": conditions.dec,
        "axis_ratio": catalogue.axis_ratio,
        "snr_r": catalogue.snr,
        "psf_fwhm": conditions.psf_fwhm[:, _R],
        "n_neighbours": catalogue.n_neighbours,
        "stripe82": np.full(len(galaxies), stripe82),
        "petro_r50_r": catalogue.half_light,
    }


def _truth(galaxies: Galaxies, conditions: Conditions) -> Table:
    total = galaxies.total()
    table = {f"sim_mag_{band}": total[:, index] for index, band in enumerate(BANDS)}
    return table | {
        "sim_absolute_magnitude": galaxies.absolute,
        "sim_red": galaxies.red.astype(np.float64),
        "sim_bulge_fraction": galaxies.bulge_fraction,
        "sim_young_fraction": galaxies.young_fraction,
        "sim_cos_inclination": galaxies.cosine,
        "sim_axis_ratio": galaxies.axis_ratio,
        "sim_dust": galaxies.dust,
        "sim_bulge_radius": galaxies.bulge_radius,
        "sim_disk_radius": galaxies.disk_radius,
        "sim_mwebv": conditions.mwebv,
    }
