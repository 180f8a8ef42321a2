"""Noiseless light curves: what a supernova's parameters, redshift and dust make of its surface."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.cosmology import distance_modulus
from rookery.surveys.simulators.filters import load_filters
from rookery.surveys.simulators.supernovae.flux_tables import FluxTable, blue_fluxes, build_table, place
from rookery.surveys.simulators.supernovae.population import KINDS, KNOTS, R_V, Population
from rookery.surveys.simulators.supernovae.spectra import SPECTRA, Surface, analytic_surface, hsiao_surface
from rookery.surveys.simulators.supernovae.templates import template_surfaces

Floats = NDArray[np.float64]
Indices = NDArray[np.integer]

ZERO_POINT = 27.5
# After the last epoch of type Ia's surface: 1.4 magnitudes in 100 days; recalled.
_LATE_DECLINE = 100.0 / (1.4 * 0.4 * np.log(10.0))


@dataclass(frozen=True)
class LightCurveModel:
    """The flux tables of all kinds in the bands of one survey."""

    tables: tuple[FluxTable, ...]
    """One per kind, in the order of `KINDS`, such that a flux of 1 belongs to AB magnitude 0."""
    blue: tuple[Floats, ...]
    """Per kind the surface whose B flux normalises it: coordinate, variants, B flux (R, V)."""
    wavelength: Floats
    """(B,) effective wavelengths of the bands, angstrom."""
    templates: tuple[int, ...] = ()
    """How many templates each kind has, 0 for none; empty where no kind has any."""

    def with_templates(self, supernovae: Population, generator: np.random.Generator) -> Population:
        """Return supernovae of which those of kinds with templates have one each, drawn at random."""
        if not self.templates:
            return supernovae
        number = np.array(self.templates)[supernovae.kind]
        drawn = generator.integers(np.maximum(number, 1)).astype(np.float64)
        return replace(supernovae, blanketing=np.where(number > 0, drawn, supernovae.blanketing))

    def _on_days(self, kind: int) -> bool:
        """Whether a kind's spectra are those of days since maximum, and not of temperatures."""
        return kind == 0 or bool(self.templates and self.templates[kind])

    def flux(self, supernovae: Population, owner: Indices, phase: Floats, band: Indices) -> Floats:
        """Return noiseless fluxes (FLUXCAL, zero point 27.5).

        Parameters
        ----------
        supernovae
            The (N,) supernovae.
        owner
            (M,) row of `supernovae` that each wanted flux belongs to.
        phase
            (M,) observer-frame days since the maximum.
        band
            (M,) position of the band.
        """
        brightness = self._brightness(supernovae)
        result = np.zeros(len(owner))
        kind = supernovae.kind[owner]
        for index, table in enumerate(self.tables):
            rows = np.flatnonzero(kind == index)
            if not len(rows):
                continue
            of, bands = owner[rows], band[rows]
            time = phase[rows] / (1.0 + supernovae.redshift[of])
            one = supernovae.take(of)
            coordinate, light = _track(one, time, table, on_days=self._on_days(index))
            spectral = table.flux(coordinate, one.blanketing, one.redshift, bands, one.attenuation, one.mwebv)
            result[rows] = brightness[of] * light * spectral * self._diversity(one, bands)
        return result

    def _brightness(self, supernovae: Population) -> Floats:
        """Return for each supernova the factor from its table's flux to FLUXCAL at its distance."""
        magnitude = supernovae.magnitude + distance_modulus(supernovae.redshift)
        factor = 10.0 ** (0.4 * (ZERO_POINT - magnitude))
        for index, (table, blue) in enumerate(zip(self.tables, self.blue, strict=True)):
            rows = np.flatnonzero(supernovae.kind == index)
            if len(rows):
                one = supernovae.take(rows)
                factor[rows] /= _at_maximum(one, table, blue, on_days=self._on_days(index))
        return factor

    def _diversity(self, one: Population, bands: Indices) -> Floats:
        """Return the factor of each supernova's own deviation from the mean spectrum."""
        rest = np.clip(self.wavelength[bands] / (1.0 + one.redshift), KNOTS[0], KNOTS[-1])
        knot = np.clip(np.searchsorted(KNOTS, rest) - 1, 0, len(KNOTS) - 2)
        rest = (rest - KNOTS[knot]) / (KNOTS[knot + 1] - KNOTS[knot])
        row = np.arange(len(knot))
        magnitude = (1.0 - rest) * one.diversity[row, knot] + rest * one.diversity[row, knot + 1]
        return 10.0 ** (-0.4 * magnitude)


@lru_cache(maxsize=2)
def build_model(
    filters: tuple[str, ...], max_redshift: float, templates: str | None = None
) -> LightCurveModel:
    """Make the tables of all kinds for filters named as in speclite; about half a second.

    Parameters
    ----------
    templates
        Folder of core-collapse templates; kinds that it has none of keep their analytic spectra.

    Raises
    ------
    InputError
        When the optional packages are not installed, or as
        :func:`rookery.surveys.simulators.supernovae.templates.template_surfaces` does.
    """
    loaded = load_filters(filters)
    given = {} if templates is None else template_surfaces(templates)
    surfaces: list[Surface] = [
        hsiao_surface(),
        *(given.get(kind) or analytic_surface(SPECTRA[kind]) for kind in KINDS[1:]),
    ]
    return LightCurveModel(
        tables=tuple(
            build_table(surface, loaded, max_redshift, R_V[kind])
            for kind, surface in zip(KINDS, surfaces, strict=True)
        ),
        blue=tuple(blue_fluxes(surface) for surface in surfaces),
        wavelength=loaded.effective,
        templates=tuple(len(given[kind].variants) if kind in given else 0 for kind in KINDS) if given else (),
    )


def _track(one: Population, time: Floats, table: FluxTable, *, on_days: bool) -> tuple[Floats, Floats]:
    """Return where on its surface each supernova is at rest-frame days from maximum, and how bright."""
    if not on_days:
        return np.log(temperature(one, time)), visual_light(one, time)
    stretched = time / one.stretch
    late = np.exp(-np.maximum(stretched - table.coordinate[-1], 0.0) / _LATE_DECLINE)
    return stretched, np.where(stretched > table.coordinate[0], late, 0.0)


def temperature(one: Population, time: Floats) -> Floats:
    """Return the colour temperature in kelvin at rest-frame days from the visual maximum."""
    age = np.maximum(time + 5.0 * one.rise, 0.0)
    return one.cold + (one.hot - one.cold) * np.exp(-age / one.cooling)


def visual_light(one: Population, time: Floats) -> Floats:
    """Return the light at 5500 angstrom, 1 at its maximum (Bazin et al. 2009, equation 1, with additions)."""
    rise, decline = one.rise, one.decline
    peak = rise * np.log(decline / rise - 1.0)
    light = np.exp(-time / decline) * _logistic((time + peak) / rise) / _logistic(peak / rise)
    # After a plateau an eighth remains; after that, and for all types, cobalt's decay (111 d); chosen.
    ends = np.where(one.plateau > 0, 0.12 + 0.88 * _logistic((one.plateau - time) / 4.0), 1.0)
    tail = 0.03 * np.exp(-np.maximum(time, 0.0) / 111.0) * _logistic((time - 30.0) / 5.0)
    return light * ends + tail


def _at_maximum(one: Population, table: FluxTable, blue: Floats, *, on_days: bool) -> Floats:
    """Return the B flux of the surface at the maximum."""
    hottest = np.zeros(len(one)) if on_days else np.log(temperature(one, np.zeros(len(one))))
    by_variant = np.stack([np.interp(hottest, table.coordinate, column) for column in blue.T])
    low, rest = place(one.blanketing, table.variants)
    row = np.arange(len(one))
    if len(table.variants) == 1:
        return by_variant[0, row]
    return (1.0 - rest) * by_variant[low, row] + rest * by_variant[low + 1, row]


def _logistic(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
