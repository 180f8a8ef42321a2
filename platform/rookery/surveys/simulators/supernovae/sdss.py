"""An SDSS-II-like survey of Stripe 82: all of ugriz at each visit, three autumns.

Depths: five sigma, from the magnitudes that SDSS-II's supernova survey measured to ten sigma
(Frieman et al. 2008; g 21.8, r 21.5, i 21.2) and, in u and z, from the imaging survey; recalled.
"""

import numpy as np

from rookery.surveys.simulators.supernovae.cadence import Cadence, Field, clear_nights, darkness, depth_noise

BANDS = ("u", "g", "r", "i", "z")
_SEASONS = tuple((start, start + 90.0) for start in (53615.0, 53980.0, 54345.0))  # MJD: autumns of 2005-2007
_DEPTH = np.array([21.7, 22.55, 22.25, 21.95, 20.6])
_DEPTH_SCATTER = 0.25  # magnitudes, from night to night; chosen
_MOONLIGHT = np.array([0.9, 0.7, 0.4, 0.25, 0.1])  # magnitudes lost at full moon; chosen
_FIELDS = 12  # pieces of the stripe that share their nights; chosen


def draw_cadence(generator: np.random.Generator) -> Cadence:
    """Draw twelve pieces of Stripe 82 in each of three seasons."""
    fields = []
    for season in _SEASONS:
        for ra in np.linspace(-45.0, 50.0, _FIELDS):
            days = np.cumsum(generator.integers(2, 6, size=60))  # every other night or rarer; chosen
            days = days[days < season[1] - season[0]]
            days = days[clear_nights(season, 0.12, 0.35, generator)[days]]
            nights = season[0] + days + generator.uniform(0.1, 0.4)
            mjd = np.repeat(nights, len(BANDS)) + np.tile(0.0008 * np.arange(len(BANDS)), len(nights))
            band = np.tile(np.arange(len(BANDS)), len(nights))
            shared = np.repeat(generator.normal(size=len(nights)), len(BANDS))  # the seeing of the night
            depth = _DEPTH[band] + _DEPTH_SCATTER * shared - _MOONLIGHT[band] * (1.0 - darkness(mjd))
            sky, shot = depth_noise(depth)
            fields.append(
                Field(
                    ra=float(ra) % 360.0,
                    dec=0.0,
                    radius=1.25,
                    mwebv=0.03 + generator.exponential(0.03),  # chosen
                    season=season,
                    mjd=mjd,
                    band_index=band,
                    sky=sky,
                    shot=shot,
                )
            )
    return Cadence(fields, floor=0.01)
