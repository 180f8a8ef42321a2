"""Labelled light curves made to look like those of the target sample: dimmed, noisier, thinner.

Every labelled object gets a donor among the target objects, at the same rank of peak flux (with a
random jitter within the rank). Its fluxes are scaled down to the donor's peak flux, its errors
raised to errors drawn from the donor's of the same band, with the noise that this takes, and its
observations thinned to the donor's number. Nothing is ever made brighter, less noisy or denser.
What stays as it was: colours, time scales, redshift, and every column of the object table.
"""

import numpy as np
from numpy.typing import NDArray

from rookery.shift.weights import labelled_and_target
from rookery.surveys.observations import ObservationArrays
from rookery.surveys.properties import object_properties
from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery.surveys.view import SurveyView, take_objects


def degraded_survey(survey: Survey, split: Split, rows: NDArray[np.int64], *, seed: int = 0) -> SurveyView:
    """Return degraded copies of some labelled objects, in the order of `rows`.

    All labelled objects of the split are degraded together, so that an object's copy depends on
    survey, split and seed, and not on which others are asked for.

    Parameters
    ----------
    rows
        Rows of the survey's object table, among the split's train and validation objects.

    Raises
    ------
    InputError
        When the split has fewer than 2 labelled or target objects.
    """
    labelled, target = labelled_and_target(survey, split)
    rng = np.random.default_rng(seed)
    peak = object_properties(survey)["peak_flux"].to_numpy(np.float64)
    donor = _donors(peak[labelled], peak[target], rng)
    arrays = survey.observation_arrays()
    own, given = take_objects(arrays, labelled), take_objects(arrays, target)
    degraded = _degrade(own, given, donor, peak[labelled], peak[target], len(survey.bands), rng)
    kept = take_objects(degraded, np.searchsorted(labelled, rows))
    return SurveyView.of(survey, rows, kept)


def _donors(
    own_peak: NDArray[np.float64], target_peak: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return for each labelled object the position of the target object at its rank of peak flux."""
    rank = np.empty(len(own_peak))
    rank[np.argsort(own_peak, kind="stable")] = np.arange(len(own_peak))
    quantile = (rank + rng.random(len(own_peak))) / len(own_peak)
    order = np.argsort(target_peak, kind="stable")
    return order[np.minimum((quantile * len(order)).astype(np.int64), len(order) - 1)]


def _degrade(
    own: ObservationArrays,
    given: ObservationArrays,
    donor: NDArray[np.int64],
    own_peak: NDArray[np.float64],
    target_peak: NDArray[np.float64],
    n_bands: int,
    rng: np.random.Generator,
) -> ObservationArrays:
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(own_peak > 0, np.clip(target_peak[donor] / own_peak, 0.0, 1.0), 1.0)
    # A donor without a positive flux says nothing of how faint to be.
    scale = np.where(target_peak[donor] > 0, scale, 1.0)
    of_row = own.object_index
    error = own.flux_err * scale[of_row]
    wanted = np.fmax(error, _drawn_errors(own, given, donor, n_bands, rng))
    noise = np.sqrt(wanted**2 - error**2)
    flux = own.flux * scale[of_row] + noise * rng.standard_normal(len(own))

    ratio = np.diff(given.offsets)[donor] / np.diff(own.offsets)
    lot = rng.random(len(own))
    keep = (lot < ratio[of_row]) | (lot == np.minimum.reduceat(lot, own.offsets[:-1])[of_row])
    offsets = np.concatenate([[0], np.cumsum(np.add.reduceat(keep.astype(np.int64), own.offsets[:-1]))])
    return ObservationArrays(
        object_index=of_row[keep],
        mjd=own.mjd[keep],
        band_index=own.band_index[keep],
        flux=flux[keep].astype(np.float32),
        flux_err=wanted[keep].astype(np.float32),
        offsets=offsets,
    )


def _drawn_errors(
    own: ObservationArrays,
    given: ObservationArrays,
    donor: NDArray[np.int64],
    n_bands: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw for each observation an error of its donor in its band.

    Of any target object where the donor has none in that band; NaN where no target has.
    """
    key = given.object_index.astype(np.int64) * n_bands + given.band_index
    order = np.argsort(key, kind="stable")
    error = given.flux_err[order].astype(np.float64)
    key = key[order]
    wanted = donor[own.object_index] * n_bands + own.band_index
    first, last = np.searchsorted(key, wanted), np.searchsorted(key, wanted, side="right")
    lot = rng.random(len(own))
    drawn = error[np.minimum(first + (lot * (last - first)).astype(np.int64), len(error) - 1)]
    for band in range(n_bands):
        lacking = (first == last) & (own.band_index == band)
        pool = given.flux_err[given.band_index == band].astype(np.float64)
        drawn[lacking] = pool[(lot[lacking] * len(pool)).astype(np.int64)] if len(pool) else np.nan
    return drawn
