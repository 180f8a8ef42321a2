"""Redshifts and luminosities of a flux-limited sample: luminosity functions by type, times volume."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.cosmology import HUBBLE, LIGHT_SPEED, OMEGA_MATTER, distance_modulus
from rookery.surveys.simulators.galaxies.spectra import load_table

Floats = NDArray[np.float64]

REDSHIFTS = (0.005, 0.4)
_MAGNITUDES = np.linspace(-24.5, -14.5, 2001)
# Brightening with redshift, in magnitudes per unit: near the 1.6 of Blanton et al. (2003); rounded.
EVOLUTION = 1.5


@dataclass(frozen=True)
class Schechter:
    """A luminosity function in rest-frame r: M*, faint-end slope, phi* per Mpc^3 (H0 = 70).

    `kind` is the spectral type whose K-correction says how faint one must look.
    """

    bright: float
    """M*, rest-frame r."""
    slope: float
    """At the faint end."""
    density: float
    """phi* per Mpc^3 (H0 = 70)."""
    kind: float
    """Spectral type whose K-correction says how faint one must look."""

    def numbers(self) -> Floats:
        """Return the density brighter than each magnitude of the grid, per Mpc^3."""
        ratio = 10.0 ** (-0.4 * (_MAGNITUDES - self.bright))
        density = 0.4 * np.log(10.0) * self.density * ratio ** (self.slope + 1.0) * np.exp(-ratio)
        steps = 0.5 * (density[1:] + density[:-1]) * np.diff(_MAGNITUDES)
        return np.concatenate([[0.0], np.cumsum(steps)])


# Baldry et al. (2004), red and blue galaxies (recalled); the blue M* is 0.4 brighter than theirs, and
# the red one 0.1 fainter, since types are structure here and luminous spirals count as blue (chosen).
RED = Schechter(bright=-21.39, slope=-0.83, density=2.25e-3, kind=0.2)
BLUE = Schechter(bright=-21.00, slope=-1.35, density=5.12e-3, kind=2.0)


def draw_luminosities(
    limit: float, n: int, generator: np.random.Generator
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Draw (N,) whether red, redshift and absolute r magnitude of galaxies that may pass `limit`.

    Some are fainter than the apparent magnitude `limit` once their own spectra and dust are known.
    """
    grid, numbers, faintest = _tables(limit)
    cumulative = np.cumsum(numbers.reshape(-1))
    cell = np.searchsorted(cumulative, generator.uniform(size=n) * cumulative[-1], side="right")
    red, place = np.divmod(np.minimum(cell, numbers.size - 1), numbers.shape[1])
    redshift = grid[place] + (grid[1] - grid[0]) * generator.uniform(-0.5, 0.5, n)
    redshift = np.clip(redshift, *REDSHIFTS)
    absolute = np.empty(n)
    share = generator.uniform(size=n)
    for number, function in enumerate((BLUE, RED)):
        own = red == number
        brighter = function.numbers()
        top = np.interp(np.interp(redshift[own], grid, faintest[number]), _MAGNITUDES, brighter)
        absolute[own] = np.interp(share[own] * top, brighter, _MAGNITUDES)
    return red == 1, redshift, absolute - EVOLUTION * redshift


@cache
def _tables(limit: float) -> tuple[Floats, Floats, Floats]:
    """Return redshifts (Z,), galaxies at each (2, Z) and the faintest absolute magnitude seen (2, Z)."""
    grid = np.linspace(*REDSHIFTS, 396)
    comoving = 10.0 ** (0.2 * (distance_modulus(grid) - 25.0)) / (1.0 + grid)
    expansion = np.sqrt(OMEGA_MATTER * (1.0 + grid) ** 3 + 1.0 - OMEGA_MATTER)
    volume = comoving**2 * LIGHT_SPEED / HUBBLE / expansion
    numbers, faintest = [], []
    for function in (BLUE, RED):
        kind = np.full(len(grid), function.kind)
        correction = load_table().magnitudes(kind, grid, np.zeros(len(grid)))[:, 2]
        # 0.1: spectra with smaller K-corrections than this type's.
        seen = limit + 0.1 - distance_modulus(grid) - correction + EVOLUTION * grid
        numbers.append(volume * np.interp(seen, _MAGNITUDES, function.numbers()))
        faintest.append(seen)
    return grid, np.stack(numbers), np.stack(faintest)
