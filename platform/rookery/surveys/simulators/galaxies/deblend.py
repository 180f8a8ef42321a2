"""Neighbours: found where a cutout outshines its own mirror image, and replaced by that mirror image.

The idea of SDSS's deblender (a galaxy is at most as bright as its point-symmetric counterpart), with
a threshold, so that noise alone changes nothing.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_R = 2
_SIGNIFICANT, _EXTENT = 6.0, 2.0  # sigma of the smoothed difference: found, and its outskirts
_RELATIVE = 0.35  # of the mirrored light: arms and offsets of the centre are no neighbours
_GROWTH = 5  # pixels around a found peak in which its outskirts are replaced
_SMOOTHING = 0.375  # noise after smoothing by [1, 2, 1] / 4 both ways


def replace_neighbours(images: Singles, sigma: Singles, centre: Floats) -> tuple[Singles, NDArray[np.int64]]:
    """Return (N, B, size, size) images without their neighbours, and how many were found in r.

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
