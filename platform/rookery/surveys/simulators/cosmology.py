"""Distances, volumes and rates in one flat cosmology."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HUBBLE = 70.0  # km/s/Mpc; chosen, and the value for which the luminosity functions hold
OMEGA_MATTER = 0.3  # flat; chosen
LIGHT_SPEED = 299792.458  # km/s
_MAX_REDSHIFT = 3.0


def distance_modulus(redshift: Floats) -> Floats:
    """Return 5 log10(luminosity distance / 10 pc)."""
    grid, comoving = _comoving_grid()
    return 5.0 * np.log10((1.0 + redshift) * np.interp(redshift, grid, comoving)) + 25.0


def rate_per_year(rate: float, evolution: float, redshift_range: tuple[float, float]) -> float:
    """Return how many supernovae explode per observer's year in a redshift range of the whole sky.

    Parameters
    ----------
    rate
        Volumetric rate today, per year and comoving Mpc^3.
    evolution
        Exponent of (1 + z) in the rate.
    redshift_range
        Least and largest redshift.
    """
    return float(rate * 4.0 * np.pi * _cumulative(evolution, redshift_range)[1][-1])


def draw_redshift(
    evolution: float, redshift_range: tuple[float, float], number: int, generator: np.random.Generator
) -> Floats:
    """Draw redshifts in proportion to comoving volume, rate and time dilation."""
    grid, cumulative = _cumulative(evolution, redshift_range)
    return np.interp(generator.uniform(size=number), cumulative / cumulative[-1], grid)


def _cumulative(evolution: float, redshift_range: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return redshifts, and the integral of D^2 dD/dz (1 + z)^(evolution - 1) up to them."""
    distances, comoving = _comoving_grid()
    grid = np.linspace(*redshift_range, 2001)
    distance = np.interp(grid, distances, comoving)
    density = distance**2 * (LIGHT_SPEED / HUBBLE) / _expansion(grid) * (1.0 + grid) ** (evolution - 1.0)
    return grid, _integral(density, grid)


@cache
def _comoving_grid() -> tuple[Floats, Floats]:
    """Return redshifts and comoving distances in Mpc."""
    grid = np.linspace(0.0, _MAX_REDSHIFT, 6001)
    return grid, LIGHT_SPEED / HUBBLE * _integral(1.0 / _expansion(grid), grid)


def _expansion(redshift: Floats) -> Floats:
    return np.sqrt(OMEGA_MATTER * (1.0 + redshift) ** 3 + 1.0 - OMEGA_MATTER)


def _integral(values: Floats, grid: Floats) -> Floats:
    """Return the running integral by the trapezoidal rule, from 0."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(grid))])
