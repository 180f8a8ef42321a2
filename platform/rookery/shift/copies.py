"""Copies of labelled supernovae as the survey would have seen them farther away.

A training set limited in flux is nearer and brighter than the survey to classify. Each copy takes a
labelled object's surface (:mod:`rookery.shift.gaussian_process`), moves it to the redshift of
another object of the survey, and observes it with that object's dates, bands and errors, as Boone 2019
(AJ 158, 257) did. Copies that the survey would not have detected are dropped.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.shift.gaussian_process import Points, interpolate, pad
from rookery.surveys.bands import effective_wavelengths
from rookery.surveys.observations import ObservationArrays, assemble, place_in_group
from rookery.surveys.store import DETECTION_SNR, Survey
from rookery.surveys.view import SurveyView, take_objects
from rookery_ensembles.errors import fail

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
PHOTO_Z, PHOTO_Z_ERROR = "host_photo_z", "host_photo_z_err"
_NEAREST = 0.95  # smallest (1 + z of a copy) / (1 + z of its source)
_CLOSEST = 0.001  # redshift
_SOURCES_AT_ONCE = 64


@dataclass(frozen=True)
class Copies:
    """C copies."""

    observations: ObservationArrays
    """As a survey's; object `i` is copy `i`."""
    source: Rows
    model: Rows
    """(C,) rows of the labelled object, and of the object whose dates, errors and covariates it has."""
    redshift: Floats
    """(C,) redshift of the copy; NaN where the source's is unknown."""
    covariates: dict[str, Floats]
    """(C,) values of each covariate: the model's, but the source's host redshift where the copy did not
    move to the model's."""


def redshifted_copies(
    survey: Survey,
    sources: NDArray[np.integer],
    models: NDArray[np.integer],
    *,
    copies: int,
    redshifting: bool = True,
    farthest: float = 1.5,
    dimming: float = 0.0,
    seed: int = 0,
) -> Copies:
    """Make up to `copies` copies of each source.

    Parameters
    ----------
    survey
        The survey of both. A source of unknown redshift keeps its distance.
    sources
        Rows of the labelled objects.
    models
        Rows of the objects that the copies shall look like; no label of theirs is used. Their
        redshifts are `host_photo_z`, varied by its error; where there is none, redshifts are drawn
        evenly in ln(1 + z) up to `farthest`.
    redshifting
        Whether copies move; otherwise they keep their distance and have the dates, bands and depth of
        their models alone.
    farthest
        Largest (1 + z of the copy) / (1 + z of the source): far beyond 1.5 the source's spectrum is
        not known.
    dimming
        A copy is fainter than its redshift tells by 0 to so many magnitudes, evenly drawn: labelled
        samples hold the luminous objects of each type.
    seed
        Seed of the draws.

    Raises
    ------
    InputError
        When there is no source or model, no copy is detected, or a band's wavelength is not known.
    """
    if not len(sources) or not len(models):
        raise fail(
            survey.path, f"copies need sources and models, but there are {len(sources)}, {len(models)}"
        )
    reach = farthest if redshifting else None
    plan = _Plan.draw(survey, np.repeat(np.sort(sources), copies), np.asarray(models), reach, dimming, seed)
    block = _SOURCES_AT_ONCE * copies
    parts = [_observe(survey, plan, start, start + block) for start in range(0, len(plan.source), block)]
    seen = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    kept, owner = np.unique(seen["owner"], return_inverse=True)
    if not len(kept):
        rule = f"none of {len(plan.source)} copies would be detected ({DETECTION_SNR:g} sigma)"
        raise fail(survey.path, rule)
    observations = assemble(
        owner,
        seen["mjd"],
        seen["band"],
        seen["flux"].astype(np.float32),
        seen["error"].astype(np.float32),
        len(kept),
    )
    source, model, moved = plan.source[kept], plan.model[kept], plan.moved[kept]
    covariates = {name: survey.objects[name].to_numpy()[model] for name in survey.covariates}
    for name in (PHOTO_Z, PHOTO_Z_ERROR):
        if name in covariates:
            own = survey.objects[name].to_numpy()[source]
            covariates[name] = np.where(moved, covariates[name], own)
    return Copies(observations, source, model, plan.redshift[kept], covariates)


def copied_view(
    survey: Survey, sources: NDArray[np.integer], models: NDArray[np.integer], **options: Any
) -> tuple[SurveyView, Rows]:
    """Return copies as a survey of their own, with the copies' covariates, and the row of each one's source.

    `options` are those of :func:`redshifted_copies`, which makes them.
    """
    made = redshifted_copies(survey, sources, models, **options)
    view = SurveyView.of(survey, made.source, made.observations)
    return replace(view, objects=view.objects.assign(**made.covariates)), made.source


def redshifted_view(
    survey: Survey, rows: NDArray[np.integer], models: NDArray[np.integer], *, tries: int = 8, seed: int = 0
) -> SurveyView:
    """Return one copy of each labelled object of `rows`, in that order, with the copy's covariates.

    Of `tries` copies the first that would be detected is taken; an object that has none stays as it is.
    See :func:`redshifted_copies` for the other parameters.
    """
    made = redshifted_copies(survey, rows, models, copies=tries, seed=seed)
    sources, first = np.unique(made.source, return_index=True)
    objects = survey.objects.copy()
    for name, values in made.covariates.items():
        column = objects[name].to_numpy(copy=True)
        column[sources] = values[first]
        objects[name] = column
    copy_of = np.full(len(survey), -1)
    copy_of[sources] = first
    copied = copy_of[rows] >= 0
    parts = [
        take_objects(made.observations, copy_of[rows][copied]),
        take_objects(survey.observation_arrays(), rows[~copied]),
    ]
    place = np.concatenate([np.flatnonzero(copied)[parts[0].object_index],
                            np.flatnonzero(~copied)[parts[1].object_index]])  # fmt: skip
    order = np.argsort(place, kind="stable")
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("mjd", "band_index", "flux", "flux_err")
    }
    view = SurveyView.of(survey, rows, assemble(place[order], **joined, n_objects=len(rows)))
    return replace(view, objects=objects.iloc[rows].reset_index(drop=True))


@dataclass(frozen=True)
class _Plan:
    """What is to be copied how: (C,) arrays, sorted by source."""

    source: Rows
    model: Rows
    moved: NDArray[np.bool_]
    """Which copies have their model's redshift."""
    redshift: Floats
    stretch: Floats
    """(1 + z of the copy) / (1 + z of the source)."""
    scale: Floats
    """Factor of the flux."""
    source_peak: Floats
    peak: Floats
    """Date (MJD) of the source's peak, and the date at which the copy has it."""
    seed: int

    @classmethod
    def draw(
        cls, survey: Survey, source: Rows, models: Rows, farthest: float | None, dimming: float, seed: int
    ) -> "_Plan":
        """Draw a model for each source; without `farthest` no copy moves."""
        generator = np.random.default_rng(seed)
        near = survey.objects["redshift"].to_numpy()[source]
        far, model = near.copy(), generator.choice(models, len(source))
        moved = np.zeros(len(source), dtype=bool)
        if farthest is not None:
            far, model, moved = _reachable_models(survey, near, model, models, farthest, generator)
        stretch = np.where(moved, (1 + far) / (1 + near), 1.0)
        scale = 10 ** (-0.4 * dimming * generator.uniform(size=len(source)))
        scale[moved] *= stretch[moved] * (_distance(near[moved]) / _distance(far[moved])) ** 2
        # The copy's peak falls near its model's, so that the season covers it as it covered the model.
        dates = peak_dates(survey)
        peak = dates[model] + generator.uniform(-10.0, 10.0, len(source))
        return cls(source, model, moved, far, stretch, scale, dates[source], peak, seed)


def peak_dates(survey: Survey) -> Floats:
    """Return for each object the date (MJD) of its observation of largest signal-to-noise."""
    arrays = survey.observation_arrays()
    order = np.lexsort((arrays.flux / arrays.flux_err, arrays.object_index))
    return np.asarray(arrays.mjd[order[arrays.offsets[1:] - 1]])


def _reachable_models(
    survey: Survey, near: Floats, model: Rows, models: Rows, farthest: float, generator: np.random.Generator
) -> tuple[Floats, Rows, NDArray[np.bool_]]:
    """Draw the redshift of each copy, and a model of that redshift.

    Returns redshift, model and whether the copy moves: a source of unknown redshift, or without a model in
    reach, keeps its redshift and the model that it has.
    """
    known = np.isfinite(near)
    low, high = _NEAREST * (1 + near) - 1, farthest * (1 + near) - 1
    if PHOTO_Z not in survey.covariates:
        far = np.exp(generator.uniform(np.log1p(near), np.log1p(high))) - 1
        return far, model, known
    redshift = survey.objects[PHOTO_Z].to_numpy()[models]
    if PHOTO_Z_ERROR in survey.covariates:
        error = np.nan_to_num(survey.objects[PHOTO_Z_ERROR].to_numpy()[models])
        redshift = redshift + error * generator.normal(size=len(models))
    order = np.argsort(redshift, kind="stable")
    order = order[redshift[order] > _CLOSEST]  # NaN is not
    first, last = (np.searchsorted(redshift[order], edge) for edge in (low, high))
    moved = known & (last > first)
    chosen = order[(first + generator.uniform(size=len(near)) * (last - first)).astype(np.intp)[moved]]
    far, model = near.copy(), model.copy()
    far[moved], model[moved] = redshift[chosen], models[chosen]
    return far, model, moved


def _distance(redshift: Floats) -> Floats:
    """Return luminosity distances in Mpc (flat, H0 = 70 km/s/Mpc, Omega_m = 0.3; only ratios count)."""
    from astropy.cosmology import FlatLambdaCDM

    grid = np.geomspace(1e-4, max(2.0, float(redshift.max(initial=0.0)) + 0.1), 4000)
    distances = FlatLambdaCDM(H0=70, Om0=0.3).luminosity_distance(grid).value
    return np.interp(redshift, grid, distances)


def _observe(survey: Survey, plan: _Plan, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
    """Return the observations of the detected copies `start` to `stop`; `owner` numbers the whole plan."""
    generator = np.random.default_rng([plan.seed, start])
    arrays, colours = survey.observation_arrays(), np.log(effective_wavelengths(survey.bands, survey.path))
    copies = np.arange(start, min(stop, len(plan.source)))
    owner, visit = arrays.rows_of(plan.model[copies])
    copy = copies[owner]
    _, first, position = np.unique(plan.source[copies], return_index=True, return_inverse=True)
    known = _known(survey, plan.source[copies[first]], plan.source_peak[copies[first]], colours)
    time = plan.source_peak[copy] + (arrays.mjd[visit] - plan.peak[copy]) / plan.stretch[copy]
    colour = colours[arrays.band_index[visit]] - np.log(plan.stretch[copy])
    row = position[owner]
    count = np.bincount(row, minlength=len(first))
    place = place_in_group(count)
    asked = np.zeros((2, len(first), count.max()))
    asked[:, row, place] = time, colour
    mean, deviation = (values[row, place] * plan.scale[copy] for values in interpolate(known, *asked))
    noise = arrays.flux_err[visit].astype(np.float64)
    flux = mean + noise * generator.normal(size=len(mean))
    error = np.hypot(noise, deviation)
    detected = np.zeros(len(copies), dtype=bool)
    np.logical_or.at(detected, owner, flux / error >= DETECTION_SNR)
    keep = detected[owner]
    return {
        "owner": copy[keep],
        "mjd": arrays.mjd[visit][keep],
        "band": arrays.band_index[visit][keep],
        "flux": flux[keep],
        "error": error[keep],
    }


def _known(survey: Survey, sources: Rows, peak: Floats, colours: Floats) -> Points:
    arrays = survey.observation_arrays()
    owner, row = arrays.rows_of(sources)
    flux, error = arrays.flux[row].astype(np.float64), arrays.flux_err[row].astype(np.float64)
    return pad(owner, len(sources), arrays.mjd[row], colours[arrays.band_index[row]], flux, error, peak)
