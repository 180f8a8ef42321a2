"""Second moments of many images at once: Gaussian weights by matrix products over a pixel basis."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.galaxies.profiles import PSF_WEIGHTS, PSF_WIDTHS

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_START = 4.0  # pixels^2: the first weight's covariance
_MOST, _LEAST = 200.0, 0.8  # pixels^2: limits of an adaptive weight's eigenvalues
_FARTHEST = 2.5  # pixels that a centre may lie from the middle of the cutout
_ITERATIONS = 10


@cache
def pixel_basis(size: int) -> Singles:
    """Return (6, P): 1, x, y, x^2, x y, y^2 of each pixel, from the cutout's middle."""
    place = np.arange(size, dtype=np.float32) - np.float32(0.5 * (size - 1))
    y, x = (axis.reshape(-1) for axis in np.meshgrid(place, place, indexing="ij"))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])


def gaussian(covariance: Floats, centre: Floats, basis: Singles) -> Singles:
    """Return (N, P) weights exp(-d^T C^-1 d / 2), d from the centre; (N, 3) C, (N, 2) centre."""
    xx, xy, yy = covariance.T
    x, y = centre.T
    size = determinant(covariance)
    a, b, c = yy / size, -xy / size, xx / size  # the inverse
    linear_x, linear_y = a * x + b * y, b * x + c * y
    coefficients = np.stack(
        [-0.5 * (x * linear_x + y * linear_y), linear_x, linear_y, -0.5 * a, -b, -0.5 * c], axis=1
    )
    exponent = coefficients.astype(np.float32) @ basis
    np.minimum(exponent, np.float32(0.0), out=exponent)
    result: Singles = np.exp(exponent, out=exponent)
    return result


def find_centre(images: Singles, basis: Singles) -> Floats:
    """Return (N, 2) centres x, y from the cutout's middle, by a small round weight that follows them."""
    n = len(images)
    pixels = images.reshape(n, -1)
    covariance = np.tile([_START, 0.0, _START], (n, 1))
    centre = np.zeros((n, 2))
    for _ in range(3):
        sums = (gaussian(covariance, centre, basis) * pixels) @ basis[:3].T
        centre = _moved(centre, sums.astype(np.float64), 1.0)
    return centre


def adaptive_moments(images: Singles, basis: Singles, centre: Floats) -> tuple[Floats, Floats]:
    """Return (N, 2) centres and (N, 3) covariances of the Gaussians that fit (N, size, size) images best.

    The weight follows the image until its covariance is twice that of the weighted image
    (Bernstein & Jarvis 2002); a fixed number of steps.
    """
    n = len(images)
    pixels = images.reshape(n, -1)
    covariance = np.tile([2.0 * _START, 0.0, 2.0 * _START], (n, 1))
    for _ in range(_ITERATIONS):
        sums = ((gaussian(covariance, centre, basis) * pixels) @ basis.T).astype(np.float64)
        flux = np.maximum(sums[:, :1], 1e-3)
        mean = sums[:, 1:3] / flux
        measured = sums[:, 3:] / flux - np.stack(
            [mean[:, 0] ** 2, mean[:, 0] * mean[:, 1], mean[:, 1] ** 2], axis=1
        )
        # (W^-1 + C^-1)^-1 is measured for weight W and image C; iterate W = C.
        centre = _moved(centre, sums, 1.0)
        covariance = _limited(2.0 * measured)
    return centre, covariance


@cache
def adaptive_psf_size() -> float:
    """Return the sigma of the Gaussian that fits the PSF best, over its core's sigma."""
    weights, widths = np.array(PSF_WEIGHTS), np.array(PSF_WIDTHS) ** 2
    size = 1.0
    for _ in range(200):
        shares = weights * size / (widths + size)
        size = 2.0 * float((shares * widths * size / (widths + size)).sum() / shares.sum())
    return float(np.sqrt(size))


def determinant(covariance: Floats) -> Floats:
    """Return xx yy - xy^2 of (N, 3) xx, xy, yy."""
    result: Floats = covariance[:, 0] * covariance[:, 2] - covariance[:, 1] ** 2
    return result


def floored(covariance: Floats, least: Floats) -> Floats:
    """Return covariances whose eigenvalues are at least `least` (N,)."""
    return _clipped(covariance, least, np.full(len(least), np.inf))


def axis_ratio(covariance: Floats) -> Floats:
    """Return (N,) minor over major axis."""
    mean, half = _eigenvalues(covariance)
    result: Floats = np.sqrt((mean - half) / (mean + half))
    return result


def _limited(covariance: Floats) -> Floats:
    n = len(covariance)
    return _clipped(covariance, np.full(n, _LEAST), np.full(n, _MOST))


def _clipped(covariance: Floats, low: Floats, high: Floats) -> Floats:
    """Clip the eigenvalues, keeping the directions."""
    mean, half = _eigenvalues(covariance)
    major, minor = np.clip(mean + half, low, high), np.clip(mean - half, low, high)
    turned = np.stack([covariance[:, 0] - mean, covariance[:, 1], covariance[:, 2] - mean], axis=1)
    turned *= (0.5 * (major - minor) / np.maximum(half, 1e-12))[:, None]
    turned[:, [0, 2]] += (0.5 * (major + minor))[:, None]
    return turned


def _eigenvalues(covariance: Floats) -> tuple[Floats, Floats]:
    """Return the mean of both eigenvalues and half their difference."""
    mean = 0.5 * (covariance[:, 0] + covariance[:, 2])
    return mean, np.hypot(0.5 * (covariance[:, 0] - covariance[:, 2]), covariance[:, 1])


def _moved(centre: Floats, sums: Floats, pace: float) -> Floats:
    """Return the centres moved to the weighted means, within their limits."""
    mean = sums[:, 1:3] / np.maximum(sums[:, :1], 1e-3)
    moved = centre + pace * (mean - centre)
    return np.clip(np.where(np.isfinite(moved), moved, 0.0), -_FARTHEST, _FARTHEST)
