"""LSST-like surveys in ugrizy: the main survey (wide, fast, deep) and the deep-drilling fields.

Filters follow the moon: the telescope carries five of its six, and gives up u when the moon is
bright and y when it is dark. "Chosen" marks rhythms and weather picked by hand.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.supernovae.cadence import Cadence, Field, clear_nights, darkness, depth_noise

BANDS = ("u", "g", "r", "i", "z", "y")
# Five-sigma depths of single visits (LSST Science Requirements; Ivezic et al. 2019), rounded.
_DEPTH = np.array([23.9, 25.0, 24.7, 24.0, 23.3, 22.1])
_DEEPER = 1.25  # magnitudes that a night's stack gains in a deep-drilling field: ten visits; chosen
_DEPTH_SCATTER = 0.20  # magnitudes, seeing and clouds from visit to visit; chosen
_MOONLIGHT = np.array([0.9, 0.7, 0.35, 0.2, 0.1, 0.05])  # magnitudes lost at full moon; chosen
_FIRST, _SEASON = 61000.0, 180.0  # MJD of the first season's earliest start, and its days; chosen
_FLOOR = 0.005  # relative error of the calibration: the requirement
_RADIUS = 1.75  # degrees
# Centres (degrees) and Galactic E(B-V) of COSMOS, XMM-LSS, ELAIS-S1, CDFS, EDFS; recalled.
_DEEP_FIELDS = (
    (150.1, 2.2, 0.017),
    (35.7, -4.8, 0.022),
    (9.5, -44.0, 0.008),
    (53.1, -28.1, 0.008),
    (61.2, -48.4, 0.010),
)
_DEEP_SEASONS, _MAIN_FIELDS = 6, 60  # drawn at most so often; chosen
# What is taken in a night when the moon is dark, grey or bright; a night draws one row. Chosen.
_MAIN_NIGHTS = (
    ("ug", "ug", "gr", "gr", "ri", "iz"),
    ("gr", "ri", "ri", "iz", "zy"),
    ("ri", "iz", "iz", "zy"),
)
_DEEP_NIGHTS = (("ugri", "griz"), ("gri", "izy"), ("riz", "zy"))


def draw_deep_fields(generator: np.random.Generator) -> Cadence:
    """Draw six seasons of the five deep-drilling fields: a stack each two or three nights."""
    fields = []
    for ra, dec, mwebv in _DEEP_FIELDS:
        for year in range(_DEEP_SEASONS):
            days = np.cumsum(generator.integers(2, 4, size=100))
            fields.append(_field(ra, dec, mwebv, year, days, _DEEP_NIGHTS, _DEPTH + _DEEPER, generator))
    return Cadence(fields, _FLOOR)


def draw_main_survey(generator: np.random.Generator) -> Cadence:
    """Draw sixty fields of the main survey, one season each: a pair of visits about each four nights."""
    fields = []
    for number in range(_MAIN_FIELDS):
        days = np.cumsum(generator.geometric(0.25, size=100))
        ra, dec = generator.uniform(0.0, 360.0), np.degrees(np.arcsin(generator.uniform(-0.88, 0.0)))
        mwebv = min(0.015 + generator.exponential(0.04), 0.2)  # the wide area avoids the Galactic plane
        fields.append(_field(ra, float(dec), mwebv, number % 10, days, _MAIN_NIGHTS, _DEPTH, generator))
    return Cadence(fields, _FLOOR)


def _field(
    ra: float,
    dec: float,
    mwebv: float,
    year: int,
    days: NDArray[np.int64],
    choices: Sequence[Sequence[str]],
    depth: NDArray[np.float64],
    generator: np.random.Generator,
) -> Field:
    """Draw one season of a field, visited on the given days where the weather is clear."""
    start = _FIRST + 365.0 * year + np.floor(ra)  # fields come up in the order of right ascension
    season = (start, start + _SEASON)
    days = days[days < _SEASON]
    days = days[clear_nights(season, 0.08, 0.3, generator)[days]]
    hour = generator.uniform(0.05, 0.3, size=len(days))
    mjd, band = [], []
    for number, night in enumerate(start + days + hour):
        moon = 2 - int(np.digitize(darkness(night), [0.35, 0.7]))
        rows = choices[moon]
        row = rows[number % 2 if len(rows) == 2 else int(generator.integers(len(rows)))]
        band += [BANDS.index(name) for name in row]
        mjd += [night + 0.023 * place for place in range(len(row))]  # 33 minutes apart
    dates, bands = np.array(mjd), np.array(band, np.int64)
    lost = _MOONLIGHT[bands] * (1.0 - darkness(dates))
    reached = depth[bands] - lost + _DEPTH_SCATTER * generator.normal(size=len(bands))
    sky, shot = depth_noise(reached)
    return Field(ra, dec, _RADIUS, mwebv, season, dates, bands, sky, shot)
