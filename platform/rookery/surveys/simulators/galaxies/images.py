"""Pixels: sources summed in Fourier space, times PSF and pixel, transformed back; then noise.

The transform's box is larger than the cutout, more so for large galaxies, so that light which leaves
one side does not come in at the other.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.galaxies.profiles import (
    de_vaucouleurs,
    exponential,
    fwhm_per_sigma,
    psf_transform,
)
from rookery.surveys.simulators.galaxies.scene import Scene
from rookery.surveys.simulators.galaxies.surveys import PIXEL_SCALE, Conditions

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
_LARGE = 9.0  # pixels: a source with such a radius gets the larger box
_BOXES = (1.5, 3.0)  # sides over the cutout's
_SMALLEST_BOX = 96  # pixels
_R, _FAINTEST_KNOTS = 2, 0.05  # nanomaggies in r: knots below are left out


@dataclass(frozen=True)
class _Grid:
    """Wave numbers of a box: (Ky,), (Kx,) in radians per pixel, and what depends on them alone."""

    ky: Singles
    kx: Singles
    squares: Singles  # (3, Ky * Kx): kx^2, 2 kx ky, ky^2
    pixel: Singles  # (Ky, Kx): the transform of a square pixel


def render(scene: Scene, conditions: Conditions, size: int) -> Singles:
    """Return (N, B, size, size) images without noise, in nanomaggies, rows along y."""
    n, n_bands = conditions.psf_fwhm.shape
    images = np.empty((n, n_bands, size, size), np.float32)
    starts = np.searchsorted(scene.owner, np.arange(n + 1))
    point_starts = np.searchsorted(scene.point_owner, np.arange(n + 1))
    sigma = conditions.psf_fwhm / PIXEL_SCALE / fwhm_per_sigma()
    large = (scene.shape[:, 0] + scene.shape[:, 2]) > _LARGE**2
    for row in range(n):
        own = slice(starts[row], starts[row + 1])
        points = slice(point_starts[row], point_starts[row + 1])
        grid = _grid(max(int(_BOXES[int(large[own].any())] * size), _SMALLEST_BOX))
        sky = _sources(scene, own, int(scene.own[row]), points, grid)
        if scene.knot_flux[row, _R] > _FAINTEST_KNOTS:
            sky += _knots(scene, row, grid)
        sky *= _psf(conditions.psf_shape[row], sigma[row], grid)
        images[row] = _pixels(sky, size, grid)
    return images


def add_noise(images: Singles, conditions: Conditions, generator: np.random.Generator) -> None:
    """Add sky noise and the sources' photon noise, both Gaussian, to the images in place."""
    electrons = conditions.electrons.astype(np.float32)[:, None, None]
    sky = (conditions.pixel_sigma**2).astype(np.float32)[:, :, None, None]
    # Image by image: buffers that stay in the cache, and no large ones to be made anew.
    noise, variance = np.empty_like(images[0]), np.empty_like(images[0])
    for image, of_sky in zip(images, sky, strict=True):
        generator.standard_normal(out=noise, dtype=np.float32)
        np.maximum(image, np.float32(0.0), out=variance)
        variance /= electrons
        variance += of_sky
        noise *= np.sqrt(variance, out=variance)
        image += noise


def _sources(scene: Scene, own: slice, parts: int, points: slice, grid: _Grid) -> NDArray[np.complex64]:
    """Return (B, Ky, Kx) transforms of all that lies in one cutout, before PSF and pixel."""
    bulge = scene.bulge[own]
    kappa_squared = scene.shape[own].astype(np.float32) @ grid.squares
    shapes = np.empty_like(kappa_squared)
    shapes[~bulge] = exponential(kappa_squared[~bulge])
    if bulge.any():
        shapes[bulge] = de_vaucouleurs(np.maximum(kappa_squared[bulge], np.float32(0.0)))
    shape = (-1, len(grid.ky), len(grid.kx))
    flux = scene.flux[own].T.astype(np.float32)
    waves = _waves(scene.y[own], grid.ky)[:, :, None], _waves(scene.x[own], grid.kx)[:, None, :]
    # The galaxy's parts have one place: their real transforms are summed before they are shifted.
    total = (flux[:, :parts] @ shapes[:parts]).reshape(shape) * (waves[0][0] * waves[1][0])
    if len(bulge) > parts:
        others = waves[0][parts:] * waves[1][parts:]
        others *= shapes[parts:].reshape(shape)
        flat = others.view(np.float32).reshape(len(others), -1)
        total += (np.ascontiguousarray(flux[:, parts:]) @ flat).view(np.complex64).reshape(shape)
    if points.stop > points.start:
        waves_y = _waves(scene.point_y[points], grid.ky)
        waves_x = _waves(scene.point_x[points], grid.kx)
        weighted = scene.point_flux[points].T.astype(np.float32)[:, None, :] * waves_y.T
        total += weighted @ waves_x
    return total


def _knots(scene: Scene, row: int, grid: _Grid) -> NDArray[np.complex64]:
    """Return (B, Ky, Kx) transforms of one galaxy's knots, which have one colour."""
    waves_y, waves_x = _waves(scene.knot_y[row], grid.ky), _waves(scene.knot_x[row], grid.kx)
    waves_y *= scene.knot_share[row].astype(np.float32)[:, None]
    result: NDArray[np.complex64] = scene.knot_flux[row].astype(np.float32)[:, None, None] * (
        waves_y.T @ waves_x
    )
    return result


def _waves(place: Floats, wave_numbers: Singles) -> NDArray[np.complex64]:
    """Return (M, K) shifts exp(-i k x)."""
    angle = place.astype(np.float32)[:, None] * wave_numbers
    waves = np.empty(angle.shape, np.complex64)
    waves.real = np.cos(angle)
    waves.imag = -np.sin(angle)
    return waves


def _psf(shape: Floats, sigma: Floats, grid: _Grid) -> Singles:
    """Return (B, Ky, Kx) transforms of PSF and pixel."""
    squared = (shape.astype(np.float32) @ grid.squares).reshape(grid.pixel.shape)
    half = (0.5 * sigma**2).astype(np.float32)
    psf = psf_transform(half[:, None, None] * squared)
    psf *= grid.pixel
    return psf


def _pixels(sky: NDArray[np.complex64], size: int, grid: _Grid) -> Singles:
    """Transform back, along y for the whole box and along x for the cutout's rows alone."""
    from scipy.fft import ifft, irfft

    columns = ifft(sky, axis=1, overwrite_x=True)[:, :size]
    result: Singles = irfft(columns, n=len(grid.ky), axis=2)[:, :, :size]
    return result


@cache
def _grid(smallest: int) -> _Grid:
    from scipy.fft import next_fast_len

    box = 2 * next_fast_len(-(-smallest // 2))
    ky = (2.0 * np.pi * np.fft.fftfreq(box)).astype(np.float32)
    kx = (2.0 * np.pi * np.fft.rfftfreq(box)).astype(np.float32)
    x, y = np.broadcast_arrays(kx[None, :], ky[:, None])
    squares = np.stack([x**2, 2.0 * x * y, y**2]).reshape(3, -1)
    pixel = np.sinc(x / (2.0 * np.pi)) * np.sinc(y / (2.0 * np.pi))
    return _Grid(ky, kx, squares, pixel.astype(np.float32))
