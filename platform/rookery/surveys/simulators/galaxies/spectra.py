"""Spectra of galaxies, and their magnitudes through the filters in a table over type, redshift and dust.

The spectra are those of Coleman, Wu & Weedman (1980) for an elliptical, an Sbc, an Scd and an
irregular, extended by Bolzonella et al. (2000), as galsim bundles them. Only its files are read:
nothing of galsim is imported.
"""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.extras import missing
from rookery.surveys.simulators.filters import STEP, WAVELENGTH, Filters, load_filters
from rookery_ensembles.errors import fail

Floats = NDArray[np.float64]

BANDS = ("u", "g", "r", "i", "z")
FILTERS = tuple(f"sdss2010-{band}" for band in BANDS)
TEMPLATES = ("CWW_E_ext", "CWW_Sbc_ext", "CWW_Scd_ext", "CWW_Im_ext")  # types 0, 1, 2 and 3
LATEST = float(len(TEMPLATES) - 1)
_TYPES_PER_TEMPLATE = 8  # nodes of the continuous type between two templates
_DUST_NODES = np.array([0.0, 0.35, 0.7, 1.4, 2.8])  # A_V
_NORMAL = 5500.0  # angstrom, where templates have equal f_lambda before they are mixed
# The elliptical is mended as photometric redshift codes mend templates: as it is, its g - r is up to
# 0.2 redder at redshift 0.2 than SDSS's red sequence. Brighter by a Gaussian in ln(wavelength):
# centre (angstrom), width, height (magnitudes); chosen.
_MENDED = (3850.0, 0.13, 0.20)


@dataclass(frozen=True)
class MagnitudeTable:
    """AB magnitudes of the continuous sequence of spectra."""

    values: Floats
    """(T, A, Z, B) magnitudes of spectra of rest-frame r = 0 (before dust), redshifted; distance
    is not in them, the (1 + z) of the bandwidth is, so that they are K-corrections."""
    types: Floats
    dust: Floats
    """(T,) nodes of the type, evenly spaced, and (A,) nodes of A_V."""
    effective: Floats
    """(B,) effective wavelengths in angstrom."""

    def magnitudes(self, kind: Floats, redshift: Floats, dust: Floats) -> Floats:
        """Return (M, B) apparent magnitudes at distance modulus 0, interpolated linearly.

        `kind` runs from 0 (elliptical) to 3 (irregular); `dust` is A_V of a screen. All are (M,);
        values outside the table take its edges.
        """
        node = np.clip(kind / (self.types[1] - self.types[0]), 0.0, len(self.types) - 1.000001)
        shift = np.clip(np.log1p(redshift) / STEP, 0.0, self.values.shape[2] - 1.000001)
        column = np.clip(np.searchsorted(self.dust, dust, side="right") - 1, 0, len(self.dust) - 2)
        part = np.clip((dust - self.dust[column]) / np.diff(self.dust)[column], 0.0, 1.0)
        row, depth = node.astype(np.int64), shift.astype(np.int64)
        total = np.zeros((len(row), self.values.shape[3]))
        for i, wi in ((0, 1.0 - (node - row)), (1, node - row)):
            for j, wj in ((0, 1.0 - part), (1, part)):
                for k, wk in ((0, 1.0 - (shift - depth)), (1, shift - depth)):
                    total += (wi * wj * wk)[:, None] * self.values[row + i, column + j, depth + k]
        return total


@cache
def load_table(highest: float = 0.62) -> MagnitudeTable:
    """Integrate the sequence through SDSS filters at redshifts from 0 to `highest`.

    Raises
    ------
    InputError
        When galsim or speclite is not installed.
    """
    filters = load_filters(FILTERS)
    types, spectra = sequence()
    n_shifts = int(np.ceil(np.log1p(highest) / STEP)) + 2
    dimmed = spectra[:, None] * 10.0 ** (-0.4 * _DUST_NODES[:, None] * attenuation(WAVELENGTH))
    fluxes = np.stack([observed_flux(dimmed, filters, shift) for shift in range(n_shifts)], axis=2)
    rest_r = -2.5 * np.log10(fluxes[:, 0, 0, BANDS.index("r")])
    return MagnitudeTable(
        -2.5 * np.log10(fluxes) - rest_r[:, None, None, None], types, _DUST_NODES, filters.effective
    )


def check_packages() -> None:
    """Refuse to begin where a package of the extra `simulate` is not installed, without loading it.

    Raises
    ------
    InputError
        When galsim or speclite is not installed.
    """
    for name in ("galsim", "speclite"):
        if importlib.util.find_spec(name) is None:
            raise missing("simulating galaxies", "simulate", name)


def observed_flux(spectra: Floats, filters: Filters, shift: int) -> Floats:
    """Return (..., B) AB fluxes of spectra (..., L) redshifted by ln(1 + z) = `shift` x STEP."""
    # f_observed(wavelength) = f_rest(wavelength / (1 + z)) / (1 + z)
    size = spectra.shape[-1]
    weights = filters.weights[:, shift:] * np.exp(-shift * STEP)
    result: Floats = spectra[..., : size - shift] @ weights.T
    return result


@cache
def sequence() -> tuple[Floats, Floats]:
    """Return (T,) types from 0 to 3 and (T, L) spectra f_lambda: neighbours mixed in magnitude."""
    templates = np.stack([_read(name) for name in TEMPLATES])
    types = np.linspace(0.0, LATEST, int(LATEST) * _TYPES_PER_TEMPLATE + 1)
    lower = np.minimum(types.astype(np.int64), len(TEMPLATES) - 2)
    weight = (types - lower)[:, None]
    logs = np.log(np.maximum(templates, 1e-6))
    return types, np.exp((1.0 - weight) * logs[lower] + weight * logs[lower + 1])


def attenuation(wavelength: Floats) -> Floats:
    """Return A(wavelength) / A_V of Calzetti et al. (2000), R_V = 4.05; wavelengths in angstrom.

    Their formulas hold from 1200 to 22,000 angstrom; below 1200 the value there is taken.
    """
    inverse = 1e4 / np.clip(wavelength, 1200.0, 22000.0)
    blue = -2.156 + 1.509 * inverse - 0.198 * inverse**2 + 0.011 * inverse**3
    red = -1.857 + 1.040 * inverse
    return (2.659 * np.where(inverse > 1.0 / 0.63, blue, red) + 4.05) / 4.05


def _read(name: str) -> Floats:
    """Read a template onto the common grid, f_lambda with 1 at 5500 angstrom."""
    path = _folder() / f"{name}.sed"
    try:
        wavelength, flux = np.loadtxt(path, unpack=True)
    except (OSError, ValueError) as error:
        raise fail(path, f"cannot be read as a spectrum of two columns ({error})") from error
    values = np.interp(WAVELENGTH, wavelength, flux)
    if name == TEMPLATES[0]:
        centre, width, height = _MENDED
        values *= 10.0 ** (0.4 * height * np.exp(-0.5 * (np.log(WAVELENGTH / centre) / width) ** 2))
    return values / np.interp(_NORMAL, wavelength, flux)


def _folder() -> Path:
    check_packages()
    found = importlib.util.find_spec("galsim")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "share" / "SEDs"
