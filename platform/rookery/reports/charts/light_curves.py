"""The chart of a survey's example light curves: an object of each type, all its bands with their errors."""

import numpy as np
from numpy.typing import NDArray

from rookery.reports.charts.model import Axis, Chart, Guide, Line, Panel, in_rows
from rookery.surveys.store import Survey

_DAYS = (-40.0, 110.0)  # around the most significant observation
_COVERED = (15.0, 60.0)  # days before and after it that a good example was watched
_MOST_TYPES, _ABREAST = 12, 3


def light_curves_chart(survey: Survey) -> Chart | None:
    """Return a well-observed object of each type, the most frequent twelve; None without a typed object.

    Of each type it is the one at the upper tenth of the number of detections (5 sigma) among those
    seen before and after their maximum: good, but not the best.
    """
    panels = [_panel(survey, row) for row in _examples(survey)]
    return Chart(survey.info.name, in_rows(panels, min(_ABREAST, len(panels)))) if panels else None


def _examples(survey: Survey) -> list[int]:
    """Return the row of one object per type, the most frequent types first."""
    arrays = survey.observation_arrays()
    detections = np.add.reduceat(arrays.flux >= 5.0 * arrays.flux_err, arrays.offsets[:-1])
    brightest = np.array([_brightest(survey, row) for row in range(len(survey))])
    first, last = arrays.mjd[arrays.offsets[:-1]], arrays.mjd[arrays.offsets[1:] - 1]
    covered = (brightest - first > _COVERED[0]) & (last - brightest > _COVERED[1])
    types = survey.objects["type"]
    rows = []
    for kind in types.value_counts().index[:_MOST_TYPES]:
        of_kind = np.flatnonzero((types == kind).to_numpy())
        if covered[of_kind].any():
            of_kind = of_kind[covered[of_kind]]
        ranked = of_kind[np.argsort(detections[of_kind], kind="stable")]
        rows.append(int(ranked[int(0.9 * (len(ranked) - 1))]))
    return rows


def _brightest(survey: Survey, row: int) -> float:
    """Return the date of an object's most significant observation."""
    arrays = survey.observation_arrays()
    own = arrays.rows(row)
    return float(arrays.mjd[own][np.argmax(arrays.flux[own] / arrays.flux_err[own])])


def band_lines(
    survey: Survey, row: int, start: float = 0.0, kept: NDArray[np.bool_] | None = None
) -> list[Line]:
    """Return the bands of an object as points with error bars, days since `start`; all or those `kept`."""
    arrays = survey.observation_arrays()
    own = arrays.rows(row)
    day, flux, error = arrays.mjd[own] - start, arrays.flux[own], arrays.flux_err[own]
    lines = []
    for hue, name in enumerate(survey.bands):
        seen = arrays.band_index[own] == hue
        if kept is not None:
            seen &= kept
        low, high = flux[seen] - error[seen], flux[seen] + error[seen]
        lines.append(
            Line(
                name, day[seen], flux[seen], hue, low, high, marked=True, joined=False, bars=True,
                hover="day {x:.2f}: {y:.4g}",
            )
        )  # fmt: skip
    return lines


def _panel(survey: Survey, row: int) -> Panel:
    """Return one object's bands as points with error bars."""
    arrays = survey.observation_arrays()
    own = arrays.rows(row)
    flux, error = arrays.flux[own], arrays.flux_err[own]
    best = _brightest(survey, row)
    days = arrays.mjd[own] - best
    near = (days >= _DAYS[0]) & (days <= _DAYS[1]) & (error < 0.5 * flux.max())
    lines = band_lines(survey, row, best, near)
    redshift = survey.objects["redshift"][row]
    at = "" if np.isnan(redshift) else f", z = {redshift:.2f}"
    x, y = (
        Axis("Days from the best observation", _DAYS),
        Axis(f"Flux (zero point {survey.info.zero_point:g})"),
    )
    return Panel([Guide(y=0.0), *lines], x, y, title=f"{survey.objects['type'][row]}{at}")
