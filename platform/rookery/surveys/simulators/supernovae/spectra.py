"""Rest-frame spectra of supernovae: a template surface for type Ia, analytic ones for the others.

A surface is a sequence of spectra along one coordinate: days since maximum for type Ia, the
logarithm of the colour temperature for the others. Numbers marked "chosen" were picked by hand
after typical spectra of each type; nothing was fitted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.filters import WAVELENGTH, optional_module

Floats = NDArray[np.float64]

REFERENCE = 5500.0  # angstrom: analytic spectra are 1 there before their lines, and their light curves hold
_HC_OVER_K = 1.438776877e8  # angstrom kelvin, second radiation constant (CODATA)
_WARM, _COOL = 9500.0, 6000.0  # kelvin: lines grow between these temperatures; chosen


@dataclass(frozen=True)
class Surface:
    """Spectra along a coordinate, in as many variants as a second coordinate has values."""

    coordinate: Floats
    """(R,) evenly spaced."""
    variants: Floats
    """(V,) evenly spaced values of the second coordinate; one value where there is none."""
    spectrum: Floats
    """(R, V, L) f_lambda at ``WAVELENGTH``, in any unit."""


@dataclass(frozen=True)
class Line:
    """A broad feature: the spectrum is multiplied by 1 + height exp(-(offset / width)^2 / 2) when cool."""

    centre: float
    """Angstrom."""
    width: float
    """Standard deviation, angstrom."""
    height: float
    """Above 0 for emission, below for absorption, at least -1."""


@dataclass(frozen=True)
class AnalyticSpectrum:
    """A black body, its ultraviolet swallowed by lines, with broad features that grow as it cools."""

    blanketing: float
    """Wavelength in angstrom below which a cool atmosphere's lines swallow the light; chosen."""
    lines: tuple[Line, ...]
    """Features at cool temperatures; chosen."""


_CALCIUM = (Line(3830.0, 90.0, -0.35), Line(8350.0, 110.0, -0.25), Line(8620.0, 130.0, 0.30))
_IRON = (Line(4950.0, 110.0, -0.18), Line(4400.0, 90.0, -0.15))
_H_ALPHA = (Line(6390.0, 80.0, -0.18), Line(6570.0, 90.0, 0.55), Line(4800.0, 60.0, -0.15))
_STRIPPED = (Line(4150.0, 110.0, -0.30), Line(4600.0, 120.0, 0.12), Line(4950.0, 120.0, -0.28))
_HELIUM = (Line(5700.0, 90.0, -0.22), Line(6900.0, 90.0, -0.12))
_OXYGEN = (Line(6150.0, 100.0, -0.15), Line(7500.0, 120.0, -0.22))  # and silicon
SPECTRA = {
    "IIP": AnalyticSpectrum(3300.0, (*_CALCIUM, *_IRON, *_H_ALPHA)),
    "IIL": AnalyticSpectrum(3200.0, (*_IRON, *_H_ALPHA)),
    "IIn": AnalyticSpectrum(2700.0, (Line(6563.0, 45.0, 1.2), Line(4861.0, 35.0, 0.3))),
    "Ib": AnalyticSpectrum(3800.0, (*_CALCIUM, *_STRIPPED, *_HELIUM)),
    "Ic": AnalyticSpectrum(3900.0, (*_CALCIUM, *_STRIPPED, *_OXYGEN)),
    "SLSN": AnalyticSpectrum(2800.0, (*_CALCIUM, *_STRIPPED, *_OXYGEN)),
}

_LOG_TEMPERATURE = np.linspace(np.log(3200.0), np.log(32000.0), 47)
_BLANKETING = np.linspace(-1.0, 1.0, 7)


def hsiao_surface() -> Surface:
    """Return type Ia, a day a row: Hsiao et al. (2007, ApJ 663, 1187), as sncosmo bundles it.

    The bundled ``hsiao-subsampled`` has 22 epochs from -20 to 85 days and steps of 50 angstrom;
    sncosmo interpolates it by cubic splines, whose small negative values become 0. Nothing is downloaded.

    Raises
    ------
    InputError
        When the optional package is not installed.
    """
    source = optional_module("sncosmo").get_source("hsiao-subsampled")
    phase = np.arange(source.minphase(), source.maxphase() + 0.5)
    spectrum = np.maximum(source.flux(phase, WAVELENGTH), 0.0)
    return Surface(phase, np.zeros(1), spectrum[:, None, :])


def analytic_surface(model: AnalyticSpectrum) -> Surface:
    """Return the spectra of an analytic model at temperatures from 3,200 to 32,000 K.

    The second coordinate moves the blanketing wavelength: by its value times 300 angstrom.
    """
    temperature = np.exp(_LOG_TEMPERATURE)[:, None, None]
    spectrum = analytic_spectrum(model, temperature, _BLANKETING[None, :, None], WAVELENGTH)
    return Surface(_LOG_TEMPERATURE, _BLANKETING, spectrum)


def analytic_spectrum(
    model: AnalyticSpectrum, temperature: Floats, blanketing: Floats, wavelength: Floats
) -> Floats:
    """Return f_lambda, relative to a pure black body's at `REFERENCE`; the arguments broadcast.

    Parameters
    ----------
    temperature
        Colour temperature, kelvin.
    blanketing
        Offset of the blanketing wavelength, in units of 300 angstrom.
    wavelength
        Rest-frame wavelengths, angstrom.
    """
    cool = 1.0 / (1.0 + np.exp((temperature - 0.5 * (_WARM + _COOL)) / (0.25 * (_WARM - _COOL))))
    spectrum = _planck(wavelength, temperature) / _planck(np.float64(REFERENCE), temperature)
    # The hotter the atmosphere, the bluer the light that still escapes; slope and floor chosen.
    edge = model.blanketing + 300.0 * blanketing - 700.0 * (1.0 - cool)
    spectrum = spectrum * (0.05 + 0.95 / (1.0 + np.exp(-(wavelength - edge) / 220.0)))
    for line in model.lines:
        spectrum = spectrum * (
            1.0 + line.height * cool * np.exp(-0.5 * ((wavelength - line.centre) / line.width) ** 2)
        )
    return spectrum


def _planck(wavelength: Floats | np.float64, temperature: Floats) -> Floats:
    """Return Planck's B_lambda up to a constant."""
    return wavelength**-5.0 / np.expm1(_HC_OVER_K / (wavelength * temperature))
