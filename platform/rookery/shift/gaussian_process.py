"""Light curves as smooth surfaces of time and wavelength: one Gaussian process per object.

After Boone 2019 (AJ 158, 257): a Matern-3/2 kernel in time and wavelength with a zero mean, its
amplitude and time scale those of largest marginal likelihood. Here both come from a grid, and many
objects are solved at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.observations import place_in_group

Floats = NDArray[np.floating]

TIME_SCALES = (8.0, 14.0, 24.0, 42.0, 72.0)  # observer-frame days
AMPLITUDES = (0.4, 0.9, 2.0)  # of the largest flux
WAVELENGTH_SCALE = 1.0  # of ln(wavelength); 6,000 angstrom at 6,000 angstrom, as in Boone 2019
MAX_POINTS = 256
"""Of a longer light curve, the points nearest to its peak are taken."""
_CHUNK = 64
_ABSENT = 1e6  # noise of a padded point, in units of the amplitude


@dataclass(frozen=True)
class Points:
    """Observations of M objects, padded to P points each: (M, P) arrays.

    `time` in days, `colour` = ln(wavelength / angstrom), `flux` and `error` in one unit; `present` says
    which points are real.
    """

    time: Floats
    """In days."""
    colour: Floats
    """ln(wavelength / angstrom)."""
    flux: Floats
    error: Floats
    """Fluxes and their errors, in one unit."""
    present: NDArray[np.bool_]
    """Which points are real."""

    def take(self, rows: NDArray[np.intp], width: int) -> "Points":
        """Return some objects, with their first `width` points."""
        return Points(*(getattr(self, name)[rows, :width] for name in self.__dataclass_fields__))


def pad(
    object_index: NDArray[np.integer],
    n_objects: int,
    time: Floats,
    colour: Floats,
    flux: Floats,
    error: Floats,
    peak: Floats,
) -> Points:
    """Return observations, sorted by object, as padded rows of at most `MAX_POINTS`, nearest to `peak` first.

    Parameters
    ----------
    object_index, time, colour, flux, error
        (n,) one entry per observation.
    peak
        (n_objects,) date around which points are kept.
    """
    order = np.lexsort((np.abs(time - peak[object_index]), object_index))
    owner = object_index[order].astype(np.intp)
    count = np.bincount(owner, minlength=n_objects)
    place = place_in_group(count)
    kept = place < MAX_POINTS
    owner, place, order = owner[kept], place[kept], order[kept]
    shape = (n_objects, int(min(count.max(initial=1), MAX_POINTS)))
    padded = []
    for values in (time, colour, flux, error):
        out = np.zeros(shape)
        out[owner, place] = values[order]
        padded.append(out)
    present = np.zeros(shape, dtype=bool)
    present[owner, place] = True
    return Points(padded[0], padded[1], padded[2], padded[3], present)


def interpolate(known: Points, time: Floats, colour: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each object's flux at other dates and wavelengths.

    Parameters
    ----------
    known
        M objects.
    time, colour
        (M, Q) where to ask, in the units of :class:`Points`.

    Returns
    -------
    mean, deviation
        (M, Q); far from every observation the mean falls to zero and the deviation rises to the amplitude.
    """
    mean, deviation = np.zeros(time.shape), np.zeros(time.shape)
    for rows, width in _chunks(known.present.sum(axis=1)):
        fit = _Fit.best(known.take(rows, width))
        mean[rows], deviation[rows] = fit.ask(time[rows], colour[rows])
    return mean, deviation


def _chunks(count: NDArray[np.integer]) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Group objects of similar length, so that little is padded; yields rows and the longest length."""
    order = np.argsort(count, kind="stable")
    for start in range(0, len(order), _CHUNK):
        rows = order[start : start + _CHUNK]
        yield rows, max(1, int(count[rows[-1]]))


@dataclass(frozen=True)
class _Fit:
    """Solved Gaussian processes: inverse Cholesky factors (M, P, P) and K^-1 y (M, P)."""

    known: Points
    amplitude: Floats
    scale: Floats
    root: Floats
    weights: Floats

    @classmethod
    def best(cls, known: Points) -> "_Fit":
        """Choose amplitude and time scale of each object by marginal likelihood, and solve."""
        brightest = np.where(known.present, known.flux, -np.inf).max(axis=1)
        noise = np.where(known.present, known.error, np.inf).min(axis=1)
        unit = np.maximum(brightest, noise)  # where no flux is positive, the process is as small as the noise
        best, amplitude, scale = np.full(len(unit), -np.inf), unit, np.ones(len(unit))
        for days in TIME_SCALES:
            tried_scale = np.full(len(unit), days)
            correlation = _correlation(known, tried_scale)
            for factor in AMPLITUDES:
                likelihood = _log_likelihood(known, _covariance(known, correlation, factor * unit))
                better = likelihood > best
                best = np.where(better, likelihood, best)
                amplitude = np.where(better, factor * unit, amplitude)
                scale = np.where(better, tried_scale, scale)
        covariance = _covariance(known, _correlation(known, scale), amplitude)
        root = np.linalg.inv(np.linalg.cholesky(covariance))
        weights = (root.transpose(0, 2, 1) @ (root @ known.flux[..., None]))[..., 0]
        return cls(known, amplitude, scale, root, weights)

    def ask(self, time: Floats, colour: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation at (M, Q) dates and colours."""
        # Single precision is enough here, and twice as fast; in units of the amplitude nothing overflows.
        first, unit = self.known.time[:, :1], self.amplitude[:, None]
        known, asked, scale = (
            values.astype(np.float32) for values in (self.known.time - first, time - first, self.scale)
        )
        cross = _matern(known, self.known.colour.astype(np.float32), asked, colour.astype(np.float32), scale)
        mean = ((self.weights * unit).astype(np.float32)[:, None] @ cross)[:, 0]
        projected = (self.root * unit[..., None]).astype(np.float32) @ cross
        explained = np.einsum("mpq,mpq->mq", projected, projected)
        return unit * mean, unit * np.sqrt(np.maximum(1.0 - explained, 0.0))


def _correlation(known: Points, scale: Floats) -> Floats:
    return _matern(known.time, known.colour, known.time, known.colour, scale)


def _covariance(known: Points, correlation: Floats, amplitude: Floats) -> Floats:
    """Return the covariance (M, P, P) of the observed fluxes; padded points are all noise."""
    noise = np.where(known.present, known.error, _ABSENT * amplitude[:, None])
    covariance = correlation * (amplitude**2)[:, None, None]
    diagonal = np.arange(known.time.shape[1])
    covariance[:, diagonal, diagonal] += noise**2 + 1e-8 * (amplitude**2)[:, None]
    return covariance


def _log_likelihood(known: Points, covariance: Floats) -> Floats:
    """Return the logarithmic marginal likelihood of each object, up to a constant."""
    weights = np.linalg.solve(covariance, known.flux[..., None])[..., 0]
    diagonal = np.diagonal(np.linalg.cholesky(covariance), axis1=1, axis2=2)
    determinant = np.where(known.present, np.log(diagonal), 0.0).sum(axis=1)
    return -0.5 * (known.flux * weights).sum(axis=1) - determinant


def _matern(time_a: Floats, colour_a: Floats, time_b: Floats, colour_b: Floats, scale: Floats) -> Floats:
    """Return the Matern-3/2 correlation (M, A, B) between two sets of points."""
    days = (time_a[:, :, None] - time_b[:, None, :]) / scale[:, None, None]
    colours = (colour_a[:, :, None] - colour_b[:, None, :]) / WAVELENGTH_SCALE
    days *= days
    colours *= colours
    days += colours
    days *= 3.0
    distance = np.sqrt(days, out=days)
    colours = np.exp(-distance, out=colours)
    distance += 1.0
    distance *= colours
    return distance
