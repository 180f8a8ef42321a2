"""The light curve of Bazin et al. (2009, A&A 499, 653), and fits of it to every band of many objects.

Their equation 1, without its constant (fluxes are differences, zero before the explosion), is
``A exp(-(t - t0) / tau_fall) / (1 + exp(-(t - t0) / tau_rise))``, which has no maximum unless
``tau_rise < tau_fall``. It is the same curve as::

    F(t) = peak * n / (exp(s / fall) + exp(-s / rise)),    s = t - t_peak + s_peak,

with ``fall = tau_fall``, ``1 / rise = 1 / tau_rise - 1 / tau_fall``, and `n` and ``s_peak`` such that
the maximum `peak` is at ``t_peak``. Here `rise` and `fall` (e-folding times far from the maximum) may
have any positive value, and the parameters are hardly correlated with each other.

The fit is made in two steps. First all bands of an object share ``t_peak``, `rise` and `fall`, under
wide priors. Then each band has its own, under priors about the shared ones: a rich band goes
its own way, and a band of one point keeps the object's shape and has an amplitude and an honest error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._least_squares import Fits, Floats, least_squares
from rookery.baselines._padding import Padded, by_band

# Parameters of a band: peak flux, date of the peak, log of the rise and of the fall in days.
PARAMETERS = ("peak", "t_peak", "log_rise", "log_fall")

# Chosen to be wide beside the supernovae known: e-folding times of 5 and 25 days, within a factor of
# 2.7 and 3.3 at one sigma; and the peak within 30 days of where the best start has it.
_SHARED_MEAN = (np.log(5.0), np.log(25.0))
_SHARED_SIGMA = (30.0, 1.0, 1.2)
# How far one band may go from what all bands share: days, and factors of 1.8 and 2.2.
_BAND_SIGMA = (8.0, 0.6, 0.8)
# A peak that nothing determines is 0 within this many times the object's largest flux.
_PEAK_SIGMA = 5.0
_LOG_LOW, _LOG_HIGH = np.log(0.3), np.log(1000.0)
_START_SHAPES = tuple((np.log(rise), np.log(fall)) for rise in (3.0, 8.0) for fall in (12.0, 45.0))
_START_SHIFTS = (-8.0, 0.0, 8.0)
_START_BIN_DAYS = 10.0
_MOST_START_BINS = 500
_N_STARTS = 3


@dataclass(frozen=True)
class BazinFits:
    """Fits of n objects in B bands."""

    shared: Fits
    """The first step's: K = 3 + B parameters (t_peak, log_rise, log_fall, then a peak per band)."""
    bands: Fits
    """The second step's: n B problems, object by object, of the four `PARAMETERS`."""
    origin: Floats
    scale: Floats
    """(n,) date and flux in whose units the fits were made: `t_peak` is in days after `origin`, and
    peaks are in units of `scale`."""


def bazin(
    t: Floats, t_peak: Floats, log_rise: Floats, log_fall: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the curve with a maximum of 1, and its derivatives with respect to the three parameters.

    All arguments broadcast; times are in days.
    """
    rise, fall = np.exp(log_rise), np.exp(log_fall)
    total = rise + fall
    ratio = log_fall - log_rise
    s_peak = ratio * rise * fall / total
    s = t - t_peak + s_peak
    # In logarithms, since either exponential may overflow.
    up, down = -s / rise, s / fall
    log_sum = np.logaddexp(up, down)
    top = np.logaddexp(-s_peak / rise, s_peak / fall)
    value = np.exp(top - log_sum)
    share_up = np.exp(up - log_sum)
    # d log(value) / ds, and at the peak both slopes cancel, so that s_peak moves `top` not at all.
    slope = share_up / rise - (1.0 - share_up) / fall
    top_up = np.exp(-s_peak / rise - top)
    moved_rise = rise * fall / total * (ratio * fall / total - 1.0)
    moved_fall = rise * fall / total * (ratio * rise / total + 1.0)
    by_rise = slope * moved_rise + top_up * s_peak / rise - share_up * s / rise
    by_fall = slope * moved_fall - (1.0 - top_up) * s_peak / fall + (1.0 - share_up) * s / fall
    return value, -slope * value, by_rise * value, by_fall * value


def fit_bazin(curves: Padded, n_bands: int) -> BazinFits:
    """Fit every object, then every band; see the module's text. Objects may have a single point."""
    origin, scale, curves = _normalised(curves)
    start_shared, start_date = _start(curves, n_bands)
    shared = _fit_shared(curves, n_bands, start_shared, start_date)
    return BazinFits(shared, _fit_bands(by_band(curves, n_bands), n_bands, shared), origin, scale)


def _normalised(curves: Padded) -> tuple[Floats, Floats, Padded]:
    """Return origin and scale, and the curves in their units: days from the first, largest |flux| of 1."""
    origin = np.where(curves.present, curves.mjd, np.inf).min(axis=1)
    scale = np.abs(np.where(curves.present, curves.flux, 0.0)).max(axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    mjd = np.where(curves.present, curves.mjd - origin[:, None], 0.0)
    return (
        origin,
        scale,
        Padded(
            mjd, curves.band, curves.flux / scale[:, None], curves.weight * scale[:, None], curves.present
        ),
    )


def _fit_shared(curves: Padded, n_bands: int, start: Floats, date: Floats) -> Fits:
    """Fit (t_peak, log_rise, log_fall, peak of each band) to all points of each object."""
    one_hot = (curves.band[..., None] == np.arange(n_bands)) * curves.weight[..., None]

    def evaluate(x: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        shape = bazin(curves.mjd[rows], x[:, 0:1], x[:, 1:2], x[:, 2:3])
        peak = np.take_along_axis(x[:, 3:], curves.band[rows], axis=1) * curves.weight[rows]
        jacobian = np.empty((*peak.shape, 3 + n_bands))
        for column, derivative in enumerate(shape[1:]):
            jacobian[..., column] = peak * derivative
        jacobian[..., 3:] = one_hot[rows] * shape[0][..., None]
        return peak * shape[0] - curves.flux[rows] * curves.weight[rows], jacobian

    n = len(start)
    mean = np.zeros_like(start)
    mean[:, 0], mean[:, 1:3] = date, _SHARED_MEAN
    sigma = np.full_like(start, _PEAK_SIGMA)
    sigma[:, :3] = _SHARED_SIGMA
    low = np.full((n, 3 + n_bands), -np.inf)
    low[:, 1:3] = _LOG_LOW
    high = np.full((n, 3 + n_bands), np.inf)
    high[:, 1:3] = _LOG_HIGH
    return least_squares(evaluate, start, prior_mean=mean, prior_sigma=sigma, low=low, high=high)


def _fit_bands(curves: Padded, n_bands: int, shared: Fits) -> Fits:
    """Fit the four parameters of each band; `curves` has a row per object and band."""

    def evaluate(x: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        weight = curves.weight[rows]
        shape = bazin(curves.mjd[rows], x[:, 1:2], x[:, 2:3], x[:, 3:4])
        jacobian = np.stack(
            [shape[0] * weight, *(x[:, 0:1] * derivative * weight for derivative in shape[1:])], axis=2
        )
        return (x[:, 0:1] * shape[0] - curves.flux[rows]) * weight, jacobian

    start = np.empty((len(curves.mjd), 4))
    start[:, 0] = shared.parameters[:, 3:].reshape(-1)
    start[:, 1:] = np.repeat(shared.parameters[:, :3], n_bands, axis=0)
    mean, sigma = start.copy(), np.full_like(start, _PEAK_SIGMA)
    mean[:, 0] = 0.0
    sigma[:, 1:] = _BAND_SIGMA
    low = np.array([-np.inf, -np.inf, _LOG_LOW, _LOG_LOW])
    high = np.array([np.inf, np.inf, _LOG_HIGH, _LOG_HIGH])
    return least_squares(evaluate, start, prior_mean=mean, prior_sigma=sigma, low=low, high=high)


def _start(curves: Padded, n_bands: int) -> tuple[Floats, Floats]:
    """Return the best of a grid of starts (n, 3 + B), its peaks solved for, and its date before shifts."""
    candidates = _candidate_dates(curves)
    n = len(candidates)
    best = np.zeros((n, 3 + n_bands))
    best_date = candidates[:, 0].copy()
    best_gain = np.full(n, -np.inf)
    members = [(curves.band == band) * curves.weight**2 for band in range(n_bands)]
    for date in candidates.T:
        for shift in _START_SHIFTS:
            for log_rise, log_fall in _START_SHAPES:
                fixed = np.broadcast_to(np.array([log_rise, log_fall]), (n, 2))
                value = bazin(curves.mjd, (date + shift)[:, None], fixed[:, 0:1], fixed[:, 1:2])[0]
                weighted = [member * value for member in members]
                top = np.stack([(w * curves.flux).sum(axis=1) for w in weighted], axis=1)
                bottom = np.stack([(w * value).sum(axis=1) for w in weighted], axis=1) + _PEAK_SIGMA**-2
                peak = np.maximum(top, 0.0) / bottom
                gain = (peak * top).sum(axis=1)
                taken = gain > best_gain
                best_gain[taken], best_date[taken] = gain[taken], date[taken]
                row = np.column_stack([date + shift, fixed, peak])
                best[taken] = row[taken]
    return best, best_date


def _candidate_dates(curves: Padded) -> Floats:
    """Return (n, S) dates at which the flux of all bands together is most significant."""
    n = len(curves.mjd)
    # Wider bins where dates spread over decades, so that a table of all bins stays small.
    width = np.maximum(_START_BIN_DAYS, curves.mjd.max(axis=1) / _MOST_START_BINS)
    bins = np.floor(curves.mjd / width[:, None]).astype(np.int64) + 1
    n_bins = int(bins.max()) + 2
    cell = (np.arange(n)[:, None] * n_bins + bins).ravel()
    squared = curves.weight**2
    weight = np.bincount(cell, squared.ravel(), n * n_bins).reshape(n, n_bins)
    total = np.bincount(cell, (squared * curves.flux).ravel(), n * n_bins).reshape(n, n_bins)
    for table in (weight, total):
        table[:, 1:-1] = table[:, :-2] + table[:, 1:-1] + table[:, 2:]
    found = np.where(weight > 0, total / np.sqrt(np.where(weight > 0, weight, 1.0)), -np.inf)
    dates = np.empty((n, _N_STARTS))
    for column in range(_N_STARTS):
        top = found.argmax(axis=1)
        known = np.isfinite(found[np.arange(n), top]) if column else np.ones(n, bool)
        date = (top - 0.5) * width
        dates[:, column] = np.where(known, date, dates[:, 0] if column else date)
        near = np.abs(np.arange(n_bins) - top[:, None]) <= 2
        found[near] = -np.inf
    return dates
