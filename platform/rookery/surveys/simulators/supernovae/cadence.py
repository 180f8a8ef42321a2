"""When and how deep a simulated survey looks: fields, nights, bands and noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.observations import place_in_group

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ZERO_POINT = 27.5
_NEW_MOON, _SYNODIC = 51550.26, 29.530589  # MJD of the new moon of 2000 January 6, and days


@dataclass(frozen=True)
class Field:
    """One season of one field."""

    ra: float
    dec: float
    """Centre in degrees."""
    radius: float
    """Of the field of view, degrees."""
    mwebv: float
    """Typical Galactic E(B-V)."""
    season: tuple[float, float]
    """First and last MJD."""
    mjd: Floats
    band_index: Indices
    sky: Floats
    shot: Floats
    """(V,) visits: date, band, standard deviation of the background in FLUXCAL, and variance per
    unit of flux."""


class Cadence:
    """The visits of all fields in one table; field `f` owns visits ``offsets[f]:offsets[f + 1]``."""

    def __init__(self, fields: Sequence[Field], floor: float) -> None:
        """Join fields; `floor` is the relative error that no flux falls below."""
        self.fields = tuple(fields)
        self.floor = floor
        self.offsets = np.cumsum([0, *(len(field.mjd) for field in fields)])
        self.mjd, self.band_index, self.sky, self.shot = (
            np.concatenate([getattr(field, name) for field in fields])
            for name in ("mjd", "band_index", "sky", "shot")
        )
        self.mwebv = np.array([field.mwebv for field in fields])
        self.seasons = np.array([field.season for field in fields])

    def visits(self, field: Indices) -> tuple[Indices, Indices]:
        """Return (owner, visit): for objects in the given fields, one pair per observation."""
        counts = np.diff(self.offsets)[field]
        owner = np.repeat(np.arange(len(field)), counts)
        return owner, self.offsets[field][owner] + place_in_group(counts)

    def flux_error(self, visit: Indices, flux: Floats) -> Floats:
        """Return the standard deviation of a measured flux: background, photons and calibration."""
        photons = self.shot[visit] * np.maximum(flux, 0.0)
        return np.sqrt(self.sky[visit] ** 2 + photons + (self.floor * flux) ** 2)

    def deepest(self, band: int, quantile: float) -> float:
        """Return a quantile of the background's standard deviation in a band, infinite without visits."""
        seen = self.sky[self.band_index == band]
        return float(np.quantile(seen, quantile)) if len(seen) else np.inf

    def positions(self, field: Indices, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw right ascension and declination in degrees, uniform over each object's field."""
        ra, dec, radius = (
            np.array([getattr(one, name) for one in self.fields])[field] for name in ("ra", "dec", "radius")
        )
        distance = radius * np.sqrt(generator.uniform(size=len(field)))
        angle = generator.uniform(0.0, 2.0 * np.pi, len(field))
        dec = dec + distance * np.sin(angle)
        return (ra + distance * np.cos(angle) / np.cos(np.radians(dec))) % 360.0, dec


def darkness(mjd: Floats) -> Floats:
    """Return 1 at new moon, 0 at full moon, linear in time between."""
    return np.abs(2.0 * ((mjd - _NEW_MOON) / _SYNODIC % 1.0) - 1.0)


def clear_nights(
    season: tuple[float, float], closing: float, opening: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw the weather of a season's nights, which comes in spells.

    Parameters
    ----------
    closing, opening
        Chance that bad weather begins after a clear night, and that it ends after a bad one.
    """
    chance = generator.uniform(size=int(season[1] - season[0]) + 1)
    clear = np.ones(len(chance), dtype=bool)
    for night in range(1, len(chance)):
        clear[night] = chance[night] >= closing if clear[night - 1] else chance[night] < opening
    return clear


def depth_noise(depth: Floats) -> tuple[Floats, Floats]:
    """Return background and shot terms for five-sigma point-source depths (AB magnitudes).

    Ivezic et al. (2019, ApJ 873, 111), equation 5: sigma^2 = (0.04 - gamma) x + gamma x^2 with
    x = limiting flux / flux and gamma = 0.039, written for fluxes.
    """
    limit = 10.0 ** (0.4 * (ZERO_POINT - depth))
    return np.sqrt(0.039) * limit, 0.001 * limit
