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

from rookery.shift.as_target import SurveyRule, as_bright, luminosity_distance
from rookery.shift.gaussian_process import Points, interpolate, pad
from rookery.shift.options import CopyDistance, CopySelection
from rookery.surveys.bands import effective_wavelengths
from rookery.surveys.observations import ObservationArrays, assemble, place_in_group
from rookery.surveys.properties import object_properties
from rookery.surveys.store import DETECTION_SNR, Survey
from rookery.surveys.view import SurveyView, take_objects
from rookery_ensembles.errors import fail

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
PHOTO_Z, PHOTO_Z_ERROR = _HOSTS = "host_photo_z", "host_photo_z_err"
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
    distance: CopyDistance = "redshift",
    selection: CopySelection = "detected",
    least_snr: float = 0.0,
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
    distance
        With ``brightness`` a copy goes to the redshift, nearer or farther within `farthest`, at which its
        peak flux is its model's, so that no redshift of a model is needed; see
        :func:`rookery.shift.as_target.as_bright`.
    selection
        With ``survey`` copies lose the points that the survey of the models would not tell of, and are
        dropped unless they have as many detections as the models; see
        :class:`rookery.shift.as_target.SurveyRule`.
    least_snr
        Sources whose best point has a smaller signal-to-noise ratio are not copied: what is known of a
        faint source does not tell how it looks nearby.
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
    sources = np.sort(sources)
    if least_snr > 0:
        best = object_properties(survey)["peak_snr"].to_numpy()[sources]
        sources = sources[best >= least_snr]
        if not len(sources):
            rule = f"must reach a signal-to-noise ratio of {least_snr:g} for one to be copied"
            raise fail(survey.path, f"labelled objects {rule}, but the best has {best.max():.3g}")
    reach = farthest if redshifting else None
    wanted, like = np.repeat(sources, copies), np.asarray(models, dtype=np.intp)
    plan = _Plan.draw(survey, wanted, like, reach, dimming, distance, seed)
    told = SurveyRule.of(survey, like) if selection == "survey" else SurveyRule.one_detection(survey)
    block = _SOURCES_AT_ONCE * copies
    parts = [_observe(survey, plan, told, start, start + block) for start in range(0, len(wanted), block)]
    seen = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    kept, owner = np.unique(seen["owner"], return_inverse=True)
    if not len(kept):
        often = f", {told.fewest} times" if told.fewest > 1 else ""
        none = f"none of {len(plan.source)} copies would be detected ({DETECTION_SNR:g} sigma{often})"
        raise fail(survey.path, none)
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
    own = {name: survey.objects[name].to_numpy()[source] for name in _HOSTS if name in covariates}
    if distance == "brightness":
        # The model's host is not at the copy's redshift: the source's is, with the errors that it has.
        stretch, nearby = plan.stretch[kept], survey.objects["redshift"].to_numpy()[source]
        where = {PHOTO_Z: (plan.redshift[kept], nearby), PHOTO_Z_ERROR: (0.0, 0.0)}
        covariates |= {name: where[name][0] + stretch * (own[name] - where[name][1]) for name in own}
    covariates |= {name: np.where(moved, covariates[name], own[name]) for name in own}
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
    survey: Survey,
    rows: NDArray[np.integer],
    models: NDArray[np.integer],
    *,
    tries: int = 8,
    **options: Any,
) -> SurveyView:
    """Return one copy of each labelled object of `rows`, in that order, with the copy's covariates.

    Of `tries` copies the first that would be detected is taken; an object that has none stays as it is.
    See :func:`redshifted_copies` for the other parameters and the `options`.
    """
    made = redshifted_copies(survey, rows, models, copies=tries, **options)
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
        cls,
        survey: Survey,
        source: Rows,
        models: Rows,
        farthest: float | None,
        dimming: float,
        distance: CopyDistance,
        seed: int,
    ) -> "_Plan":
        """Draw a model for each source; without `farthest` no copy moves."""
        generator = np.random.default_rng(seed)
        near = survey.objects["redshift"].to_numpy()[source]
        far, model = near.copy(), generator.choice(models, len(source))
        moved, factor = np.zeros(len(source), dtype=bool), np.ones(len(source))
        if distance == "brightness":
            far, factor = as_bright(survey, source, model, near, farthest or 1.0)
            moved = np.isfinite(near) & (farthest is not None)
        elif farthest is not None:
            far, model, moved = _reachable_models(survey, near, model, models, farthest, generator)
            factor[moved] = (1 + far[moved]) / (1 + near[moved])
            factor[moved] *= (luminosity_distance(near[moved]) / luminosity_distance(far[moved])) ** 2
        stretch = np.where(moved, (1 + far) / (1 + near), 1.0)
        scale = factor * 10 ** (-0.4 * dimming * generator.uniform(size=len(source)))
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
    if PHOTO_Z not in survey.covariates or survey.objects[PHOTO_Z].iloc[models].isna().all():
        start, stop = (np.log1p(np.where(known, edge, 0.0)) for edge in (near, high))
        return np.where(known, np.exp(generator.uniform(start, stop)) - 1, near), model, known
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


def _observe(
    survey: Survey, plan: _Plan, rule: SurveyRule, start: int, stop: int
) -> dict[str, NDArray[np.generic]]:
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
    keep = rule.kept(flux / error, owner, plan.model[copies])
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
