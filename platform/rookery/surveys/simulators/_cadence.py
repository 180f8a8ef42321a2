"""When and how deep a simulated survey looks: fields, nights, bands and noise.

Noise and rhythm follow the open files of the Supernova Photometric Classification Challenge
(DES-like griz), measured there over observations with |FLUXCAL| < 20.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators._supernova_models import BANDS

SEASON = (56170.0, 56340.0)  # MJD, as in the challenge's files
# Median error per field and band in FLUXCAL: two deep and three shallow fields, as measured.
_SKY_MEDIAN = np.array([[3.3, 1.9, 3.1, 3.0]] * 2 + [[6.5, 3.8, 5.8, 5.4]] * 3)
_SKY_SCATTER = np.array([0.60, 0.46, 0.46, 0.37])  # standard deviation of its logarithm; measured
_N_FIELDS = len(_SKY_MEDIAN)
_FIELD_RADIUS = 1.1  # degrees, DECam's
_SHOT_VARIANCE = 0.15  # extra variance per unit of flux; measured from the errors at FLUXCAL 300


@dataclass(frozen=True)
class Cadence:
    """The visits of all fields in one table, sorted by field and date.

    Attributes
    ----------
    mjd, band_index, sky
        (V,) date, band, and standard deviation of the background in FLUXCAL.
    offsets
        (n_fields + 1,): field `f` owns visits ``offsets[f]:offsets[f + 1]``.
    ra, dec
        (n_fields,) centres in degrees.
    mwebv
        (n_fields,) typical Galactic E(B-V).
    """

    mjd: NDArray[np.float64]
    band_index: NDArray[np.int64]
    sky: NDArray[np.float64]
    offsets: NDArray[np.int64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    mwebv: NDArray[np.float64]

    @property
    def n_fields(self) -> int:
        """Number of fields."""
        return len(self.ra)

    def visits(self, field: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (owner, visit): for objects in the given fields, one pair per observation."""
        counts = np.diff(self.offsets)[field]
        owner = np.repeat(np.arange(len(field)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return owner, self.offsets[field][owner] + within


def draw_cadence(generator: np.random.Generator) -> Cadence:
    """Draw the fields of one season."""
    dates, bands, medians = [], [], []
    for depth in _SKY_MEDIAN:
        nights = _draw_nights(generator)
        seen = generator.uniform(size=(len(nights), len(BANDS))) < 0.9  # one visit in ten fails; chosen
        night, band = np.nonzero(seen)
        dates.append(nights[night] + 0.01 * band)  # bands a quarter of an hour apart
        bands.append(band)
        medians.append(depth[band])
    mjd, band_index = np.concatenate(dates), np.concatenate(bands)
    scatter = generator.normal(size=len(mjd))
    return Cadence(
        mjd=mjd,
        band_index=band_index,
        sky=np.concatenate(medians) * np.exp(_SKY_SCATTER[band_index] * scatter),
        offsets=np.concatenate([[0], np.cumsum([len(part) for part in dates])]),
        ra=generator.uniform(0.0, 360.0, _N_FIELDS),
        dec=generator.uniform(-60.0, 5.0, _N_FIELDS),
        mwebv=0.01 + generator.exponential(0.02, _N_FIELDS),  # away from the Galactic plane; chosen
    )


def draw_positions(
    cadence: Cadence, field: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw right ascension and declination in degrees, uniform over each object's field."""
    radius = _FIELD_RADIUS * np.sqrt(generator.uniform(size=len(field)))
    angle = generator.uniform(0.0, 2.0 * np.pi, len(field))
    dec = cadence.dec[field] + radius * np.sin(angle)
    ra = cadence.ra[field] + radius * np.cos(angle) / np.cos(np.radians(dec))
    return ra % 360.0, dec


def flux_error(sky: NDArray[np.float64], flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of a measured flux: background and photon noise."""
    return np.sqrt(sky**2 + _SHOT_VARIANCE * np.maximum(flux, 0.0))


def _draw_nights(generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw a field's nights: a visit each 3 to 8 nights and two weeks of bad weather; chosen."""
    steps = generator.integers(3, 9, size=80).astype(np.float64)
    nights = SEASON[0] + np.cumsum(steps) - generator.integers(0, 6)
    storm = generator.uniform(SEASON[0], SEASON[1] - 14.0)
    clear = (nights < SEASON[1]) & ((nights < storm) | (nights > storm + 14.0))
    return nights[clear] + generator.uniform(0.05, 0.3)
