"""Draw supernovae, observe them, and keep those that the survey detects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators._cadence import SEASON, Cadence, flux_error
from rookery.surveys.simulators._supernova_models import (
    BANDS,
    TYPES,
    WAVELENGTHS,
    Population,
    draw_population,
    flux,
)
from rookery.surveys.store import DETECTION_SNR

_BATCH = 1000  # candidates drawn at once: bounds memory at some 100 MB
_MAX_BATCHES = 100_000
# Days by which the maximum may lie outside the season, so that partial light curves occur; chosen.
_MARGIN = 20.0
# What makes a candidate part of the survey: detections in all, and bands that have one; chosen.
_MIN_DETECTIONS, _MIN_BANDS = 4, 2


@dataclass(frozen=True)
class Sample:
    """Detected supernovae and their observations.

    Attributes
    ----------
    kind, population, peak_mjd, field
        (N,) type, parameters, date of the blue maximum, and field of each supernova.
    owner, mjd, band_index, flux, flux_err
        (M,) observations; `owner` is the supernova's position, 0 to N - 1.
    """

    kind: NDArray[np.str_]
    population: Population
    peak_mjd: NDArray[np.float64]
    field: NDArray[np.int64]
    owner: NDArray[np.int64]
    mjd: NDArray[np.float64]
    band_index: NDArray[np.int64]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]

    @classmethod
    def concatenated(cls, parts: Sequence["Sample"]) -> Self:
        """Return several samples as one, in their order."""
        bases = np.cumsum([0, *(len(part.field) for part in parts[:-1])])

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])

        return cls(
            population=Population.concatenated([part.population for part in parts]),
            owner=np.concatenate([part.owner + base for part, base in zip(parts, bases, strict=True)]),
            **{
                name: joined(name)
                for name in ("kind", "peak_mjd", "field", "mjd", "band_index", "flux", "flux_err")
            },
        )

    def shuffled(self, generator: np.random.Generator) -> Self:
        """Return the supernovae in random order, so that a position tells nothing of the type."""
        order = generator.permutation(len(self.field))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return type(self)(
            kind=self.kind[order],
            population=self.population.take(order),
            peak_mjd=self.peak_mjd[order],
            field=self.field[order],
            owner=place[self.owner],
            mjd=self.mjd,
            band_index=self.band_index,
            flux=self.flux,
            flux_err=self.flux_err,
        )


def draw_sample(number: int, cadence: Cadence, generator: np.random.Generator) -> Sample:
    """Draw `number` detected supernovae, each type with its share, in random order."""
    bounds = np.round(number * np.cumsum([0.0, *(model.share for model in TYPES.values())])).astype(int)
    wanted = dict(zip(TYPES, np.diff(bounds), strict=True))
    samples = [_draw_type(kind, int(count), cadence, generator) for kind, count in wanted.items() if count]
    return Sample.concatenated(samples).shuffled(generator)


def _draw_type(kind: str, number: int, cadence: Cadence, generator: np.random.Generator) -> Sample:
    """Draw candidates of a type until `number` are detected."""
    batches: list[Sample] = []
    found = 0
    for _ in range(_MAX_BATCHES):
        batches.append(_draw_batch(kind, number - found, cadence, generator))
        found += len(batches[-1].field)
        if found == number:
            return Sample.concatenated(batches)
    raise AssertionError(
        f"only {found} of {number} type {kind} supernovae are ever detected: mend the models"
    )


def _draw_batch(kind: str, wanted: int, cadence: Cadence, generator: np.random.Generator) -> Sample:
    """Draw one batch of candidates, observe those bright enough, keep at most `wanted` detected ones."""
    field = generator.integers(cadence.n_fields, size=_BATCH)
    mwebv = cadence.mwebv[field] * np.exp(0.1 * generator.normal(size=_BATCH))
    population = draw_population(TYPES[kind], mwebv, generator)
    peak_mjd = generator.uniform(SEASON[0] - _MARGIN, SEASON[1] + _MARGIN, _BATCH)
    bright = np.flatnonzero(_may_be_detected(population, cadence))
    population, field, peak_mjd = population.take(bright), field[bright], peak_mjd[bright]
    owner, visit = cadence.visits(field)
    mjd, band_index = cadence.mjd[visit], cadence.band_index[visit]
    true_flux = flux(population.take(owner), mjd - peak_mjd[owner], WAVELENGTHS[band_index])
    error = flux_error(cadence.sky[visit], true_flux)
    measured = true_flux + error * generator.normal(size=len(error))
    kept = np.flatnonzero(_detected(owner, band_index, measured >= DETECTION_SNR * error, len(field)))[
        :wanted
    ]
    position = np.full(len(field), -1)
    position[kept] = np.arange(len(kept))
    rows = position[owner] >= 0
    return Sample(
        kind=np.full(len(kept), kind),
        population=population.take(kept),
        peak_mjd=peak_mjd[kept],
        field=field[kept],
        owner=position[owner][rows],
        mjd=mjd[rows],
        band_index=band_index[rows],
        flux=measured[rows],
        flux_err=error[rows],
    )


def _may_be_detected(population: Population, cadence: Cadence) -> NDArray[np.bool_]:
    """Say which supernovae reach the detection limit of the deepest tenth of visits near their maximum.

    A cheap test on a few fluxes each, which spares most of the faint ones the whole light curve.
    """
    number = len(population.redshift)
    bright = np.zeros(number, dtype=bool)
    for band, wavelength in enumerate(WAVELENGTHS):
        limit = DETECTION_SNR * np.quantile(cadence.sky[cadence.band_index == band], 0.1)
        for phase in (0.0, 15.0):
            bright |= flux(population, np.full(number, phase), np.full(number, wavelength)) > limit
    return bright


def _detected(
    owner: NDArray[np.int64], band_index: NDArray[np.int64], detection: NDArray[np.bool_], number: int
) -> NDArray[np.bool_]:
    cell = owner[detection] * len(BANDS) + band_index[detection]
    detections = np.bincount(cell, minlength=number * len(BANDS)).reshape(number, len(BANDS))
    enough: NDArray[np.bool_] = detections.sum(axis=1) >= _MIN_DETECTIONS
    colours: NDArray[np.bool_] = (detections > 0).sum(axis=1) >= _MIN_BANDS
    return enough & colours
