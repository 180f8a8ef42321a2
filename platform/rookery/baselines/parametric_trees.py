"""Gradient-boosted trees on a parametric fit of every light curve: the strongest classical method here.

Each band is fitted with the curve of Bazin et al. (2009, A&A 499, 653), after a fit in which all
bands share their dates and time scales and which gives the priors of sparse bands; see
:mod:`rookery.baselines._bazin`. The features are the fits' parameters, their errors and chi2 per
degree of freedom, fluxes, colours and declines at and around the peak, rise and fall times, and
the numbers and the significance of the points; NaN where undefined, which the trees can take.

The trees' settings were chosen among eight by four-fold cross-validation on the 4,000 training and
validation objects of SPCC's half split (log-loss, AUC; one seed; ``python
benchmarks/baseline_settings.py runs/survey half``). With 150 rounds at a learning rate of 0.06 and every
feature at every split 0.126, 0.989, and 300 rounds 0.159, 0.991; with 30 % of the features at every
split, 150 rounds 0.121, 0.990, 300 rounds at 0.05 0.135, 0.991, and the same with an L2 penalty of 5, the
setting used, 0.114, 0.990. Binned fluxes under the same folds: 0.177, 0.978.
"""

import functools
import itertools
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._bazin import PARAMETERS, BazinFits, bazin, fit_bazin
from rookery.baselines._copies import CopyOptions
from rookery.baselines._padding import Padded, block_curves, block_rows, by_band
from rookery.baselines._redshift import redshift_features, redshift_of
from rookery.baselines._trees import make_task, predict_with_trees
from rookery.compute.pool import RayPool
from rookery.compute.progress import tracked
from rookery.shift.options import CopyDistance, CopySelection
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.predictions import Predictions

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey

logger = logging.getLogger(__name__)
SETTINGS = {"max_iter": 300, "learning_rate": 0.05, "max_features": 0.3, "l2_regularization": 5.0}
# Fewer objects are fitted before Ray has started.
_ALONE_BELOW = 10_000


def run_baseline(
    survey: "Survey",
    split: "Split",
    out: Path,
    *,
    name: str = "parametric-trees",
    classes: Sequence[str] = ("Ia", "non-Ia"),
    seed: int = 0,
    redshift: str | None = None,
    role: str = "test",
    train_on: TrainOn | None = None,
    workers: RayPool | None = None,
    copies: int = 0,
    redshifting: bool = True,
    copy_dimming: float = 0.0,
    copy_distance: CopyDistance = "redshift",
    copy_selection: CopySelection = "detected",
    copy_snr: float = 0.0,
) -> Predictions:
    """Fit all light curves, train on the labelled objects but those of `role`, and predict these.

    Parameters
    ----------
    survey, split, out, name, classes, seed, redshift, role, train_on
        See :class:`rookery.baselines.Baseline`.
    workers
        Who fits; by default this process.
    copies, redshifting, copy_dimming, copy_distance, copy_selection, copy_snr
        Train also on fits of copies of the training objects, those that `binned-trees` has with the same
        options and seed: see :func:`rookery.shift.copies.redshifted_copies`.

    Raises
    ------
    InputError
        For `copies` or `copy_dimming` below 0, or copies that cannot be made; see also
        :func:`rookery.baselines._trees.make_task` and :func:`rookery.baselines._redshift.redshift_of`.
    """
    task = make_task(survey, split, classes, role, train_on)
    if redshift is not None:
        redshift_of(survey, redshift)  # refused before the fits, not after
    pool = workers or RayPool(processes=0)
    wanted = CopyOptions(copies, redshifting, copy_dimming, copy_distance, copy_selection, copy_snr)
    more = wanted.examples(
        survey, split, lambda view: _all_features(view, redshift, pool), name=name, seed=seed
    )
    features = _all_features(survey, redshift, pool)
    return predict_with_trees(task, features, SETTINGS, survey, out, name=name, seed=seed, more=more)


def _all_features(survey: "Survey", redshift: str | None, workers: RayPool) -> NDArray[np.float64]:
    """Return (N, F): those of the fits, and of a redshift where one is named."""
    features, names, peak = parametric_features(survey, workers)
    if redshift is None:
        return features
    half = [column for column, text in enumerate(names) if text.startswith("half_")]
    return np.hstack([features, redshift_features(survey, redshift, peak, features[:, half])[0]])


def parametric_features(
    survey: "Survey", workers: RayPool
) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
    """Fit every light curve; fits that fail are counted in the log, and their features are NaN.

    Returns
    -------
    (N, F) features, their F names, and (N,) the largest fitted peak in the survey's flux unit.
    """
    names = bazin_feature_names(survey.bands)
    features = np.full((len(survey), len(names)), np.nan)
    peak = np.full(len(survey), np.nan)
    failed = np.zeros(2, np.int64)
    rows = block_rows(survey)
    fit = functools.partial(_fit_block, n_bands=len(survey.bands))
    curves = (block_curves(survey, block) for block in rows)
    found = workers.map(fit, curves, small=len(survey) < _ALONE_BELOW)
    done = tracked(zip(rows, found, strict=True), "objects", len(survey), size=lambda one: len(one[0]))
    for block, (values, peaks, failures) in done:
        features[block], peak[block] = values, peaks
        failed += failures
    if failed.any():
        n_fits = len(survey) * len(survey.bands)
        text = (
            "%s: %d of %d fits of objects and %d of %d of bands did not converge; their features are missing"
        )
        logger.warning(text, survey.path, failed[0], len(survey), failed[1], n_fits)
    return features, names, peak


def _fit_block(
    curves: Padded, n_bands: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    return bazin_features(curves, n_bands)


Floats = NDArray[np.float64]

# Days after the peak at which colours and declines are read from the fitted curves.
PHASES = (-10, 0, 15, 30, 60)
# Flux below which a colour is not followed, in units of the light curve's largest flux.
_FAINT = 0.01


def bazin_feature_names(bands: tuple[str, ...]) -> list[str]:
    """Return the names of the columns of :func:`bazin_features`."""
    of_object = ["log_peak", "log_scale", "peak_day", "days_after_peak", "log_rise", "log_fall"]
    of_object += ["t_peak_error", "log_rise_error", "log_fall_error"]
    of_object += ["chi2_dof", "chi2_dof_bands", "points", "snr", "detections", "days"]
    of_band = ["peak_ratio", "peak_error", "peak_snr", "t_peak", "t_peak_error"]
    of_band += ["log_rise", "log_rise_error", "log_fall", "log_fall_error"]
    of_band += ["chi2_dof", "points", "snr", "half_rise_days", "half_fall_days"]
    of_band += [f"decline_{phase}" for phase in PHASES if phase]
    names = of_object + [f"{name}_{band}" for name in of_band for band in bands]
    pairs = [f"{first}_{second}" for first, second in itertools.pairwise(bands)]
    return names + [f"colour_{pair}_at_{phase}" for phase in PHASES for pair in pairs]


def bazin_features(curves: Padded, n_bands: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Fit a block of n light curves.

    Returns
    -------
    features
        (n, F) as :func:`bazin_feature_names` says; NaN for a band without points and for what a
        failed fit leaves undefined.
    peak
        (n,) the largest fitted peak of any band, in the survey's flux unit; NaN where none is positive.
    failed
        (2,) fits that did not converge: of objects, and of bands.
    """
    fits = fit_bazin(curves, n_bands)
    single = by_band(curves, n_bands)
    n = len(curves.mjd)
    points = single.present.sum(axis=1).reshape(n, n_bands)
    observed = points > 0
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "All-NaN slice": such a feature is NaN
        features, peak = _features(curves, single, fits, points)
    failed = np.array(
        [(~fits.shared.converged).sum(), (~fits.bands.converged.reshape(n, -1) & observed).sum()]
    )
    features[~np.isfinite(features)] = np.nan
    return features, peak, failed


def _features(
    curves: Padded, single: Padded, fits: BazinFits, points: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    n, n_bands = points.shape
    observed = points > 0
    shared = np.where(fits.shared.converged[:, None], fits.shared.parameters, np.nan)
    shared_error = np.where(fits.shared.converged[:, None], fits.shared.errors, np.nan)
    good = (observed & fits.bands.converged.reshape(n, n_bands))[..., None]
    band = np.where(good, fits.bands.parameters.reshape(n, n_bands, len(PARAMETERS)), np.nan)
    error = np.where(good, fits.bands.errors.reshape(n, n_bands, len(PARAMETERS)), np.nan)
    chi2 = np.where(good[..., 0], fits.bands.chi2.reshape(n, n_bands), np.nan)
    top = np.nanmax(np.where(band[..., 0] > 0, band[..., 0], np.nan), axis=1)
    peak = top * fits.scale
    last = np.where(curves.present, curves.mjd, -np.inf).max(axis=1) - fits.origin
    snr = np.where(curves.present, curves.flux * curves.weight, -np.inf)
    count = points.sum(axis=1)
    of_object = [
        np.log10(peak),
        np.log10(fits.scale),
        shared[:, 0],
        last - shared[:, 0],
        shared[:, 1],
        shared[:, 2],
        *shared_error[:, :3].T,
        _per_degree(
            np.where(fits.shared.converged, fits.shared.chi2, np.nan), count - 3 - observed.sum(axis=1)
        ),
        _per_degree(np.nansum(chi2, axis=1), count - 4 * good[..., 0].sum(axis=1)),
        count,
        np.log10(np.maximum(snr.max(axis=1), 0.1)),
        (snr >= 5.0).sum(axis=1),
        last,
    ]
    of_band = [
        band[..., 0] / top[:, None],
        error[..., 0] / top[:, None],
        band[..., 0] / error[..., 0],
        band[..., 1] - shared[:, 0:1],
        error[..., 1],
        band[..., 2],
        error[..., 2],
        band[..., 3],
        error[..., 3],
        _per_degree(chi2, points - 4),
        points,
        np.where(
            observed,
            np.where(single.present, single.flux * single.weight, -np.inf).max(axis=1).reshape(n, -1),
            np.nan,
        ),
        *_half_times(band),
        *(_curve(band, band[..., 1] + phase) / band[..., 0] for phase in PHASES if phase),
    ]
    colours = []
    for phase in PHASES:
        flux = np.maximum(_curve(band, shared[:, 0:1] + phase), _FAINT)
        colours.append(-2.5 * np.log10(flux[:, :-1] / flux[:, 1:]))
    return np.column_stack([*of_object, *of_band, *colours]).astype(np.float64), peak


def _curve(band: Floats, date: Floats) -> Floats:
    """Return the (n, B) fitted fluxes at dates (n, B)."""
    return band[..., 0] * bazin(date, band[..., 1], band[..., 2], band[..., 3])[0]


def _half_times(band: Floats) -> tuple[Floats, Floats]:
    """Return (n, B) days from half the peak flux to the peak, and from the peak to half of it again."""
    zero = np.zeros_like(band[..., 1])
    times = []
    for sign in (-1.0, 1.0):
        near, far = zero.copy(), zero + 3000.0
        for _ in range(24):
            middle = (near + far) / 2
            above = bazin(sign * middle, zero, band[..., 2], band[..., 3])[0] > 0.5
            near, far = np.where(above, middle, near), np.where(above, far, middle)
        times.append(np.where(np.isfinite(band[..., 2]), near, np.nan))
    return times[0], times[1]


def _per_degree(chi2: Floats, degrees: NDArray[np.int64]) -> Floats:
    """Return chi2 per degree of freedom; NaN where there is none."""
    return np.where(degrees > 0, chi2 / np.maximum(degrees, 1), np.nan)
