"""The surveys that can be simulated: filters, fields, rhythm, depth, trigger and follow-up."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.supernovae import des as _des
from rookery.surveys.simulators.supernovae import lsst as _lsst
from rookery.surveys.simulators.supernovae import sdss as _sdss
from rookery.surveys.simulators.supernovae.cadence import Cadence
from rookery_ensembles.errors import fail

Floats = NDArray[np.float64]

FOUR_METRE_LIMIT, EIGHT_METRE_LIMIT = 21.5, 23.5  # peak magnitudes in r and i
# Magnitudes over which the efficiency falls, and how often observers take what does not look like
# a type Ia compared with what does; chosen.
_SOFTNESS, _OTHERS = 0.35, 0.7


@dataclass(frozen=True)
class FollowUp:
    """Spectroscopy of a survey: telescopes with limits, and observers who want type Ia.

    After the classification challenge, whose spectroscopic sample was that of a 4 m telescope limited
    at r = 21.5 and an 8 m one limited at i = 23.5 (Kessler et al. 2010).
    """

    four_metre: float
    eight_metre: float
    """Fraction of bright type Ia that each class of telescope observes."""

    def probability(self, is_ia: NDArray[np.bool_], peak_r: Floats, peak_i: Floats) -> Floats:
        """Return each supernova's chance of a spectrum from its apparent peak magnitudes."""
        four = self.four_metre * _efficiency(peak_r, FOUR_METRE_LIMIT)
        eight = self.eight_metre * _efficiency(peak_i, EIGHT_METRE_LIMIT)
        return (1.0 - (1.0 - four) * (1.0 - eight)) * np.where(is_ia, 1.0, _OTHERS)


def _efficiency(magnitude: Floats, limit: float) -> Floats:
    """Return 1 for the bright, a half at half a magnitude above the limit, 0 beyond the limit."""
    smooth = 0.5 * (1.0 - np.tanh(0.5 * (magnitude - (limit - 0.5)) / _SOFTNESS))
    return np.where(magnitude <= limit, smooth, 0.0)


@dataclass(frozen=True)
class Part:
    """One part of a survey, such as its deep fields."""

    draw: Callable[[np.random.Generator], Cadence]
    """Draws its fields and visits."""
    redshift_range: tuple[float, float]
    """Least and largest redshift of what may explode in it."""
    follow_up: FollowUp | None
    """Who takes spectra there, or None."""


@dataclass(frozen=True)
class Design:
    """A survey."""

    bands: tuple[str, ...]
    filters: tuple[str, ...]
    """Names in the survey store and in speclite, in order of wavelength."""
    parts: tuple[Part, ...]
    """The main survey, then the deep fields where there are any."""
    min_detections: int
    min_bands: int
    min_nights: int
    """What makes a supernova part of the survey: observations at 5 sigma or more in all, and the
    different bands and nights in which there are such."""
    peak_bands: tuple[int, int]
    """Positions of r and i, in which peak magnitudes are measured for the follow-up."""
    superluminous: bool = False
    """Whether superluminous supernovae explode too."""

    @property
    def max_redshift(self) -> float:
        """The largest redshift of all parts."""
        return max(part.redshift_range[1] for part in self.parts)


DESIGNS = {
    "des": Design(
        bands=_des.BANDS,
        filters=tuple(f"decamDR1-{band}" for band in _des.BANDS),
        parts=(Part(_des.draw_cadence, (0.02, 1.2), FollowUp(four_metre=0.6, eight_metre=0.25)),),
        min_detections=4,
        min_bands=2,
        min_nights=1,
        peak_bands=(1, 2),
    ),
    "sdss": Design(
        bands=_sdss.BANDS,
        filters=tuple(f"sdss2010-{band}" for band in _sdss.BANDS),
        parts=(Part(_sdss.draw_cadence, (0.01, 0.5), FollowUp(four_metre=0.35, eight_metre=0.0)),),
        min_detections=4,
        min_bands=2,
        min_nights=2,
        peak_bands=(2, 3),
    ),
    "lsst": Design(
        bands=_lsst.BANDS,
        filters=tuple(f"lsst2016-{band}" for band in _lsst.BANDS),
        parts=(
            Part(_lsst.draw_main_survey, (0.02, 1.0), None),
            Part(_lsst.draw_deep_fields, (0.02, 1.4), FollowUp(four_metre=0.8, eight_metre=0.6)),
        ),
        min_detections=5,
        min_bands=2,
        min_nights=2,
        peak_bands=(2, 3),
    ),
}
"""By the name that ``--survey`` takes. Triggers and efficiencies: chosen."""


def find_design(name: str) -> Design:
    """Return a design by its name.

    Raises
    ------
    InputError
        For an unknown name; those that exist are listed.
    """
    if name not in DESIGNS:
        raise fail(f"survey {name!r}", f"is unknown to the simulator, which has: {', '.join(DESIGNS)}")
    return DESIGNS[name]
