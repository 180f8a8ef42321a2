"""A figure of example light curves: for each type one object, all its bands, fluxes with their errors."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rookery.reports.draw.colours import COLOURS, NEUTRAL
from rookery.reports.draw.paper import paper_style
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rookery.surveys import Survey

_SUFFIXES = (".png", ".pdf", ".svg")
_MARKERS = "osD^v<>pX*"
_DAYS = (-40.0, 110.0)  # around the most significant observation
_COVERED = (15.0, 60.0)  # days before and after it that a good example was watched
_MOST_TYPES = 12


def check_figure_path(path: Path) -> None:
    """Refuse a file whose kind cannot be drawn, before long work is done for it."""
    if path.suffix.lower() not in _SUFFIXES:
        raise fail(path, f"a figure must end in {', '.join(_SUFFIXES)}")


def draw_examples(survey: "Survey", path: Path) -> None:
    """Draw a well-observed object of each type into a PNG, PDF or SVG file.

    Of each type it is the one at the upper tenth of the number of detections (5 sigma) among those
    seen before and after their maximum: good, but not the best. At most twelve types are drawn,
    the most frequent ones.

    Raises
    ------
    InputError
        When the file's kind cannot be drawn, the survey has no typed object, or the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    check_figure_path(path)
    examples = _examples(survey)
    if not examples:
        raise fail(survey.path, "has no object of a known type to draw")
    columns = min(3, len(examples))
    rows = -(-len(examples) // columns)
    with paper_style():
        figure = Figure(figsize=(2.6 * columns, 2.0 * rows + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = [figure.add_subplot(rows, columns, number) for number in range(1, len(examples) + 1)]
        for place, row in zip(axes, examples, strict=True):
            _draw_object(place, survey, row)
        figure.supxlabel("Days from the most significant observation", fontsize=8.5)
        figure.supylabel(f"Flux (zero point {survey.info.zero_point:g})", fontsize=8.5)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), title=survey.info.name)
        with atomic_file(path) as partial:
            figure.savefig(partial, dpi=150, format=path.suffix[1:].lower())


def _examples(survey: "Survey") -> list[int]:
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


def _brightest(survey: "Survey", row: int) -> float:
    """Return the date of an object's most significant observation."""
    arrays = survey.observation_arrays()
    own = arrays.rows(row)
    return float(arrays.mjd[own][np.argmax(arrays.flux[own] / arrays.flux_err[own])])


def _draw_object(axes: "Axes", survey: "Survey", row: int) -> None:
    """Draw one object's bands as points with error bars."""
    arrays = survey.observation_arrays()
    own = arrays.rows(row)
    flux, error, band = arrays.flux[own], arrays.flux_err[own], arrays.band_index[own]
    days = arrays.mjd[own] - _brightest(survey, row)
    near = (days >= _DAYS[0]) & (days <= _DAYS[1]) & (error < 0.5 * flux.max())
    axes.axhline(0.0, color=NEUTRAL, linewidth=0.7)
    for index, name in enumerate(survey.bands):
        seen = near & (band == index)
        axes.errorbar(
            days[seen],
            flux[seen],
            error[seen],
            color=COLOURS[index % len(COLOURS)],
            fmt=_MARKERS[index % len(_MARKERS)],
            markersize=2.4,
            linewidth=0.7,
            label=name,
        )
    redshift = survey.objects["redshift"][row]
    at = "" if np.isnan(redshift) else f", z = {redshift:.2f}"
    axes.set_title(f"{survey.objects['type'][row]}{at}", loc="left")
    axes.set_xlim(*_DAYS)
