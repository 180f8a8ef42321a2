"""Light curves as images: bands x time, with an explicit mask (Pasquet et al. 2019, A&A 627, A21)."""

import numpy as np
import torch
from numpy.typing import NDArray

from rookery.networks.family import Inputs
from rookery.surveys import ObservationArrays


def light_curve_images(
    arrays: ObservationArrays,
    observed: tuple[str, ...],
    bands: tuple[str, ...],
    *,
    days_per_column: float,
    n_columns: int,
) -> Inputs:
    """Return every light curve on a grid of bands and days.

    The grid's first column holds the start of the window of ``days_per_column * n_columns`` days
    with the most signal (see :func:`window_starts`). Observations that share a pixel are averaged
    with inverse-variance weights; those of bands not in `bands` or outside the window are left out.

    Parameters
    ----------
    arrays, observed
        The N objects' observations, and the bands that their `band_index` counts.
    bands
        Bands of the image, in the order of its rows.

    Returns
    -------
    dict
        `flux` and `error` (FLUXCAL, float32) and `mask` (1 where observed, else 0, where flux and
        error are 0 too), each (N, n_bands, n_columns).
    """
    n_objects, n_bands = len(arrays.offsets) - 1, len(bands)
    row_of = np.array([bands.index(band) if band in bands else -1 for band in observed])
    start = window_starts(
        arrays.object_index, arrays.mjd, arrays.flux / arrays.flux_err, n_objects, days_per_column * n_columns
    )
    column = np.floor((arrays.mjd - start[arrays.object_index]) / days_per_column).astype(np.int64)
    band = row_of[arrays.band_index]
    inside = (column >= 0) & (column < n_columns) & (band >= 0)
    pixel = (arrays.object_index[inside].astype(np.int64) * n_bands + band[inside]) * n_columns + column[
        inside
    ]

    weight = 1.0 / arrays.flux_err[inside].astype(np.float64) ** 2
    size = n_objects * n_bands * n_columns
    total = np.bincount(pixel, weight, size)
    mask = total > 0
    safe = np.where(mask, total, 1.0)
    mean = np.bincount(pixel, weight * arrays.flux[inside], size) / safe
    error = np.where(mask, safe**-0.5, 0.0)
    shape = (n_objects, n_bands, n_columns)
    return {
        name: torch.from_numpy(values.astype(np.float32).reshape(shape))
        for name, values in (("flux", mean), ("error", error), ("mask", mask))
    }


def window_starts(
    object_index: NDArray[np.integer],
    mjd: NDArray[np.float64],
    signal_to_noise: NDArray[np.floating],
    n_objects: int,
    window: float,
) -> NDArray[np.float64]:
    """Return for each object the date (MJD, whole day) at which its window starts.

    Of the windows of `window` days that begin on the day of an observation, the one with the largest
    sum of squared signal-to-noise (clipped to 0..10, so that no single point decides) wins; of equals,
    the earliest. An object whose observations fit into one therefore starts at its first observation.
    Observations must be sorted by object, then date, and every object must have one.
    """
    # Whole numbers: their sums are exact, so an object's window does not depend on the other objects.
    signal = np.rint(np.clip(signal_to_noise, 0, 10).astype(np.float64) ** 2 * 2**20).astype(np.int64)
    cumulative = np.concatenate([[0], np.cumsum(signal)])
    stride = np.ptp(mjd) + window + 2
    zero = object_index * stride - mjd.min()
    day = np.floor(mjd)
    key = zero + mjd
    end = np.searchsorted(key, zero + (day + window))
    gain = cumulative[end] - cumulative[np.searchsorted(key, zero + day)]

    best = np.maximum.reduceat(gain, np.searchsorted(object_index, np.arange(n_objects)))
    good = np.flatnonzero(gain == best[object_index])
    return day[good[np.searchsorted(object_index[good], np.arange(n_objects))]]
