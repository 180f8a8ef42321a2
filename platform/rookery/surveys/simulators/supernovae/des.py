"""A DES-like survey in griz: one season, noise and rhythm after the classification challenge.

The noise was measured in the open files of the Supernova Photometric Classification Challenge,
over observations with |FLUXCAL| < 20 (their errors at FLUXCAL 300 for the shot noise).
"""

import numpy as np

from rookery.surveys.simulators.supernovae.cadence import Cadence, Field

BANDS = ("g", "r", "i", "z")
_SEASON = (56170.0, 56340.0)  # MJD, as in the challenge's files
# Median error per field and band in FLUXCAL: two deep and three shallow fields, as measured.
_SKY_MEDIAN = np.array([[3.3, 1.9, 3.1, 3.0]] * 2 + [[6.5, 3.8, 5.8, 5.4]] * 3)
_SKY_SCATTER = np.array([0.60, 0.46, 0.46, 0.37])  # standard deviation of its logarithm; measured
_SHOT_VARIANCE = 0.15  # extra variance per unit of flux; measured
_RADIUS = 1.1  # degrees, DECam's


def draw_cadence(generator: np.random.Generator) -> Cadence:
    """Draw the fields of one season; their places on the sky are random."""
    fields = []
    for depth in _SKY_MEDIAN:
        steps = generator.integers(3, 9, size=80).astype(np.float64)  # a visit each 3 to 8 nights; chosen
        nights = _SEASON[0] + np.cumsum(steps) - generator.integers(0, 6)
        storm = generator.uniform(_SEASON[0], _SEASON[1] - 14.0)  # two weeks of bad weather; chosen
        clear = (nights < _SEASON[1]) & ((nights < storm) | (nights > storm + 14.0))
        nights = nights[clear] + generator.uniform(0.05, 0.3)
        seen = generator.uniform(size=(len(nights), len(BANDS))) < 0.9  # one visit in ten fails; chosen
        night, band = np.nonzero(seen)
        scatter = np.exp(_SKY_SCATTER[band] * generator.normal(size=len(band)))
        fields.append(
            Field(
                ra=generator.uniform(0.0, 360.0),
                dec=generator.uniform(-60.0, 5.0),
                radius=_RADIUS,
                mwebv=0.01 + generator.exponential(0.02),  # away from the Galactic plane; chosen
                season=_SEASON,
                mjd=nights[night] + 0.01 * band,  # bands a quarter of an hour apart
                band_index=band,
                sky=depth[band] * scatter,
                shot=np.full(len(band), _SHOT_VARIANCE),
            )
        )
    return Cadence(fields, floor=0.0)
