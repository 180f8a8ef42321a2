"""What lies in each cutout: the galaxy's parts, knots in its arms, companions, other galaxies, stars."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.galaxies.population import Galaxies, disk_scales
from rookery.surveys.simulators.galaxies.profiles import SCALE_LENGTHS, shape_matrix
from rookery.surveys.simulators.galaxies.spectra import MagnitudeTable
from rookery.surveys.simulators.galaxies.surveys import EXTINCTION, PIXEL_SCALE, Conditions

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ZERO_POINT = 22.5
_MARGIN = 12  # pixels around the cutout in which neighbours may lie, and shine into it
_BRIGHTEST, _FAINTEST = 14.0, 23.0  # r of neighbours
# Counts per square degree and magnitude at r = 18 and 20, slopes of log10: galaxies after Yasuda et
# al. (2001), stars at latitudes of 45 to 60 degrees (recalled, rounded).
_GALAXY_COUNT, _GALAXY_SLOPE = 130.0, 0.43
_STAR_COUNT, _STAR_SLOPE = 600.0, 0.13
_COMPANIONS = 0.25  # mean number of satellites seen at the galaxy's redshift; chosen
_KNOTS = 60  # star-forming knots in a disk with young stars; chosen
_KNOT_SHARE = 0.25  # of the young disk's light if all of the disk were young; chosen
_OUTERMOST = 3.0  # scale lengths within which knots lie; chosen
_PITCH = 0.30  # tangent of the mean pitch angle of spiral arms; chosen


@dataclass(frozen=True)
class Scene:
    """All sources of N cutouts, in fluxes as they reach the telescope (nanomaggies)."""

    owner: Indices
    bulge: NDArray[np.bool_]
    shape: Floats
    x: Floats
    y: Floats
    flux: Floats
    """(M,) cutout of each extended source, whether its profile is a bulge's, (M, 3) shape matrix
    of its radius (half-light of a bulge, scale length of a disk; pixels^2), (M,) place in
    pixels, (M, B) fluxes. Sorted by owner, the galaxy's own parts first."""
    own: Indices
    """(N,) number of the galaxy's own parts, all at its centre."""
    point_owner: Indices
    point_x: Floats
    point_y: Floats
    point_flux: Floats
    """The same of point sources: stars."""
    knot_x: Floats
    knot_y: Floats
    knot_share: Floats
    """(N, K) places in pixels of knots in the galaxy's arms, and shares of their light."""
    knot_flux: Floats
    """(N, B) light of all knots."""
    centre: Floats
    """(N, 2) place x, y of the galaxy in pixels."""


def draw_scene(
    galaxies: Galaxies,
    conditions: Conditions,
    size: int,
    table: MagnitudeTable,
    generator: np.random.Generator,
) -> Scene:
    """Place the galaxies near the middle of their cutouts, and their neighbours around them."""
    n = len(galaxies)
    centre = 0.5 * (size - 1) + generator.uniform(-0.5, 0.5, (n, 2))
    fluxes = 10.0 ** (0.4 * (ZERO_POINT - galaxies.magnitudes))  # (N, 3, B)
    knotted = _KNOT_SHARE * galaxies.young_fraction[:, None] * fluxes[:, 2]
    fluxes[:, 2] -= knotted
    bulge = shape_matrix(galaxies.bulge_radius / PIXEL_SCALE, galaxies.bulge_axis_ratio, galaxies.angle)
    scale = galaxies.disk_radius / PIXEL_SCALE / SCALE_LENGTHS
    old, young = (
        shape_matrix(factor * scale, galaxies.axis_ratio, galaxies.angle) for factor in disk_scales()
    )
    everyone = np.arange(n)
    near = _companions(galaxies, centre, generator)
    far = _field_galaxies(n, size, table, generator)
    point_owner, point_x, point_y, point_flux = _stars(n, size, generator)
    knot_x, knot_y, knot_share = _knots(galaxies, centre, scale, generator)
    extended = [
        (everyone, np.ones(n, dtype=bool), bulge, *centre.T, fluxes[:, 0]),
        (everyone, np.zeros(n, dtype=bool), old, *centre.T, fluxes[:, 1]),
        (everyone, np.zeros(n, dtype=bool), young, *centre.T, fluxes[:, 2]),
        near,
        far,
    ]
    owner, is_bulge, shape, x, y, flux = (np.concatenate(columns) for columns in zip(*extended, strict=True))
    lit = flux[:, 2] > 1e-4
    parts = np.bincount(owner[: 3 * n][lit[: 3 * n]], minlength=n)
    order = np.flatnonzero(lit)[np.argsort(owner[lit], kind="stable")]
    dimming = 10.0 ** (-0.4 * conditions.mwebv[:, None] * EXTINCTION)
    return Scene(
        owner=owner[order],
        bulge=is_bulge[order],
        shape=shape[order],
        x=x[order],
        y=y[order],
        flux=flux[order] * dimming[owner[order]],
        own=parts,
        point_owner=point_owner,
        point_x=point_x,
        point_y=point_y,
        point_flux=point_flux * dimming[point_owner],
        knot_x=knot_x,
        knot_y=knot_y,
        knot_share=knot_share,
        knot_flux=knotted * dimming,
        centre=centre,
    )


_Extended = tuple[Indices, NDArray[np.bool_], Floats, Floats, Floats, Floats]
_Points = tuple[Indices, Floats, Floats, Floats]


def _companions(galaxies: Galaxies, centre: Floats, generator: np.random.Generator) -> _Extended:
    """Draw satellites at the galaxy's redshift: 1 to 5 magnitudes fainter, within some of its radii."""
    owner = np.repeat(np.arange(len(galaxies)), generator.poisson(_COMPANIONS, len(galaxies)))
    n = len(owner)
    fainter = generator.uniform(1.0, 5.0, n)
    # The spectra of the host's own parts, mixed anew.
    shares = generator.dirichlet((1.0, 1.0, 1.0), n) if n else np.zeros((0, 3))
    host = 10.0 ** (0.4 * (ZERO_POINT - galaxies.magnitudes[owner]))
    total = 10.0 ** (0.4 * (ZERO_POINT - galaxies.total()[owner, 2]))
    spectra = host / np.maximum(host[:, :, 2:3], 1e-12)
    flux = (shares[:, :, None] * spectra).sum(axis=1)
    flux *= (total * 10.0 ** (-0.4 * fainter) / flux[:, 2])[:, None]
    radius = galaxies.disk_radius[owner] / PIXEL_SCALE
    distance = np.maximum(radius, 2.0) * generator.uniform(1.2, 7.0, n)
    around = generator.uniform(0.0, 2.0 * np.pi, n)
    x, y = centre[owner, 0] + distance * np.cos(around), centre[owner, 1] + distance * np.sin(around)
    size = np.maximum(radius * 10.0 ** (-0.1 * fainter), 0.3) / SCALE_LENGTHS
    shape = shape_matrix(size, generator.uniform(0.3, 1.0, n), generator.uniform(0.0, np.pi, n))
    return owner, np.zeros(n, dtype=bool), shape, x, y, flux


def _field_galaxies(
    n_cutouts: int, size: int, table: MagnitudeTable, generator: np.random.Generator
) -> _Extended:
    """Draw galaxies in front and behind, by their counts."""
    owner, x, y, magnitude = _scatter(n_cutouts, size, _GALAXY_COUNT, 18.0, _GALAXY_SLOPE, generator)
    n = len(owner)
    redshift = np.clip(
        10.0 ** (-0.95 + 0.11 * (magnitude - 18.0) + 0.2 * generator.normal(size=n)), 0.02, 0.6
    )
    kind = np.clip(generator.normal(1.2, 0.9, n), 0.0, 3.0)
    magnitudes = table.magnitudes(kind, redshift, generator.exponential(0.3, n))
    magnitudes += (magnitude - magnitudes[:, 2])[:, None]
    half = 1.9 * 10.0 ** (-0.12 * (magnitude - 18.0)) * np.exp(0.35 * generator.normal(size=n))
    bulge = generator.uniform(size=n) < 0.35
    radius = np.where(bulge, half, half / SCALE_LENGTHS) / PIXEL_SCALE
    shape = shape_matrix(radius, generator.uniform(0.25, 1.0, n), generator.uniform(0.0, np.pi, n))
    return owner, bulge, shape, x, y, 10.0 ** (0.4 * (ZERO_POINT - magnitudes))


def _stars(n_cutouts: int, size: int, generator: np.random.Generator) -> _Points:
    """Draw stars by their counts, on a stellar locus: blue turn-off stars and red dwarfs (chosen)."""
    owner, x, y, magnitude = _scatter(n_cutouts, size, _STAR_COUNT, 20.0, _STAR_SLOPE, generator)
    n = len(owner)
    dwarf = generator.uniform(size=n) < np.clip(0.2 + 0.1 * (magnitude - 17.0), 0.2, 0.7)
    red = np.where(dwarf, generator.normal(1.1, 0.45, n), generator.normal(0.17, 0.06, n))
    red = np.clip(red, 0.05, 2.2)  # r - i
    green = np.clip(0.12 + 2.2 * red, 0.2, 1.42)  # g - r
    ultraviolet = np.clip(0.75 + 1.3 * (green - 0.25), 0.8, 2.6)
    infrared = 0.55 * red
    offsets = np.stack([ultraviolet + green, green, np.zeros(n), -red, -red - infrared], axis=1)
    offsets += 0.03 * generator.normal(size=(n, 5)) * np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    return owner, x, y, 10.0 ** (0.4 * (ZERO_POINT - magnitude[:, None] - offsets))


def _scatter(
    n_cutouts: int, size: int, count: float, at: float, slope: float, generator: np.random.Generator
) -> tuple[Indices, Floats, Floats, Floats]:
    """Draw cutout, place and r magnitude of sources with counts per square degree and magnitude."""
    steep = slope * np.log(10.0)
    low, high = np.exp(steep * (_BRIGHTEST - at)), np.exp(steep * (_FAINTEST - at))
    side = size + 2 * _MARGIN
    mean = count * (high - low) / steep * (side * PIXEL_SCALE / 3600.0) ** 2
    owner = np.repeat(np.arange(n_cutouts), generator.poisson(mean, n_cutouts))
    x, y = generator.uniform(-_MARGIN - 0.5, size - 0.5 + _MARGIN, (2, len(owner)))
    magnitude = at + np.log(low + generator.uniform(size=len(owner)) * (high - low)) / steep
    return owner, x, y, magnitude


def _knots(
    galaxies: Galaxies, centre: Floats, scale: Floats, generator: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Place knots along two spiral arms, seen inclined: (N, K) x, y and shares of their light."""
    n = len(galaxies)
    shape = (n, _KNOTS)
    # Radii of an exponential disk: the sum of two exponential draws.
    radius = generator.exponential(size=(2, *shape)).sum(axis=0) * disk_scales()[1]
    radius = np.where(radius > _OUTERMOST, radius * generator.uniform(0.2, 0.6, shape), radius)
    arm = np.pi * generator.integers(2, size=shape) + generator.uniform(0.0, 2.0 * np.pi, (n, 1))
    pitch = _PITCH * np.exp(0.3 * generator.normal(size=(n, 1))) * np.sign(generator.normal(size=(n, 1)))
    looseness = 0.25 + 0.5 * generator.uniform(size=(n, 1))
    around = arm + np.log(np.maximum(radius, 0.2)) / pitch + looseness * generator.normal(size=shape)
    along = radius * np.cos(around) * scale[:, None]
    across = radius * np.sin(around) * scale[:, None] * galaxies.cosine[:, None]
    across += 0.1 * generator.normal(size=shape) * scale[:, None]
    cosine, sine = np.cos(galaxies.angle[:, None]), np.sin(galaxies.angle[:, None])
    share = generator.gamma(1.5, size=shape)
    share /= share.sum(axis=1, keepdims=True)
    return (
        centre[:, :1] + along * cosine - across * sine,
        centre[:, 1:] + along * sine + across * cosine,
        share,
    )
