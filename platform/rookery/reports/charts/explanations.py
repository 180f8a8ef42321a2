"""Charts of what a network has learned: maps of its features, and distances of thinned copies."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.reports.charts.model import Axis, Chart, Guide, Line, single

_MOST_GROUPS = 6
_PARTS = 4


def map_chart(
    places: NDArray[np.float64], values: pd.Series, names: NDArray[np.str_], word: str
) -> Chart | None:
    """Return objects on a map, in colours by classes or by quarters of a number; None without two groups.

    Parameters
    ----------
    places
        (N, 2), NaN where an object is not on the map.
    values
        (N,) what to colour by; unknown ones are left out.
    names
        (N,) names of the objects.
    word
        What the values are.
    """
    lines = []
    on_map = np.flatnonzero(np.isfinite(places).all(axis=1))
    for hue, (label, those) in enumerate(_grouped(values.iloc[on_map].reset_index(drop=True)).items()):
        x, y = places[on_map][those].T
        lines.append(
            Line(
                label,
                x,
                y,
                hue,
                marked=True,
                joined=False,
                hover="{detail}",
                detail=list(names[on_map][those]),
            )
        )
    if len(lines) < 2:
        return None
    return single(f"by {word}", Axis("first axis"), Axis("second axis"), lines)


def thinning_chart(distances: Mapping[str, Sequence[tuple[float, float, float, float]]]) -> Chart:
    """Return the distances (part kept, median, low, high) of thinned copies, for each kind of objects."""
    lines: list[Line] = []
    for hue, (name, rows) in enumerate(distances.items()):
        part, median, low, high = np.array(sorted(rows)).T
        lines.append(Line(name, part, median, hue, low, high, marked=True))
    label = "Distance of features"
    x = Axis("Part of the observations that is kept", (0.0, 1.0))
    return single("", x, Axis(label), [Guide(y=1.0), *lines])


def _grouped(values: pd.Series) -> dict[str, NDArray[np.bool_]]:
    """Return who is in which group: the most frequent classes, or quarters of a number."""
    if not pd.api.types.is_numeric_dtype(values):
        frequent = values.dropna().astype(str).value_counts().index[:_MOST_GROUPS]
        return {str(name): (values.astype(str) == name).to_numpy() for name in frequent}
    number = values.to_numpy(np.float64)
    known = number[np.isfinite(number)]
    if not len(known):
        return {}
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _PARTS + 1)))
    if len(edges) < 2:
        return {}
    part = np.clip(np.searchsorted(edges, number, side="right") - 1, 0, len(edges) - 2)
    part = np.where(np.isfinite(number), part, -1)
    return {f"{edges[i]:.3g} to {edges[i + 1]:.3g}": part == i for i in range(len(edges) - 1)}
