"""Parametric supernovae: populations of rest-frame light curves and the fluxes that a survey would see.

A supernova is a black body whose blue (4400 A) luminosity follows a rise and a decline and whose
temperature falls, dimmed in the ultraviolet by line blanketing, by host and Galactic dust, and by
distance. The K-correction is exact for that spectrum: every band is evaluated at its wavelength
divided by 1 + z. "chosen" marks numbers picked by hand for plausible light curves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BANDS = ("g", "r", "i", "z")
# Near the effective wavelengths of DECam's griz, in angstrom; chosen (a narrow-band approximation).
WAVELENGTHS = np.array([4800.0, 6400.0, 7850.0, 9200.0])
ZERO_POINT = 27.5
_REFERENCE = 4400.0  # angstrom, Johnson B, in which the luminosity functions are given
_HC_OVER_K = 1.438776877e8  # angstrom kelvin, second radiation constant (CODATA)
_HUBBLE_DISTANCE = 299792.458 / 70.0  # Mpc, for H0 = 70 km/s/Mpc; chosen
_OMEGA_MATTER = 0.3  # flat; chosen
REDSHIFT_RANGE = (0.02, 1.2)  # chosen: about the range of the classification challenge's objects


@dataclass(frozen=True)
class TypeModel:
    """Population of one type: means, and scatters where a second number stands."""

    share: float
    """Fraction of the detected sample."""
    magnitude: tuple[float, float]
    """Peak absolute AB magnitude at 4400 A."""
    rise: tuple[float, float]
    """Rise time constant in rest-frame days, and its relative scatter."""
    decline: tuple[float, float]
    """Decline time constant in rest-frame days, and its relative scatter."""
    temperatures: tuple[float, float]
    """Colour temperature at the start and at late times, kelvin."""
    cooling: float
    """Time constant of the cooling, rest-frame days."""
    blanketing: float
    """Wavelength in angstrom below which lines swallow the light."""
    plateau: float = 0.0
    """Length of a plateau in rest-frame days; 0 for none."""
    rate_evolution: float = 0.0
    """Exponent of (1 + z) in the volumetric rate."""
    second_peak: float = 0.0
    """Height of a second near-infrared maximum, relative to the light at that time."""
    dust: float = 0.3
    """Mean of the exponential distribution of host extinction A_V, magnitudes."""


# Magnitudes: Richardson et al. 2014 (AJ 147, 118; bias-corrected M_B; Ia and IIP as in its abstract,
# the others recalled, not checked), the scatter cut to 0.8 so that the detected samples overlap.
# Rates: Ia (1+z)^1.5 (Dilday et al. 2008, recalled), core collapse (1+z)^3.6 (Hopkins & Beacom 2006
# star formation, recalled). A_V of Ia: 0.25 as in the challenge's simulation (SIM_AVTAU). Shares,
# times and temperatures: chosen, after typical light curves of each type.
TYPES: dict[str, TypeModel] = {
    "Ia": TypeModel(
        0.32, (-19.25, 0.15), (3.6, 0.10), (19.0, 0.10), (17000.0, 5000.0), 20.0, 3400.0,
        rate_evolution=1.5, second_peak=0.9, dust=0.25,
    ),
    "IIP": TypeModel(
        0.38, (-16.75, 0.80), (1.8, 0.3), (170.0, 0.3), (16000.0, 5600.0), 16.0, 3000.0,
        plateau=85.0, rate_evolution=3.6,
    ),
    "IIL": TypeModel(
        0.05, (-17.98, 0.80), (2.0, 0.25), (42.0, 0.2), (14000.0, 5800.0), 16.0, 2900.0, rate_evolution=3.6
    ),
    "IIn": TypeModel(
        0.11, (-18.53, 0.80), (6.0, 0.35), (60.0, 0.35), (13000.0, 6500.0), 45.0, 2600.0, rate_evolution=3.6
    ),
    "Ib": TypeModel(
        0.07, (-17.45, 0.80), (4.8, 0.15), (28.0, 0.15), (8500.0, 4400.0), 17.0, 3900.0, rate_evolution=3.6
    ),
    "Ic": TypeModel(
        0.07, (-17.66, 0.80), (3.0, 0.15), (14.0, 0.15), (9000.0, 4400.0), 15.0, 3900.0, rate_evolution=3.6
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Population:
    """Drawn parameters, one entry per supernova: (N,) arrays, in the units of :class:`TypeModel`."""

    redshift: Floats
    magnitude: Floats
    rise: Floats
    decline: Floats
    hot: Floats
    cold: Floats
    cooling: Floats
    blanketing: Floats
    plateau: Floats
    second_peak: Floats
    tilt: Floats
    host_av: Floats
    mwebv: Floats

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the population of the given rows, in their order, repeats allowed."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def concatenated(cls, parts: Sequence["Population"]) -> Self:
        """Return several populations as one, in their order."""
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            }
        )


def draw_population(model: TypeModel, mwebv: Floats, generator: np.random.Generator) -> Population:
    """Draw one supernova of a type for each entry of `mwebv`, its Galactic reddening E(B-V)."""
    number = len(mwebv)
    width = generator.normal(size=number)  # one number widens rise and decline together
    rise = model.rise[0] * np.exp(model.rise[1] * width)
    decline = model.decline[0] * np.exp(
        model.decline[1] * (0.8 * width + 0.6 * generator.normal(size=number))
    )
    decline = np.maximum(decline, 2.5 * rise)  # the maximum of the light curve must exist
    # Broader type Ia are brighter: 1.5 mag per unit of stretch (Guy et al. 2005, recalled).
    brighter = 1.5 * model.rise[1] * width if model.second_peak > 0.5 else 0.0
    return Population(
        redshift=_draw_redshift(model.rate_evolution, number, generator),
        magnitude=generator.normal(*model.magnitude, size=number) - brighter,
        rise=rise,
        decline=decline,
        hot=model.temperatures[0] * np.exp(0.05 * generator.normal(size=number)),  # scatters: chosen
        cold=model.temperatures[1] * np.exp(0.04 * generator.normal(size=number)),
        cooling=model.cooling * np.exp(0.10 * generator.normal(size=number)),
        blanketing=model.blanketing + 60.0 * generator.normal(size=number),
        plateau=model.plateau * np.exp(0.15 * generator.normal(size=number)),
        second_peak=model.second_peak * np.exp(0.3 * generator.normal(size=number)),
        tilt=0.08 * generator.normal(size=number),
        host_av=generator.exponential(model.dust, size=number),
        mwebv=mwebv,
    )


def flux(supernova: Population, phase: Floats, wavelength: Floats) -> Floats:
    """Return noiseless observed fluxes (FLUXCAL, zero point 27.5).

    Parameters
    ----------
    supernova
        (N,) parameters, one entry per observation.
    phase
        (N,) observer-frame days since the maximum of the blue light.
    wavelength
        (N,) observed wavelengths in angstrom.
    """
    stretch = 1.0 + supernova.redshift
    rest = wavelength / stretch
    time = phase / stretch
    age = np.maximum(time + 5.0 * supernova.rise, 0.0)
    temperature = supernova.cold + (supernova.hot - supernova.cold) * np.exp(-age / supernova.cooling)
    spectrum = _black_body(rest, temperature) / _black_body(np.full_like(rest, _REFERENCE), temperature)
    spectrum *= (rest / _REFERENCE) ** supernova.tilt * _logistic((rest - supernova.blanketing) / 180.0)
    magnitude = supernova.magnitude + distance_modulus(supernova.redshift)
    magnitude = magnitude + supernova.host_av * _dust(rest) + 3.1 * supernova.mwebv * _dust(wavelength)
    brightness = 10.0 ** (0.4 * (ZERO_POINT - magnitude)) * stretch
    return brightness * _light_curve(supernova, time, rest) * spectrum


def distance_modulus(redshift: Floats) -> Floats:
    """Return 5 log10(luminosity distance / 10 pc) in the flat cosmology of this module."""
    grid, comoving = _comoving_grid()
    distance = (1.0 + redshift) * np.interp(redshift, grid, comoving)
    return 5.0 * np.log10(distance) + 25.0


def _light_curve(supernova: Population, time: Floats, rest: Floats) -> Floats:
    """Return the relative blue light at rest-frame days from its maximum (Bazin et al. 2009, equation 1)."""
    rise, decline = supernova.rise, supernova.decline
    peak = rise * np.log(decline / rise - 1.0)
    light = np.exp(-time / decline) * _logistic((time + peak) / rise) / _logistic(peak / rise)
    # After a plateau a tenth remains; after that, and for all types, cobalt's decay (111 d).
    ends = np.where(supernova.plateau > 0, 0.1 + 0.9 * _logistic((supernova.plateau - time) / 4.0), 1.0)
    tail = 0.03 * np.exp(-np.maximum(time, 0.0) / 111.0) * _logistic((time - 30.0) / 5.0)
    bump = (
        supernova.second_peak
        * np.exp(-0.5 * ((time - 7.0 * rise) / 6.0) ** 2)
        * _logistic((rest - 6500.0) / 300.0)
    )
    return (light * ends + tail) * (1.0 + bump)


def _draw_redshift(evolution: float, number: int, generator: np.random.Generator) -> Floats:
    """Draw redshifts in proportion to volume, rate and time dilation."""
    grid, comoving = _comoving_grid()
    keep = (grid >= REDSHIFT_RANGE[0]) & (grid <= REDSHIFT_RANGE[1])
    density = comoving**2 * np.gradient(comoving, grid) * (1.0 + grid) ** (evolution - 1.0)
    cumulative = np.cumsum(np.where(keep, density, 0.0))
    return np.interp(generator.uniform(size=number), cumulative / cumulative[-1], grid)


def _comoving_grid() -> tuple[Floats, Floats]:
    """Return redshifts and comoving distances in Mpc."""
    grid = np.linspace(0.0, REDSHIFT_RANGE[1] + 0.01, 1000)
    rate = 1.0 / np.sqrt(_OMEGA_MATTER * (1.0 + grid) ** 3 + 1.0 - _OMEGA_MATTER)
    steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(grid)
    return grid, _HUBBLE_DISTANCE * np.concatenate([[0.0], np.cumsum(steps)])


def _black_body(wavelength: Floats, temperature: Floats) -> Floats:
    """Return Planck's B_nu up to a constant."""
    return wavelength**-3.0 / np.expm1(_HC_OVER_K / (wavelength * temperature))


def _dust(wavelength: Floats) -> Floats:
    """Return A(wavelength) / A_V: a power law of index -1.2, near the Galactic optical curve; chosen."""
    return (wavelength / 5500.0) ** -1.2


def _logistic(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
