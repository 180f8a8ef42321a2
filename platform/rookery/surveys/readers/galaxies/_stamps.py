"""Cutouts around positions, in all bands on one grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.galaxies import EDGE, NON_FINITE
from rookery.surveys.readers.galaxies._frame_files import PixelCache, Plane

Resample = Literal["auto", "never", "always"]
# Grids that agree within a tenth of a pixel all over a cutout count as one.
_SAME_GRID = 0.1
_BORDER = 4  # pixels that a cubic spline looks beyond those it fills


@dataclass(frozen=True)
class Coverage:
    """Which frame shows which object."""

    plane: NDArray[np.int64]
    """(n, bands) index of the frame where the object is farthest from an edge; -1 where no frame has it."""
    pixel: NDArray[np.float64]
    """(n, bands, 2) its column and row there."""


def find_coverage(
    planes: Sequence[Plane], bands: Sequence[str], ra: NDArray[np.float64], dec: NDArray[np.float64]
) -> Coverage:
    """Find each object's frame in every band; positions must be finite."""
    from scipy.spatial import cKDTree

    plane_of = np.full((len(ra), len(bands)), -1, dtype=np.int64)
    pixel = np.full((len(ra), len(bands), 2), np.nan)
    margin = np.full((len(ra), len(bands)), -np.inf)
    tree = cKDTree(_unit_vectors(ra, dec))
    for number, plane in enumerate(planes):
        height, width = plane.shape
        corners = np.array([0.0, width - 1, 0.0, width - 1, (width - 1) / 2])
        sky = _unit_vectors(
            *plane.to_sky(corners, np.array([0.0, 0.0, height - 1, height - 1, (height - 1) / 2]))
        )
        radius = 1.05 * float(np.linalg.norm(sky[:4] - sky[4], axis=1).max()) + 1e-6
        near = np.array(sorted(tree.query_ball_point(sky[4], radius)), dtype=np.int64)
        if not len(near):
            continue
        found = plane.to_pixels(ra[near], dec[near])
        edge = np.min([found[:, 0], found[:, 1], width - 1 - found[:, 0], height - 1 - found[:, 1]], axis=0)
        band = list(bands).index(plane.band)
        better = (edge >= -0.5) & (edge > margin[near, band])
        rows = near[better]
        plane_of[rows, band], pixel[rows, band], margin[rows, band] = number, found[better], edge[better]
    return Coverage(plane_of, pixel)


def cut(
    planes: Sequence[Plane],
    pixels: NDArray[np.float64],
    reference: int,
    size: int,
    cache: PixelCache,
    resample: Resample,
) -> tuple[NDArray[np.float32], int]:
    """Cut one object out of its frames.

    The reference band's grid, shifted by whole pixels so that the object stands in the middle (at
    size / 2 - 1 to size / 2, as in `astropy.nddata.Cutout2D`), is the cutout's. A band
    whose grid agrees with it within 0.1 pixels is cut as it is; others are interpolated onto it by cubic
    splines, with fluxes scaled by the pixels' areas.
    With ``"never"`` the nearest whole shift is taken for them; with ``"always"`` all bands are
    interpolated, and the object stands in the very middle.

    Parameters
    ----------
    planes, pixels
        The object's frame in each band, and its column and row there.

    Returns
    -------
    tuple
        (bands, size, size) pixels, 0 beyond a frame's edge, and the flags ``EDGE`` and ``NON_FINITE``.
    """
    if resample == "always":
        corner = pixels[reference] - (size - 1) / 2
    else:  # a hair less, so that rounding does not move an object in the very middle of a pixel
        corner = np.ceil(pixels[reference] - size / 2 - 1e-3)
    stamp = np.zeros((len(planes), size, size), dtype=np.float32)
    flags = 0
    for band, plane in enumerate(planes):
        data = cache.pixels(plane)
        shift, same = _shift(planes[reference], plane, corner, size)
        if resample == "always" or not (same or resample == "never"):
            stamp[band], found = _interpolated(data, _grid(planes[reference], plane, corner, size))
        else:
            x, y = (corner + shift).astype(np.int64).tolist()
            stamp[band], found = _sliced(data, x, y, size)
        flags |= found
    return stamp, flags


def _shift(
    reference: Plane, plane: Plane, corner: NDArray[np.float64], size: int
) -> tuple[NDArray[np.float64], bool]:
    """Return how many pixels a frame's grid is shifted, rounded, and whether the grids agree but for that."""
    if plane.wcs is reference.wcs:
        return np.zeros(2), True
    far = size - 1
    x = corner[0] + np.array([0.0, far, 0.0, far])
    y = corner[1] + np.array([0.0, 0.0, far, far])
    shift = plane.to_pixels(*reference.to_sky(x, y)) - np.stack([x, y], axis=1)
    whole = np.round(shift.mean(axis=0))
    return whole, bool(np.abs(shift - whole).max() <= _SAME_GRID)


def _sliced(data: Any, x: int, y: int, size: int) -> tuple[NDArray[np.float32], int]:
    height, width = data.shape
    stamp = np.zeros((size, size), dtype=np.float32)
    left, right, low, high = max(x, 0), min(x + size, width), max(y, 0), min(y + size, height)
    if left < right and low < high:
        stamp[low - y : high - y, left - x : right - x] = data[low:high, left:right]
    whole = right - left == size and high - low == size
    return stamp, 0 if whole else EDGE


def _grid(reference: Plane, plane: Plane, corner: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return (size, size, 2): the column and row in `plane` of each pixel of the cutout."""
    y, x = np.mgrid[0:size, 0:size].reshape(2, -1).astype(np.float64)
    x, y = x + corner[0], y + corner[1]
    if plane is reference:
        return np.stack([x, y], axis=1).reshape(size, size, 2)
    return plane.to_pixels(*reference.to_sky(x, y)).reshape(size, size, 2)


def _interpolated(data: Any, grid: NDArray[np.float64]) -> tuple[NDArray[np.float32], int]:
    from scipy.ndimage import map_coordinates

    height, width = data.shape
    x, y = grid[..., 0], grid[..., 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    flags = 0 if inside.all() else EDGE
    if not inside.any():
        return np.zeros(x.shape, dtype=np.float32), flags
    left, low = (max(int(np.floor(v[inside].min())) - _BORDER, 0) for v in (x, y))
    right, high = (int(np.ceil(v[inside].max())) + _BORDER + 1 for v in (x, y))
    part = np.array(data[low:high, left:right], dtype=np.float64)
    bad = ~np.isfinite(part)
    if bad.any():
        part[bad] = 0.0
        flags |= NON_FINITE
    values = map_coordinates(
        part, [np.where(inside, y, low) - low, np.where(inside, x, left) - left], order=3, mode="nearest"
    )
    return np.where(inside, values * _area_ratio(grid), 0.0).astype(np.float32), flags


def _area_ratio(grid: NDArray[np.float64]) -> float:
    """Return how many pixels of the frame one pixel of the cutout covers."""
    if len(grid) < 2:
        return 1.0
    across = (grid[0, -1] - grid[0, 0]) / (len(grid) - 1)
    along = (grid[-1, 0] - grid[0, 0]) / (len(grid) - 1)
    return float(abs(across[0] * along[1] - across[1] * along[0]))


def _unit_vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
