"""Filter curves on a grid of logarithmic wavelength, where a redshift is a shift by whole steps."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from rookery.extras import missing

Floats = NDArray[np.float64]

STEP = 0.002  # of ln(wavelength): 10 angstrom at 5000
# Rest-frame ultraviolet to beyond the reddest filter, in angstrom.
WAVELENGTH = np.exp(np.arange(np.log(1001.0), np.log(11600.0), STEP))
# c times the AB flux density of magnitude 0: f_lambda = _AB / wavelength^2, in erg/s/cm^2 angstrom.
_AB = 2.99792458e18 * 3.631e-20


@dataclass(frozen=True)
class Filters:
    """Photon-counting filters on the common grid."""

    response: Floats
    """(B, L) transmissions, any scale."""
    effective: Floats
    """(B,) effective wavelengths for a flat f_lambda, in angstrom."""

    @property
    def weights(self) -> Floats:
        """(B, L) weights w: a spectrum f_lambda (erg/s/cm^2/angstrom) has AB flux sum(w f).

        The AB flux is that of magnitude 0 for 1: the mean of the spectrum over that of the AB
        source, photons counted (both integrals are over wavelength^2 dln(wavelength)).
        """
        photons = self.response * WAVELENGTH**2
        return photons / (_AB * self.response.sum(axis=1, keepdims=True))


@cache
def load_filters(names: tuple[str, ...]) -> Filters:
    """Load filter curves that come with speclite, by their names there, such as ``lsst2016-g``.

    Raises
    ------
    InputError
        When the optional package is not installed.
    """
    speclite = optional_module("speclite.filters")
    curves = [speclite.load_filter(name) for name in names]
    return make_filters([(np.asarray(curve.wavelength), np.asarray(curve.response)) for curve in curves])


def make_filters(curves: Sequence[tuple[Floats, Floats]]) -> Filters:
    """Put curves (wavelengths in angstrom, transmission) on the common grid."""
    response = np.stack([np.interp(WAVELENGTH, *curve, left=0.0, right=0.0) for curve in curves])
    weight = response * WAVELENGTH**2
    return Filters(response, (weight * WAVELENGTH).sum(axis=1) / weight.sum(axis=1))


def optional_module(name: str) -> ModuleType:
    """Import a module of the extra `simulate`, whose absence is one clear error."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise missing("simulating", "simulate", error.name or name) from error
