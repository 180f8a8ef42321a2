"""Measuring the simulated images as a survey's catalogue would: from pixels, PSF and noise alone.

Magnitudes: the total flux in r is Petrosian; colours come from Gaussian apertures that are matched
to the PSF of each band (after Kuijken 2008), so that all bands see the same part of the galaxy;
the factor between both in r brings every band to a total magnitude, as a model magnitude does.
Neighbours are found and replaced by the galaxy's mirrored light first.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.galaxies import moments
from rookery.surveys.simulators.galaxies.petrosian import measure_petrosian
from rookery.surveys.simulators.galaxies.profiles import PSF_WEIGHTS, PSF_WIDTHS, fwhm_per_sigma
from rookery.surveys.simulators.galaxies.surveys import EXTINCTION, PIXEL_SCALE, Conditions

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_R = 2
_ZERO_POINT = 22.5
_MAGNITUDE = 2.5 / np.log(10.0)
_APERTURE = 1.4  # area of the aperture over the galaxy's own, within which bands are compared; chosen
_PSF_ROOM = 1.25  # the aperture holds so many times the widest band's PSF, at least; chosen
_LEAST_SNR = 1.0  # a flux below this significance has no magnitude


@dataclass(frozen=True)
class Catalogue:
    """Measurements of N galaxies."""

    magnitude: Floats
    magnitude_error: Floats
    """(N, B) dereddened AB magnitudes and errors; NaN where the flux is below one sigma."""
    axis_ratio: Floats
    """b/a from PSF-corrected adaptive second moments in r."""
    snr: Floats
    """Signal-to-noise of the Petrosian flux in r."""
    half_light: Floats
    """Radius in arcsec that holds half the Petrosian flux in r, PSF included."""
    n_neighbours: Floats
    """Number of other sources found in the cutout."""

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the measurements of the given rows."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def measure(images: Singles, conditions: Conditions) -> Catalogue:
    """Measure (N, B, size, size) images in nanomaggies."""
    sigma = conditions.psf_fwhm / PIXEL_SCALE / fwhm_per_sigma()
    noise_r = conditions.pixel_sigma[:, _R].astype(np.float32)
    basis = moments.pixel_basis(images.shape[-1])
    centre = moments.find_centre(images[:, _R], basis)
    clean, n_neighbours = replace_neighbours(images, noise_r, centre)
    centre, covariance = moments.adaptive_moments(clean[:, _R], basis, centre)
    psf_r = (moments.adaptive_psf_size() * sigma[:, _R]) ** 2
    own = moments.floored(covariance - psf_r[:, None] * conditions.psf_shape, 0.1 * psf_r)
    flux, error = _aperture_fluxes(clean, conditions, sigma, basis, centre, own)
    petrosian = measure_petrosian(clean[:, _R], noise_r, float(conditions.electrons[_R]), centre)
    factor = petrosian.flux / np.maximum(flux[:, _R], 1e-6)
    # The total's error: of r the Petrosian flux's; elsewhere the aperture's, and that of the factor,
    # which is what the wide aperture adds to the narrow one.
    relative = error / np.maximum(flux, 1e-6)
    total = petrosian.error / np.maximum(petrosian.flux, 1e-6)
    added = np.maximum(total**2 - relative[:, _R] ** 2, 0.0)
    relative = np.sqrt(relative**2 + added[:, None])
    relative[:, _R] = total
    scaled = np.maximum(flux, 1e-6) * np.maximum(factor, 1e-6)[:, None]
    magnitude = _ZERO_POINT - 2.5 * np.log10(scaled) - conditions.mwebv_catalogued[:, None] * EXTINCTION
    missing = (flux < _LEAST_SNR * error) | (petrosian.flux < petrosian.error)[:, None]
    return Catalogue(
        magnitude=np.where(missing, np.nan, magnitude),
        magnitude_error=np.where(missing, np.nan, _MAGNITUDE * relative),
        axis_ratio=moments.axis_ratio(own),
        snr=petrosian.flux / petrosian.error,
        half_light=petrosian.half_light * PIXEL_SCALE,
        n_neighbours=n_neighbours.astype(np.float64),
    )


def _aperture_fluxes(
    images: Singles, conditions: Conditions, sigma: Floats, basis: Singles, centre: Floats, own: Floats
) -> tuple[Floats, Floats]:
    """Return (N, B) fluxes within one aperture before the PSF, and their errors.

    The weight of a band is a Gaussian whose covariance is the aperture's less the PSF's; what the
    PSF's wings carry out of it is put back for a Gaussian galaxy.
    """
    n, n_bands = sigma.shape
    psf = (moments.adaptive_psf_size() * sigma) ** 2
    aperture = _APERTURE * own + (_PSF_ROOM * psf.max(axis=1))[:, None] * conditions.psf_shape
    flux, error = np.empty((n, n_bands)), np.empty((n, n_bands))
    for band in range(n_bands):
        weight_shape = aperture - psf[:, band, None] * conditions.psf_shape
        weight = moments.gaussian(weight_shape, centre, basis)
        pixels = images[:, band].reshape(n, -1)
        squares = weight * weight
        # Per flux of a Gaussian galaxy through a Gaussian PSF, and through the true one.
        ideal = 1.0 / np.sqrt(moments.determinant(own + aperture))
        kept = _kept_by_psf(own + weight_shape, sigma[:, band], conditions.psf_shape)
        scale = np.sqrt(moments.determinant(aperture) / moments.determinant(weight_shape)) * ideal / kept
        flux[:, band] = scale * np.einsum("np,np->n", weight, pixels)
        variance = conditions.pixel_sigma[:, band] ** 2 * squares.sum(axis=1)
        variance += np.einsum("np,np->n", squares, np.maximum(pixels, 0.0)) / conditions.electrons[band]
        error[:, band] = scale * np.sqrt(variance)
    return flux, error


def _kept_by_psf(covariance: Floats, sigma: Floats, shape: Floats) -> Floats:
    """Return the mean of a Gaussian's central values over the Gaussians of the PSF."""
    total = np.zeros(len(sigma))
    for weight, width in zip(PSF_WEIGHTS, PSF_WIDTHS, strict=True):
        widened = covariance + ((width * sigma) ** 2)[:, None] * shape
        total += weight / np.sqrt(moments.determinant(widened))
    return total


_SIGNIFICANT, _EXTENT = 6.0, 2.0  # sigma of the smoothed difference: found, and its outskirts
_RELATIVE = 0.35  # of the mirrored light: arms and offsets of the centre are no neighbours
_GROWTH = 5  # pixels around a found peak in which its outskirts are replaced
_SMOOTHING = 0.375  # noise after smoothing by [1, 2, 1] / 4 both ways


def replace_neighbours(images: Singles, sigma: Singles, centre: Floats) -> tuple[Singles, NDArray[np.int64]]:
    """Return (N, B, size, size) images without their neighbours, and how many were found in r.

    A neighbour is found where a cutout outshines its own mirror image, and replaced by that. The idea of
    SDSS's deblender (a galaxy is at most as bright as its point-symmetric counterpart), with a threshold, so
    that noise alone changes nothing.

    Parameters
    ----------
    sigma
        (N,) noise of a pixel in r.
    centre
        (N, 2) centres x, y in pixels from the cutout's middle.
    """
    from scipy.ndimage import maximum_filter

    n, _, size, _ = images.shape
    # Mirrored about the nearest half pixel: column c comes from column (total - c).
    total = np.rint(2.0 * centre).astype(np.int64) + size - 1
    place = np.arange(size)
    columns, rows = total[:, :1] - place, total[:, 1:] - place
    inside = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    rows, columns = np.clip(rows, 0, size - 1), np.clip(columns, 0, size - 1)
    smooth = _smoothed(images[:, _R])
    mirrored = smooth[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    # Beyond the mirror's reach the sky is what a neighbour must outshine.
    mirrored = np.where(inside, mirrored, np.float32(0.0))
    unit = (np.float32(_SMOOTHING * np.sqrt(2.0)) * sigma)[:, None, None]
    excess = smooth - mirrored
    found = excess > _SIGNIFICANT * unit + _RELATIVE * np.maximum(mirrored, 0.0)
    # The galaxy's own core, where a centre is never exactly half a pixel.
    far = (
        np.hypot(place[:, None] - 0.5 * total[:, 1, None, None], place - 0.5 * total[:, 0, None, None]) > 2.5
    )
    found &= far
    touched = np.flatnonzero(found.any(axis=(1, 2)))
    count = np.zeros(n, np.int64)
    if not len(touched):
        return images, count
    own = excess[touched]
    peaks = found[touched] & (own == maximum_filter(own, size=(1, 5, 5)))
    count[touched] = peaks.sum(axis=(1, 2))
    grown = maximum_filter(found[touched], size=(1, 2 * _GROWTH + 1, 2 * _GROWTH + 1))
    grown &= (own > _EXTENT * unit[touched]) & far[touched]
    clean = images.copy()
    which, y, x = np.nonzero(grown)
    row = touched[which]
    replacement = images[row, :, rows[row, y], columns[row, x]]
    replacement[~inside[row, y, x]] = 0.0
    clean[row, :, y, x] = replacement
    return clean, count


def _smoothed(images: Singles) -> Singles:
    """Smooth (N, size, size) images by [1, 2, 1] / 4 along both axes; edges repeat."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + 2.0 * padded[:, 1:-1] + padded[:, 2:]
    result: Singles = (rows[:, :, :-2] + 2.0 * rows[:, :, 1:-1] + rows[:, :, 2:]) / np.float32(16.0)
    return result
