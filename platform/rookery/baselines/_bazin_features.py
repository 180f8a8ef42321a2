"""Features of a supernova from its fitted light curves: numbers with names, NaN where undefined."""

import itertools
import warnings

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._bazin import PARAMETERS, BazinFits, bazin, fit_bazin
from rookery.baselines._padding import Padded, by_band

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
