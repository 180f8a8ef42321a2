"""Light curves as images of bands x time, in NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LightCurve:
    """The P observations of one object, sorted by date."""

    mjd: NDArray[np.float64]
    """(P,) days, Modified Julian Date."""
    band: NDArray[np.str_]
    """(P,) names."""
    flux: NDArray[np.float32]
    flux_err: NDArray[np.float32]
    """(P,) in units of a zero point of 27.5 magnitudes."""


@dataclass(frozen=True)
class Grid:
    """The pixels of the images that a network sees."""

    bands: tuple[str, ...]
    """N bands, in the order of the rows."""
    days_per_column: float
    n_columns: int
    """T columns, and days that share one."""


def light_curve(
    mjd: Sequence[Any] | NDArray[Any],
    band: Sequence[Any] | NDArray[Any],
    flux: Sequence[Any] | NDArray[Any],
    flux_err: Sequence[Any] | NDArray[Any],
) -> LightCurve:
    """Return an object's observations; those without a date, a flux or an error above 0 are left out."""
    sizes = {len(each) for each in (mjd, band, flux, flux_err)}
    if len(sizes) > 1:
        raise ValueError(f"dates, bands, fluxes and errors must be as many, but are {sorted(sizes)}")
    date = np.asarray(mjd, dtype=np.float64)
    with np.errstate(over="ignore"):  # too large for single precision becomes infinite, and is left out
        light, error = (np.asarray(each, dtype=np.float64).astype(np.float32) for each in (flux, flux_err))
    kept = np.flatnonzero(np.isfinite(date) & np.isfinite(light) & np.isfinite(error) & (error > 0))
    order = kept[np.argsort(date[kept], kind="stable")]
    return LightCurve(date[order], np.asarray(band).astype(str)[order], light[order], error[order])


def images(curves: Sequence[LightCurve], grid: Grid) -> tuple[NDArray[np.float32], ...]:
    """Return flux, error and mask (1 where observed) of B light curves, each (B, N, T).

    Observations that share a pixel are averaged with inverse-variance weights. Every light curve must have a
    point.
    """
    shape = (len(grid.bands), grid.n_columns)
    flux, error, mask = (np.zeros((len(curves), *shape), np.float32) for _ in range(3))
    for i, curve in enumerate(curves):
        row = np.full(len(curve.mjd), -1)
        for number, name in enumerate(grid.bands):
            row[curve.band == name] = number
        start = window_start(curve, grid.days_per_column * grid.n_columns)
        column = np.floor((curve.mjd - start) / grid.days_per_column).astype(np.int64)
        inside = (column >= 0) & (column < grid.n_columns) & (row >= 0)
        pixel = row[inside] * grid.n_columns + column[inside]
        weight = 1.0 / curve.flux_err[inside].astype(np.float64) ** 2
        size = shape[0] * shape[1]
        total = np.bincount(pixel, weight, size)
        seen = total > 0
        safe = np.where(seen, total, 1.0)
        flux[i] = (np.bincount(pixel, weight * curve.flux[inside], size) / safe).reshape(shape)
        error[i] = np.where(seen, safe**-0.5, 0.0).reshape(shape)
        mask[i] = seen.reshape(shape)
    return flux, error, mask


def window_start(curve: LightCurve, window: float) -> float:
    """Return the date, a whole day, at which the `window` days with the most signal begin.

    Of the windows that begin on the day of an observation in any band, the one with the largest sum of
    squared signal-to-noise (clipped to 0..10) wins; of equals, the earliest.
    """
    ratio = np.clip(curve.flux / curve.flux_err, 0, 10).astype(np.float64)
    signal = np.concatenate([[0], np.cumsum(np.rint(ratio**2 * 2**20).astype(np.int64))])
    day = np.floor(curve.mjd)
    gain = signal[np.searchsorted(curve.mjd, day + window)] - signal[np.searchsorted(curve.mjd, day)]
    return float(day[gain.argmax()])
