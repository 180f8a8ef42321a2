"""Explode supernovae, observe them, and keep those that the survey detects."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.supernovae.cadence import ZERO_POINT, Cadence
from rookery.surveys.simulators.supernovae.designs import Design, Part
from rookery.surveys.simulators.supernovae.light_curves import LightCurveModel
from rookery.surveys.simulators.supernovae.population import Population, draw_population
from rookery.surveys.store import DETECTION_SNR

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_BATCH = 8000  # candidates drawn at once; most are too faint
_MAX_BATCHES = 100_000
# Days by which the maximum may lie outside the season, so that partial light curves occur; chosen.
_MARGIN = 20.0
_PEAK_PHASES = np.arange(-15.0, 46.0, 3.0)  # rest-frame days, where the peak magnitude is sought
_FAINTEST = 99.0  # magnitude of what has no light in a band


@dataclass(frozen=True)
class Sample:
    """Detected supernovae and their observations."""

    population: Population
    peak_mjd: Floats
    field: Indices
    deep: Floats
    ra: Floats
    dec: Floats
    peak_r: Floats
    peak_i: Floats
    spectroscopic: Floats
    """(N,) parameters, date of maximum, field, whether in a deep one, place (degrees), apparent
    peak magnitudes, and whether a spectrum was taken (1.0) or not (0.0)."""
    owner: Indices
    mjd: Floats
    band_index: Indices
    flux: Floats
    flux_err: Floats
    """(M,) observations; `owner` is the supernova's position, 0 to N - 1."""

    @classmethod
    def concatenated(cls, parts: Sequence["Sample"]) -> Self:
        """Return several samples as one, in their order."""
        bases = np.cumsum([0, *(len(part.field) for part in parts[:-1])])
        columns: dict[str, Any] = {
            "population": Population.concatenated([part.population for part in parts]),
            "owner": np.concatenate([part.owner + base for part, base in zip(parts, bases, strict=True)]),
        }
        for name in (field.name for field in fields(cls) if field.name not in columns):
            columns[name] = np.concatenate([getattr(part, name) for part in parts])
        return cls(**columns)

    def take(self, rows: Indices) -> Self:
        """Return the supernovae of the given rows, in their order, without repeats."""
        place = np.full(len(self.field), -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.owner] >= 0
        columns: dict[str, Any] = {
            "population": self.population.take(rows),
            "owner": place[self.owner][kept],
        }
        for name in (field.name for field in fields(self) if field.name not in columns):
            per_observation = name in ("mjd", "band_index", "flux", "flux_err")
            columns[name] = getattr(self, name)[kept if per_observation else rows]
        return type(self)(**columns)


def draw_sample(
    design: Design,
    model: LightCurveModel,
    cadences: Sequence[Cadence],
    numbers: Sequence[int],
    generator: np.random.Generator,
) -> Sample:
    """Draw so many detected supernovae of each part of a survey, in random order."""
    samples = [
        _draw_part(design, model, deep, cadence, number, generator)
        for deep, (cadence, number) in enumerate(zip(cadences, numbers, strict=True))
        if number
    ]
    sample = Sample.concatenated(samples)
    return sample.take(generator.permutation(len(sample.field)))


def _draw_part(
    design: Design,
    model: LightCurveModel,
    deep: int,
    cadence: Cadence,
    number: int,
    generator: np.random.Generator,
) -> Sample:
    """Draw candidates of one part until `number` are detected."""
    batches: list[Sample] = []
    found = 0
    for _ in range(_MAX_BATCHES):
        batch = _draw_batch(design, model, deep, cadence, generator)
        # Random, not the first ones: a batch is sorted by kind.
        order = generator.permutation(len(batch.field))[: number - found]
        batches.append(batch.take(order))
        found += len(order)
        if found == number:
            return Sample.concatenated(batches)
    raise AssertionError(f"only {found} of {number} supernovae are ever detected: mend the design")


def _draw_batch(
    design: Design, model: LightCurveModel, deep: int, cadence: Cadence, generator: np.random.Generator
) -> Sample:
    """Draw one batch of candidates, observe those bright enough, keep the detected ones."""
    part = design.parts[deep]
    field = generator.integers(len(cadence.fields), size=_BATCH)
    mwebv = cadence.mwebv[field] * np.exp(0.1 * generator.normal(size=_BATCH))
    population = draw_population(part.redshift_range, mwebv, generator, superluminous=design.superluminous)
    population = model.with_templates(population, generator)
    start, end = cadence.seasons[field].T
    peak_mjd = generator.uniform(start - _MARGIN, end + _MARGIN)
    bright = np.flatnonzero(_may_be_detected(population, model, cadence))
    population, field, peak_mjd = population.take(bright), field[bright], peak_mjd[bright]
    owner, visit = cadence.visits(field)
    mjd, band_index = cadence.mjd[visit], cadence.band_index[visit]
    true_flux = model.flux(population, owner, mjd - peak_mjd[owner], band_index)
    error = cadence.flux_error(visit, true_flux)
    measured = true_flux + error * generator.normal(size=len(error))
    detection = measured >= DETECTION_SNR * error
    kept = np.flatnonzero(_detected(design, owner, mjd, band_index, detection, len(field)))
    place = np.full(len(field), -1)
    place[kept] = np.arange(len(kept))
    rows = place[owner] >= 0
    population = population.take(kept)
    ra, dec = cadence.positions(field[kept], generator)
    peak_r, peak_i = (_peak_magnitude(population, model, band) for band in design.peak_bands)
    return Sample(
        population=population,
        peak_mjd=peak_mjd[kept],
        field=field[kept],
        deep=np.full(len(kept), float(deep)),
        ra=ra,
        dec=dec,
        peak_r=peak_r,
        peak_i=peak_i,
        spectroscopic=_spectroscopic(part, population, peak_r, peak_i, generator),
        owner=place[owner][rows],
        mjd=mjd[rows],
        band_index=band_index[rows],
        flux=measured[rows],
        flux_err=error[rows],
    )


def _may_be_detected(population: Population, model: LightCurveModel, cadence: Cadence) -> NDArray[np.bool_]:
    """Say which supernovae come near the detection limit of the deepest visits near their maximum.

    A cheap test on a few fluxes each, which spares most of the faint ones the whole light curve.
    """
    number = len(population)
    everyone = np.arange(number)
    bright = np.zeros(number, dtype=bool)
    for band in range(len(model.wavelength)):
        limit = 0.8 * DETECTION_SNR * cadence.deepest(band, 0.1)
        for phase in (0.0, 15.0):
            observer = phase * (1.0 + population.redshift)
            bright |= model.flux(population, everyone, observer, np.full(number, band)) > limit
    return bright


def _detected(
    design: Design,
    owner: Indices,
    mjd: Floats,
    band_index: Indices,
    detection: NDArray[np.bool_],
    number: int,
) -> NDArray[np.bool_]:
    """Say which supernovae pass the survey's trigger."""
    owner, night, band = owner[detection], np.floor(mjd[detection]), band_index[detection]

    def distinct(values: NDArray[Any]) -> NDArray[np.int64]:
        pairs = np.unique(np.stack([owner, values]), axis=1)
        return np.bincount(pairs[0].astype(np.int64), minlength=number)

    passed: NDArray[np.bool_] = np.bincount(owner, minlength=number) >= design.min_detections
    return passed & (distinct(band) >= design.min_bands) & (distinct(night) >= design.min_nights)


def _peak_magnitude(population: Population, model: LightCurveModel, band: int) -> Floats:
    """Return the apparent AB magnitude at the maximum of a band, without noise."""
    number, steps = len(population), len(_PEAK_PHASES)
    owner = np.repeat(np.arange(number), steps)
    phase = np.tile(_PEAK_PHASES, number) * (1.0 + population.redshift[owner])
    flux = model.flux(population, owner, phase, np.full(len(owner), band)).reshape(number, steps)
    brightest = np.maximum(flux.max(axis=1, initial=0.0), 10.0 ** (0.4 * (ZERO_POINT - _FAINTEST)))
    return ZERO_POINT - 2.5 * np.log10(brightest)


def _spectroscopic(
    part: Part, population: Population, peak_r: Floats, peak_i: Floats, generator: np.random.Generator
) -> Floats:
    chance = generator.uniform(size=len(population))
    if part.follow_up is None:
        return np.zeros(len(population))
    return (chance < part.follow_up.probability(population.kind == 0, peak_r, peak_i)).astype(np.float64)
