"""Magnitudes as catalogues write them -> AB magnitudes with errors; Galactic extinction."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.readers._flux_units import ZERO_POINTS as AB
from rookery_ensembles.errors import fail

# Linear units: AB magnitude of flux 1.
ZERO_POINTS = {
    "maggy": AB["maggy"], "nanomaggy": AB["nanomaggy"], "microjansky": AB["uJy"], "nanojansky": AB["nJy"],
}  # fmt: skip
UNITS = ("ab", "asinh", *ZERO_POINTS)
# Softening b of SDSS's asinh magnitudes: Stoughton et al. 2002, AJ 123, 485, table 21.
SDSS_SOFTENING = {"u": 1.4e-10, "g": 0.9e-10, "r": 1.2e-10, "i": 1.8e-10, "z": 7.4e-10}
# A_band / E(B-V) for SDSS and R_V = 3.1, E(B-V) on the scale of Schlegel, Finkbeiner & Davis (1998):
# Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6.
SDSS_EXTINCTION = {"u": 4.239, "g": 3.303, "r": 2.285, "i": 1.698, "z": 1.263}
_POGSON = 2.5 / np.log(10.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Photometry:
    """How to read the magnitudes of one catalogue.

    Raises
    ------
    InputError
        For an unknown unit, or a softening or coefficient that is no positive number.
    """

    unit: str | Mapping[str, str] | None = None
    """Unit of all bands, or of each: one of ``UNITS``; by default AB, and nanomaggies for fluxes."""
    softening: Mapping[str, float] | None = None
    """Softening b of each band's asinh magnitudes; SDSS's are known."""
    offsets: Mapping[str, float] | None = None
    """Magnitudes to add to a band, such as SDSS's own u_AB = u - 0.04 and z_AB = z + 0.02."""
    deredden: bool = False
    """Whether to correct magnitudes for Galactic extinction, from the role `mwebv`."""
    extinction: Mapping[str, float] | None = None
    """A_band / E(B-V) of each band; SDSS's are known (Schlafly & Finkbeiner 2011)."""

    def __post_init__(self) -> None:
        units = [self.unit] if isinstance(self.unit, str) else list((self.unit or {}).values())
        for unit in units:
            if unit not in UNITS:
                raise fail("unit", f"must be one of {', '.join(UNITS)}, but is {unit!r}")
        for name, values in (("softening", self.softening), ("extinction", self.extinction)):
            for band, value in (values or {}).items():
                if not (np.isfinite(value) and value > 0):
                    raise fail(f"{name} of band {band!r}", f"must be a positive number, but is {value!r}")
        for band, value in (self.offsets or {}).items():
            if not np.isfinite(value):
                raise fail(f"offset of band {band!r}", f"must be a finite number, but is {value!r}")

    def unit_of(self, band: str, *, is_flux: bool) -> str:
        """Return the unit of a band whose column plays the role of a flux, or of a magnitude."""
        given = self.unit if isinstance(self.unit, str) else (self.unit or {}).get(band)
        unit = given or ("nanomaggy" if is_flux else "ab")
        if is_flux and unit not in ZERO_POINTS:
            rule = f"its unit must be one of fluxes ({', '.join(ZERO_POINTS)}), but is {unit!r}"
            raise fail(f"role flux_{band}", rule)
        if unit == "asinh" and band not in {**SDSS_SOFTENING, **(self.softening or {})}:
            known = ", ".join(SDSS_SOFTENING)
            raise fail(f"band {band!r}", f"has no softening for asinh magnitudes; known are those of {known}")
        return unit

    def to_ab(
        self, band: str, value: Floats, error: Floats | None, *, unit: str
    ) -> tuple[Floats, Floats | None]:
        """Return AB magnitudes and errors; NaN where the flux is not positive or the value is missing.

        asinh magnitudes after Lupton, Gunn & Szalay 1999 (AJ 118, 1406), equation 3:
        f / f0 = 2 b sinh(-m ln(10) / 2.5 - ln b), with f0 = 3631 Jy.
        """
        offset = (self.offsets or {}).get(band, 0.0)
        if unit == "ab":
            return value + offset, error
        with np.errstate(all="ignore"):
            if unit == "asinh":
                soft = {**SDSS_SOFTENING, **(self.softening or {})}[band]
                flux = 2 * soft * np.sinh(-value / _POGSON - np.log(soft))
                flux_error = None if error is None else error / _POGSON * np.hypot(flux, 2 * soft)
                zero_point = 0.0
            else:
                flux, flux_error, zero_point = value, error, ZERO_POINTS[unit]
            magnitude = np.where(flux > 0, zero_point + offset - 2.5 * np.log10(flux), np.nan)
            if flux_error is None:
                return magnitude, None
            return magnitude, np.where(flux > 0, _POGSON * flux_error / flux, np.nan)

    def coefficient(self, band: str) -> float:
        """Return A_band / E(B-V).

        Raises
        ------
        InputError
            For a band whose coefficient is unknown.
        """
        known = {**SDSS_EXTINCTION, **(self.extinction or {})}
        if band not in known:
            rule = f"has no extinction coefficient; known are those of {', '.join(known)}"
            raise fail(f"band {band!r}", f"{rule}. Give it with --extinction {band}=NUMBER")
        return known[band]
