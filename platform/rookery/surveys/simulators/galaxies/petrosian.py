"""Petrosian fluxes and half-light radii in circular apertures, as the Main Galaxy Sample has them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_RATIO = 0.2  # local over mean surface brightness at the Petrosian radius (Blanton et al. 2001)
_RADII = 2.0  # the flux is that within so many Petrosian radii
_FIRST = 3.0  # pixels: no smaller Petrosian radius is looked for
_STEPS = 4  # trial radii per pixel


@dataclass(frozen=True)
class Petrosian:
    """(N,) fluxes and errors in the image's unit, and half-light radii in pixels."""

    flux: Floats
    error: Floats
    """(N,) fluxes and errors, in the image's unit."""
    half_light: Floats
    """(N,) radii in pixels."""


def measure_petrosian(images: Singles, sigma: Singles, electrons: float, centre: Floats) -> Petrosian:
    """Measure (N, size, size) images around their centres (N, 2), pixels from the middle.

    Apertures end at the cutout's edge: a galaxy whose Petrosian radius is beyond half of that loses
    light, and then has a larger surface brightness than a survey would find.
    """
    n, size, _ = images.shape
    area, flux = _growth(images, centre)
    largest = 0.5 * (size - 1) - 3.0
    trial = np.arange(_FIRST, largest / 1.25, 1.0 / _STEPS)
    inner, outer, within = (_at(flux, factor * trial) for factor in (0.8, 1.25, 1.0))
    inner_area, outer_area, within_area = (_at(area, factor * trial) for factor in (0.8, 1.25, 1.0))
    local = (outer - inner) / np.maximum(outer_area - inner_area, 1.0)
    ratio = local / np.maximum(within / within_area, 1e-6)
    # The first trial radius at which the ratio has fallen, and the place between it and the one before.
    below = ratio < _RATIO
    first = np.where(below.any(axis=1), below.argmax(axis=1), len(trial) - 1)
    before = np.maximum(first - 1, 0)
    everyone = np.arange(n)
    high, low = ratio[everyone, before], ratio[everyone, first]
    part = np.clip((high - _RATIO) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    radius = trial[before] + part * (trial[first] - trial[before])
    edge = np.minimum(_RADII * radius, largest)[:, None]
    total, pixels = _at_own(flux, edge)[:, 0], _at_own(area, edge)[:, 0]
    error = np.sqrt(sigma.astype(np.float64) ** 2 * pixels + np.maximum(total, 0.0) / electrons)
    return Petrosian(total, error, _half_light(flux, area, total))


def _growth(images: Singles, centre: Floats) -> tuple[Floats, Floats]:
    """Return (N, R) areas and fluxes within radii of 0, 1, 2 ... pixels."""
    n, size, _ = images.shape
    place = np.arange(size) - 0.5 * (size - 1)
    dx, dy = place - centre[:, :1], place - centre[:, 1:]
    radius = np.sqrt((dy**2)[:, :, None] + (dx**2)[:, None, :]).reshape(-1)
    most = size
    # A pixel is spread evenly over half a pixel to both sides of its centre's radius.
    shifted = radius + 0.5
    ring = np.minimum(shifted.astype(np.int64), most - 2)
    part = np.clip(shifted - ring, 0.0, 1.0)
    key = ring + np.repeat(np.arange(n) * most, size * size)
    pixels = images.reshape(-1).astype(np.float64)

    def rings(values: Floats | None, weight: Floats) -> Floats:
        # Of a pixel at radius + 0.5 = ring + part, the share `part` lies beyond radius `ring`.
        beyond = weight if values is None else weight * values
        whole = np.ones_like(weight) if values is None else values
        first = np.bincount(key, whole - beyond, n * most)
        second = np.bincount(key + 1, beyond, n * most + 1)[: n * most]
        return np.cumsum((first + second).reshape(n, most), axis=1)

    return rings(None, part), rings(pixels, part)


def _at(growth: Floats, radii: Floats) -> Floats:
    """Interpolate (N, R) growth curves at the same radii (T,) for all: (N, T)."""
    index = np.minimum(radii.astype(np.int64), growth.shape[1] - 2)
    part = radii - index
    result: Floats = growth[:, index] * (1.0 - part) + growth[:, index + 1] * part
    return result


def _at_own(growth: Floats, radii: Floats) -> Floats:
    """Interpolate (N, R) growth curves at radii of their own (N, T)."""
    index = np.minimum(radii.astype(np.int64), growth.shape[1] - 2)
    part = radii - index
    low = np.take_along_axis(growth, index, axis=1)
    result: Floats = low + part * (np.take_along_axis(growth, index + 1, axis=1) - low)
    return result


def _half_light(flux: Floats, area: Floats, total: Floats) -> Floats:
    """Return the radius of half the flux, in growth curves interpolated in area."""
    everyone = np.arange(len(total))
    reached = flux >= 0.5 * total[:, None]
    outer = np.maximum(np.where(reached.any(axis=1), reached.argmax(axis=1), 1), 1)
    low, high = flux[everyone, outer - 1], flux[everyone, outer]
    part = np.clip((0.5 * total - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    # Within a ring, light grows as area: interpolate the radius squared.
    squared = (outer - 1.0) ** 2 + part * (outer**2 - (outer - 1.0) ** 2)
    result: Floats = np.sqrt(squared)
    return result
