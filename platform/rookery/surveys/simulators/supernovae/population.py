"""Who explodes: rates, luminosity functions, shapes, colours and dust of each type of supernova.

"Recalled" marks numbers from the literature that were written down from memory and not checked
against the paper; "chosen" marks numbers picked by hand for plausible light curves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.cosmology import draw_redshift, rate_per_year

Floats = NDArray[np.float64]

SUPERLUMINOUS = "SLSN"
KINDS = ("Ia", "IIP", "IIL", "IIn", "Ib", "Ic", SUPERLUMINOUS)
"""The last one explodes only where it is asked for."""

# Rates per year and comoving Mpc^3, with the exponent of (1 + z). Ia: Dilday et al. (2008), core
# collapse: the rate of the classification challenge (Kessler et al. 2010); both recalled.
IA_RATE, CORE_COLLAPSE_RATE = (2.6e-5, 1.5), (6.8e-5, 3.6)


@dataclass(frozen=True)
class CoreCollapse:
    """Population of one core-collapse type: means, and scatters where a second number stands."""

    fraction: float
    """Of core-collapse supernovae in a volume."""
    magnitude: tuple[float, float]
    """Peak absolute Vega magnitude in B without host dust; drawn within two standard deviations."""
    rise: tuple[float, float]
    """Time constant of the visual rise in rest-frame days, and its relative scatter."""
    decline: tuple[float, float]
    """Time constant of the visual decline in rest-frame days, and its relative scatter."""
    temperatures: tuple[float, float]
    """Colour temperature at the start and at late times, kelvin."""
    cooling: float
    """Time constant of the cooling, rest-frame days."""
    plateau: float = 0.0
    """Length of a plateau in rest-frame days; 0 for none."""
    dust: float = 0.3
    """Mean of the exponential distribution of host extinction A_V, magnitudes."""


# Fractions: Smartt et al. (2009), without the 5 % of IIb; magnitudes and their scatters: Richardson
# et al. (2014, AJ 147, 118), bias-corrected; both recalled. The scatters of Ib and Ic are cut from
# 1.12 and 1.18 to 0.9, since the bright broad-lined ones are not simulated. Dust of Ib and Ic: about
# Drout et al. (2011), recalled. Times, temperatures and the other dust: chosen.
CORE_COLLAPSE = {
    "IIP": CoreCollapse(0.587, (-16.75, 0.98), (1.8, 0.3), (170.0, 0.3), (16000.0, 5600.0), 16.0, 95.0),
    "IIL": CoreCollapse(0.027, (-17.98, 0.86), (2.0, 0.25), (42.0, 0.2), (14000.0, 5800.0), 16.0),
    "IIn": CoreCollapse(0.038, (-18.53, 1.36), (6.0, 0.35), (60.0, 0.35), (13000.0, 6500.0), 45.0),
    "Ib": CoreCollapse(0.098, (-17.45, 0.90), (4.8, 0.15), (23.0, 0.15), (12500.0, 4800.0), 17.0, dust=0.6),
    "Ic": CoreCollapse(0.195, (-17.66, 0.90), (3.0, 0.15), (17.0, 0.15), (10500.0, 4800.0), 15.0, dust=0.6),
    # One in a thousand core collapses (the rates of Quimby et al. 2013 and Prajs et al. 2017, recalled); the
    # magnitude, slow rise and decline, and high temperature are those of hydrogen-poor ones, rounded: chosen.
    SUPERLUMINOUS: CoreCollapse(
        0.001, (-21.3, 0.5), (11.0, 0.3), (42.0, 0.3), (15000.0, 6500.0), 45.0, dust=0.1
    ),
}

# Type Ia: the relation of Tripp (1998), M = M0 - alpha x1 + beta c + scatter, with an intrinsic
# colour and dust apart (Brout & Scolnic 2021); numbers recalled and rounded. M0 is for H0 = 70.
IA_MAGNITUDE, IA_SCATTER = -19.36, 0.08
ALPHA, BETA = 0.14, 2.0
IA_COLOUR, IA_REDDENING = (-0.08, 0.045), 0.10
R_V = {"Ia": 2.5} | dict.fromkeys(CORE_COLLAPSE, 3.1)  # 2.5: between low and high host masses; chosen
_MAX_AV = 2.5  # where the distributions of host extinction end; chosen
_AB_MINUS_VEGA = -0.09  # Bessell B; recalled

# Diversity of spectra: magnitudes drawn at these rest-frame wavelengths, linear between; chosen.
KNOTS = np.array([2500.0, 3500.0, 4500.0, 6000.0, 8000.0])
_IA_DIVERSITY = np.array([0.15, 0.06, 0.03, 0.03, 0.05])
_CORE_COLLAPSE_DIVERSITY = np.array([0.30, 0.15, 0.08, 0.08, 0.10])


@dataclass(frozen=True)
class Population:
    """Drawn parameters, one entry per supernova: (N,) arrays (`diversity` is (N, K)).

    Times are in rest-frame days, temperatures in kelvin, magnitudes AB. `stretch`, `x1` and
    `colour` are type Ia's (else 1, NaN, NaN); what follows `colour`, up to `plateau`, the others'.
    `host_av` is dust alone; `attenuation` adds type Ia's intrinsic colour, whose law is the dust's.
    """

    kind: NDArray[np.int64]
    redshift: Floats
    magnitude: Floats
    stretch: Floats
    x1: Floats
    colour: Floats
    rise: Floats
    decline: Floats
    hot: Floats
    cold: Floats
    cooling: Floats
    blanketing: Floats
    plateau: Floats
    host_av: Floats
    attenuation: Floats
    mwebv: Floats
    diversity: Floats
    """(N, K)."""

    def __len__(self) -> int:
        """Return the number of supernovae."""
        return len(self.kind)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """Return the population of the given rows, in their order, repeats allowed."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def concatenated(cls, parts: Sequence["Population"]) -> Self:
        """Return several populations as one, in their order."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def rates(redshift_range: tuple[float, float], *, superluminous: bool = False) -> Floats:
    """Return the number of explosions per observer's year in the whole sky, a value per kind."""
    ia = rate_per_year(*IA_RATE, redshift_range)
    others = rate_per_year(*CORE_COLLAPSE_RATE, redshift_range)
    usual = [model.fraction for kind, model in CORE_COLLAPSE.items() if kind != SUPERLUMINOUS]
    fractions = [*usual, CORE_COLLAPSE[SUPERLUMINOUS].fraction] if superluminous else usual
    total = sum(usual)
    return np.array([ia, *(others * fraction / total for fraction in fractions)])


def draw_population(
    redshift_range: tuple[float, float],
    mwebv: Floats,
    generator: np.random.Generator,
    *,
    superluminous: bool = False,
) -> Population:
    """Draw what explodes in a volume: one supernova for each entry of `mwebv`, its Galactic E(B-V).

    The kinds come in the proportions of their rates, sorted by kind; superluminous ones where asked for.
    """
    share = rates(redshift_range, superluminous=superluminous)
    numbers = generator.multinomial(len(mwebv), share / share.sum())
    dust = np.split(generator.permutation(mwebv), np.cumsum(numbers)[:-1])
    parts = [_draw_ia(redshift_range, dust[0], generator)]
    parts += [
        _draw_core_collapse(kind, redshift_range, behind, generator)
        for kind, behind in zip(KINDS[1 : len(share)], dust[1:], strict=True)
    ]
    return Population.concatenated(parts)


def stretch_of(x1: Floats) -> Floats:
    """Return the factor on rest-frame time for SALT2's x1 (Guy et al. 2007, recalled)."""
    return 0.98 + 0.091 * x1 + 0.003 * x1**2 - 0.00075 * x1**3


def _draw_ia(
    redshift_range: tuple[float, float], mwebv: Floats, generator: np.random.Generator
) -> Population:
    number = len(mwebv)
    x1 = np.clip(generator.normal(size=number), -3.0, 3.0)  # mean and scatter: chosen
    intrinsic = generator.normal(*IA_COLOUR, size=number)
    reddening = np.minimum(generator.exponential(IA_REDDENING, size=number), _MAX_AV / R_V["Ia"])
    magnitude = IA_MAGNITUDE - ALPHA * x1 + BETA * intrinsic + IA_SCATTER * generator.normal(size=number)
    # The tables' attenuation law dims B by (R_V + 1) times the colour: BETA is the law that holds instead.
    magnitude += _AB_MINUS_VEGA - (R_V["Ia"] + 1.0) * intrinsic
    unused = np.ones(number)
    return Population(
        kind=np.zeros(number, np.int64),
        redshift=draw_redshift(IA_RATE[1], redshift_range, number, generator),
        magnitude=magnitude,
        stretch=stretch_of(x1),
        x1=x1,
        colour=intrinsic + reddening,
        rise=unused,
        decline=unused,
        hot=unused,
        cold=unused,
        cooling=unused,
        blanketing=np.zeros(number),
        plateau=np.zeros(number),
        host_av=R_V["Ia"] * reddening,
        attenuation=R_V["Ia"] * (reddening + intrinsic),
        mwebv=mwebv,
        diversity=_IA_DIVERSITY * generator.normal(size=(number, len(KNOTS))),
    )


def _draw_core_collapse(
    kind: str, redshift_range: tuple[float, float], mwebv: Floats, generator: np.random.Generator
) -> Population:
    model, number = CORE_COLLAPSE[kind], len(mwebv)

    def scattered(mean: float, scatter: float) -> Floats:
        return mean * np.exp(scatter * np.clip(generator.normal(size=number), -3.0, 3.0))

    rise = scattered(*model.rise)
    host_av = np.minimum(generator.exponential(model.dust, size=number), _MAX_AV)
    return Population(
        kind=np.full(number, KINDS.index(kind)),
        redshift=draw_redshift(CORE_COLLAPSE_RATE[1], redshift_range, number, generator),
        magnitude=model.magnitude[0] + _AB_MINUS_VEGA + model.magnitude[1] * _truncated(number, generator),
        stretch=np.ones(number),
        x1=np.full(number, np.nan),
        colour=np.full(number, np.nan),
        rise=rise,
        decline=np.maximum(scattered(*model.decline), 2.5 * rise),  # else the light would have no maximum
        hot=scattered(model.temperatures[0], 0.10),  # scatters: chosen
        cold=scattered(model.temperatures[1], 0.06),
        cooling=scattered(model.cooling, 0.15),
        blanketing=np.clip(0.4 * generator.normal(size=number), -1.0, 1.0),
        plateau=scattered(model.plateau, 0.15),
        host_av=host_av,
        attenuation=host_av,
        mwebv=mwebv,
        diversity=_CORE_COLLAPSE_DIVERSITY * generator.normal(size=(number, len(KNOTS))),
    )


def _truncated(number: int, generator: np.random.Generator) -> Floats:
    """Draw from a normal distribution cut at two standard deviations."""
    values = generator.normal(size=number)
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = generator.normal(size=int(outside.sum()))
    return values
