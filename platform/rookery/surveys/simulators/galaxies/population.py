"""Galaxies as bulge and disk: luminosities, sizes, spectra, inclination and dust."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.cosmology import distance_modulus
from rookery.surveys.simulators.galaxies.luminosity import draw_luminosities
from rookery.surveys.simulators.galaxies.spectra import LATEST, MagnitudeTable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_R = 2  # position of the r band
_NORMAL = 0.62  # micrometre: where the scatter of spectra leaves the flux as it is

# Chosen, unless said otherwise.
_SLOPE_OF_LUMINOSITY = -0.045  # of spectra, per magnitude: the colour-magnitude relation
# Scatter of the spectra of bulges, old disks and young disks about the templates, in magnitudes: drawn
# at rest-frame wavelengths (micrometre) and interpolated. Bulges are alike, disks have histories.
_SCATTER_NODES = np.array([0.25, 0.32, 0.40, 0.50, 0.63, 0.80, 1.05])
_SCATTER = np.array([0.012, 0.045, 0.07])
_SLOPE_SCATTER = np.array([0.01, 0.07, 0.11])  # and of their slope in 1 / wavelength
_FACE_ON_DUST, _INCLINED_DUST = 0.2, 1.7  # A_V, and its growth with log10(1 / axis ratio)
_DUST_SCATTER = 0.2  # of ln(A_V)
_SIZE_SCATTER = 0.28  # of ln(radius) (Shen et al. 2003, bright galaxies)
_EXTENDED_IS_BLUE = 0.85  # correlation of the disk's slope with its size at given luminosity
_BULGE_DUST = 0.4  # of the disk's A_V
_YOUNG_SCALE, _OLD_SCALE = 1.20, 0.90  # disk scale lengths over the mean: disks are bluer outside


@dataclass(frozen=True)
class Galaxies:
    """The truth about N galaxies."""

    redshift: Floats
    absolute: Floats
    """Redshift and absolute magnitude in rest-frame r, face-on."""
    red: Flags
    """Whether of the red luminosity function."""
    bulge_fraction: Floats
    young_fraction: Floats
    """Bulge's share of the rest-frame r light without dust, young stars' share of the disk's."""
    axis_ratio: Floats
    bulge_axis_ratio: Floats
    angle: Floats
    cosine: Floats
    """Apparent b/a of disk and bulge, position angle (radians from x), cosine of the inclination."""
    disk_radius: Floats
    bulge_radius: Floats
    """Semi-major half-light radii in arcsec."""
    dust: Floats
    dust_face_on: Floats
    """A_V of the disk as seen, and seen face-on."""
    magnitudes: Floats
    """(N, 3, B) apparent AB magnitudes of bulge, old disk and young disk, without the Milky Way."""

    def __len__(self) -> int:
        return len(self.redshift)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the galaxies of the given rows."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def total(self) -> Floats:
        """Return (N, B) magnitudes of the whole galaxies."""
        return -2.5 * np.log10((10.0 ** (-0.4 * self.magnitudes)).sum(axis=1))


def draw_galaxies(limit: float, n: int, table: MagnitudeTable, generator: np.random.Generator) -> Galaxies:
    """Draw N galaxies, most of them brighter than `limit` in r."""
    red, redshift, absolute = draw_luminosities(limit, n, generator)
    bulge_fraction, young_fraction = _mixture(red, absolute, generator)
    cosine = generator.uniform(size=n)
    thickness = np.clip(0.20 + 0.04 * generator.normal(size=n), 0.1, 0.35)
    axis_ratio = np.sqrt(cosine**2 * (1.0 - thickness**2) + thickness**2)
    roundness = np.clip(generator.normal(0.72, 0.14, n), 0.35, 1.0)
    # A bulge within a disk is seen flattened with it; an elliptical is seen from anywhere.
    bulge_axis_ratio = np.where(
        bulge_fraction == 1.0,
        np.sqrt(cosine**2 * (1.0 - roundness**2) + roundness**2),
        np.sqrt(cosine**2 * (1.0 - 0.36) + 0.36),
    )
    face_on, dust = _dust(red, absolute, young_fraction, axis_ratio, generator)
    extent = generator.normal(size=n)
    bulge_radius, disk_radius = _radii(
        red, absolute, bulge_fraction, redshift, bulge_axis_ratio, extent, generator
    )
    shares = np.stack(
        [
            bulge_fraction,
            (1.0 - bulge_fraction) * (1.0 - young_fraction),
            (1.0 - bulge_fraction) * young_fraction,
        ],
        axis=1,
    )
    magnitudes = _magnitudes(red, absolute, redshift, extent, shares, dust, face_on, table, generator)
    return Galaxies(
        redshift=redshift,
        absolute=absolute,
        red=red,
        bulge_fraction=bulge_fraction,
        young_fraction=young_fraction,
        axis_ratio=axis_ratio,
        bulge_axis_ratio=bulge_axis_ratio,
        angle=generator.uniform(0.0, np.pi, n),
        cosine=cosine,
        disk_radius=disk_radius,
        bulge_radius=bulge_radius,
        dust=dust,
        dust_face_on=face_on,
        magnitudes=magnitudes,
    )


def _mixture(red: Flags, absolute: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw bulge fractions, and the young stars' share of the disk."""
    n = len(red)
    bright = 1.0 / (1.0 + np.exp((absolute + 21.5) / 0.5))  # 0 for faint, 1 for bright galaxies
    elliptical = red & (generator.uniform(size=n) < 0.25 + 0.45 * bright)
    lenticular = generator.beta(2.0, 2.0, n)
    spiral = generator.beta(1.3, 6.0 - 2.0 * bright, n)
    bulge = np.where(elliptical, 1.0, np.where(red, lenticular, spiral))
    young_red = generator.beta(1.0, 6.0, n)
    young_blue = generator.beta(2.2 + 1.0 * (1.0 - bright), 1.8, n)
    return bulge, np.where(red, young_red, young_blue)


def _dust(
    red: Flags, absolute: Floats, young: Floats, axis_ratio: Floats, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return A_V face-on and as seen; it grows with log(a/b), more so in luminous galaxies.

    The form is that of Tully et al. (1998); amounts chosen.
    """
    luminous = np.clip(1.0 - 0.2 * (absolute + 21.0), 0.3, 1.4)
    amount = luminous * np.exp(_DUST_SCATTER * generator.normal(size=len(red)))
    amount *= np.where(red, 0.15 + 0.8 * young, 1.0)
    return _FACE_ON_DUST * amount, amount * (_FACE_ON_DUST - _INCLINED_DUST * np.log10(axis_ratio))


def _radii(
    red: Flags,
    absolute: Floats,
    bulge_fraction: Floats,
    redshift: Floats,
    bulge_axis_ratio: Floats,
    extent: Floats,
    generator: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Draw half-light radii of bulge and disk in arcsec, semi-major.

    Size-luminosity relations with the slopes and scatters of Shen et al. (2003), rounded (recalled).
    """
    n = len(red)
    arcsec = np.degrees(1.0) * 3600.0 / (1e3 * _angular_distance(redshift))  # per kpc
    early = 10.0 ** (0.52 - 0.24 * (absolute + 21.0)) * np.exp(_SIZE_SCATTER * extent)
    late = 10.0 ** (0.66 - 0.17 * (absolute + 21.0)) * np.exp(_SIZE_SCATTER * extent)
    lenticular = np.sqrt(early * late)
    disk = np.where(red, lenticular, late)
    # A bulge is a small elliptical: that of its own luminosity, at most half its disk's size.
    own = absolute - 2.5 * np.log10(np.maximum(bulge_fraction, 1e-3))
    small = 10.0 ** (0.30 - 0.20 * (own + 21.0)) * np.exp(_SIZE_SCATTER * generator.normal(size=n))
    bulge = np.where(bulge_fraction == 1.0, early, np.minimum(small, 0.6 * disk))
    return bulge / np.sqrt(bulge_axis_ratio) * arcsec, disk * arcsec


def _angular_distance(redshift: Floats) -> Floats:
    """Return the angular diameter distance in Mpc."""
    return 10.0 ** (0.2 * (distance_modulus(redshift) - 25.0)) / (1.0 + redshift) ** 2


def _magnitudes(
    red: Flags,
    absolute: Floats,
    redshift: Floats,
    extent: Floats,
    shares: Floats,
    dust: Floats,
    face_on: Floats,
    table: MagnitudeTable,
    generator: np.random.Generator,
) -> Floats:
    """Return (N, 3, B) apparent magnitudes of bulge, old disk and young disk."""
    n = len(red)
    kinds = np.stack(
        [
            np.abs(generator.normal(0.0, 0.06, n)) + np.where(red, 0.0, 0.12),
            np.abs(generator.normal(np.where(red, 0.15, 0.8), np.where(red, 0.12, 0.40))),
            np.clip(generator.normal(2.2, 0.5, n), 1.2, LATEST),
        ]
    )
    screens = np.stack([_BULGE_DUST * dust, dust, dust])
    screens_face_on = np.stack([_BULGE_DUST * face_on, face_on, face_on])
    zeros = np.zeros(n)
    dimming = [
        table.magnitudes(kind, zeros, a_v)[:, _R] for kind, a_v in zip(kinds, screens_face_on, strict=True)
    ]
    # The luminosity function counts the light that comes out face-on.
    seen = sum(share * 10.0 ** (-0.4 * dim) for share, dim in zip(shares.T, dimming, strict=True))
    base = absolute + distance_modulus(redshift) + 2.5 * np.log10(seen)
    inverse = 1e4 * (1.0 + redshift)[:, None] / table.effective - 1.0 / _NORMAL
    deviation = generator.normal(size=(3, n))
    deviation[1:] *= np.sqrt(1.0 - _EXTENDED_IS_BLUE**2)
    deviation[1:] -= _EXTENDED_IS_BLUE * extent
    slope = _SLOPE_SCATTER[:, None] * deviation + _SLOPE_OF_LUMINOSITY * (absolute + 21.5)
    parts = []
    for part, share in enumerate(shares.T):
        magnitudes = table.magnitudes(kinds[part], redshift, screens[part])
        magnitudes += slope[part, :, None] * inverse
        magnitudes += _SCATTER[part] * _smooth_noise(table.effective, redshift, generator)
        fainter = base - 2.5 * np.log10(np.maximum(share, 1e-9))
        parts.append(magnitudes + fainter[:, None])
    return np.stack(parts, axis=1)


def _smooth_noise(effective: Floats, redshift: Floats, generator: np.random.Generator) -> Floats:
    """Return (N, B) values of functions of rest-frame wavelength, normal at the nodes, linear between."""
    n, nodes = len(redshift), np.log(_SCATTER_NODES)
    values = generator.normal(size=(n, len(nodes)))
    rest = np.log(effective / 1e4) - np.log1p(redshift)[:, None]
    left = np.clip(np.searchsorted(nodes, rest) - 1, 0, len(nodes) - 2)
    part = (rest - nodes[left]) / np.diff(nodes)[left]
    rows = np.arange(n)[:, None]
    result: Floats = (1.0 - part) * values[rows, left] + part * values[rows, left + 1]
    return result


def disk_scales() -> tuple[float, float]:
    """Return the scale lengths of old and young disk over the mean disk's."""
    return _OLD_SCALE, _YOUNG_SCALE
