"""Partial light curves: a survey as it was known some days after detection, or before or after peak."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.observations import select
from rookery.surveys.properties import object_properties
from rookery.surveys.store import Survey
from rookery.surveys.view import SurveyView
from rookery_ensembles.errors import fail

Since = Literal["detection", "peak"]
PEAK_COLUMNS = ("sim_peak_mjd", "sim_peakmjd", "true_peak_mjd", "true_peakmjd", "peakmjd", "search_peakmjd")
"""Columns of the truth table that hold the date of maximum light; of several known dates the first counts."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The dates that days are counted from."""

    since: Since
    """``"detection"`` or ``"peak"``."""
    mjd: NDArray[np.float64]
    """(n_objects,) the dates."""
    description: str
    """Where they come from, in words."""


def reference_dates(survey: Survey, since: Since = "detection") -> Reference:
    """Return the date of each object from which days are counted.

    ``"detection"``: that of the first observation with a signal-to-noise ratio of 5 or more;
    of the first observation where there is none. ``"peak"``: the date of maximum light that the
    truth table knows (see `PEAK_COLUMNS`; only to cut light curves there, no network sees it);
    where it knows none, that of the brightest detection.

    Raises
    ------
    InputError
        When `since` is neither.
    """
    if since not in get_args(Since):
        raise fail("partial light curves", f"days count since detection or since peak, but not {since!r}")
    properties = object_properties(survey)
    if since == "detection":
        n = int((properties["n_detections"] == 0).sum())
        rest = (
            f"; of {n} of {len(survey)} objects, which have no detection, the first observation" if n else ""
        )
        first = properties["first_detection_mjd"].to_numpy(np.float64)
        return Reference(since, first, f"first observation with a signal-to-noise ratio of 5 or more{rest}")
    brightest = properties["peak_mjd"].to_numpy(np.float64)
    known, columns = _true_peaks(survey)
    n = int(np.isfinite(known).sum())
    if not n:
        return Reference(
            since, brightest, "date of the brightest detection: the survey knows no date of maximum light"
        )
    rest = f"; of {len(survey) - n} of {len(survey)} objects, which have none, the brightest detection"
    text = f"date of maximum light in the truth table ({', '.join(columns)})" + (
        rest if n < len(survey) else ""
    )
    return Reference(since, np.where(np.isfinite(known), known, brightest), text)


def truncate(
    survey: Survey,
    days: float,
    since: Since | Reference = "detection",
    *,
    rows: NDArray[np.intp] | None = None,
) -> SurveyView:
    """Return a survey whose objects keep the observations up to a day.

    An observation is kept when ``mjd <= reference date + days``, those before the reference date
    among them. Objects left with no observation (possible only when days count from peak) are
    left out: nothing was known of them on that day.

    Parameters
    ----------
    survey
        The survey; it is not changed.
    days
        Days since the reference date: 0 or more since detection; before peak they are negative.
    since
        What days count from, or what `reference_dates` returned.
    rows
        Rows of the object table to keep; by default all.

    Raises
    ------
    InputError
        When `days` is not finite, or negative since detection.
    """
    reference = since if isinstance(since, Reference) else reference_dates(survey, since)
    check_days(days, reference.since)
    arrays = survey.observation_arrays()
    wanted = np.ones(len(survey), dtype=bool)
    if rows is not None:
        wanted[:] = False
        wanted[rows] = True
    kept = (arrays.mjd <= reference.mjd[arrays.object_index] + days) & wanted[arrays.object_index]
    counts = np.bincount(arrays.object_index[kept], minlength=len(survey))
    left = np.flatnonzero(counts)
    new_index = np.cumsum(counts > 0) - 1
    found = select(arrays, kept, new_index[arrays.object_index[kept]], len(left))
    return SurveyView.of(survey, left, found)


def check_days(days: float, since: str) -> None:
    """Raise InputError unless `days` is finite, and not negative since detection."""
    if not np.isfinite(days):
        raise fail("partial light curves", f"days must be finite, but are {days}")
    if since == "detection" and days < 0:
        raise fail("partial light curves", f"days since detection must be 0 or more, but are {days:g}")


def _true_peaks(survey: Survey) -> tuple[NDArray[np.float64], list[str]]:
    """Return each object's date of maximum light, NaN where unknown, and the columns that told them."""
    truth, peak = survey.truth(), np.full(len(survey), np.nan)
    used: list[str] = []
    if truth is None:
        return peak, used
    for name in PEAK_COLUMNS:
        if name not in truth or not pd.api.types.is_numeric_dtype(truth[name]):
            continue
        values = truth[name].to_numpy(np.float64, na_value=np.nan)
        # SNANA writes -9 and the like for an unknown date.
        fresh = np.isnan(peak) & np.isfinite(values) & (values > 0)
        if fresh.any():
            peak[fresh] = values[fresh]
            used.append(name)
    return peak, used
