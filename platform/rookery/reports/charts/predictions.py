"""The charts of predictions whose truth nobody knows: how many of what, how sure, and a single object."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.reports.charts.model import Axis, Chart, FloatArray, Guide, Line, Mark, Steps, single

_NUMBER = "from {x:.4g}\n{detail} objects"


def redshifts_chart(edges: FloatArray, counts: NDArray[np.int64]) -> Chart:
    """Return how many objects have which redshift: (B + 1,) edges, (B,) counts."""
    steps = Steps("", edges, counts, 0, True, _NUMBER)
    ends = (float(edges[0]), float(edges[-1]))
    return single("Redshifts", Axis("z_median", ends), Axis("Objects"), [steps])


def classes_chart(names: Sequence[str], counts: NDArray[np.int64], expected: FloatArray) -> Chart:
    """Return of how many objects each class is the most probable, and the sums of the probabilities."""
    places = np.arange(len(names), dtype=float)
    marks: list[Mark] = [
        _in_places("most probable", counts, 0, "{detail} objects"),
        Line("sum of the probabilities", places, expected, 1, marked=True, joined=False, hover="{y:,.1f}"),
    ]
    return single("Classes", Axis("", (-0.6, len(names) - 0.4), names=names), Axis("Objects"), marks)


def widths_chart(edges: FloatArray, counts: NDArray[np.int64]) -> Chart:
    """Return how wide the central 68 % intervals are, over 1 + z."""
    shown = np.flatnonzero(counts)
    part = slice(int(shown[0]), int(shown[-1]) + 1) if shown.size else slice(None)
    ends = edges[part.start : None if part.stop is None else part.stop + 1]
    steps = Steps("", ends, counts[part], 0, True, _NUMBER)
    x = Axis("Width of the 68 % interval / (1 + z_median)", _wide(ends, 8.0), log=True)
    return single("Width of intervals", x, Axis("Objects"), [steps])


def certainty_chart(edges: FloatArray, counts: NDArray[np.int64]) -> Chart:
    """Return how probable the most probable class is."""
    steps = Steps("", edges, counts, 0, True, _NUMBER)
    x = Axis("Probability of the most probable class", (0.0, 1.0))
    return single("How certain", x, Axis("Objects"), [steps])


def flags_chart(flags: Mapping[str, int], objects: int) -> Chart:
    """Return which part of the objects has each flag."""
    names = [name.replace("_", " ") for name in flags]
    part = 100 * np.array(list(flags.values()), dtype=float) / max(objects, 1)
    steps = _in_places("", part, 0, "{detail:.2f} %")
    top = max(1.0, 1.08 * float(part.max()))
    return single(
        "Flags", Axis("", (-0.6, len(names) - 0.4), names=names), Axis("% of objects", (0.0, top)), [steps]
    )


def pdf_chart(
    edges: FloatArray, density: FloatArray, interval: tuple[float, float], truth: float | None
) -> Chart:
    """Return a redshift PDF, its 68 % interval and the true redshift where it is known."""
    marks: list[Mark] = [Steps("PDF", edges, density, 0, True, "from {x:.4f}\ndensity {detail:.3g}")]
    marks += [Guide(x=end, hue=0, dash="dash") for end in interval]
    if truth is not None:
        top = 1.05 * float(density.max())
        marks.append(Line("z_spec", [truth] * 2, [0.0, top], 1, dash="dash", hover="z_spec {x:.4f}"))
    return single("", Axis("Redshift", (float(edges[0]), float(edges[-1]))), Axis("Density"), marks)


def probabilities_chart(names: Sequence[str], probability: FloatArray, truth: str | None) -> Chart:
    """Return the class probabilities of an object, and its true class where it is known."""
    marks: list[Mark] = [_in_places("probability", probability, 0, "{detail:.4f}")]
    if truth in names:
        marks.append(Line("truth", [float(names.index(truth))], [1.04], 1, marked=True, joined=False,
                          hover="the truth"))  # fmt: skip
    return single("", Axis("", (-0.6, len(names) - 0.4), names=names), Axis("Probability", (0.0, 1.1)), marks)


def _in_places(name: str, values: NDArray[Any], hue: int, hover: str) -> Steps:
    """Return a bar at each of the places 0, 1, 2... that an axis names."""
    places = np.arange(len(values))
    edges = np.stack([places - 0.35, places + 0.35], axis=1).ravel()
    between = np.insert(np.asarray(values, dtype=float), places[1:], 0.0)
    return Steps(name, edges, between, hue, True, hover)


def _wide(edges: FloatArray, least: float) -> tuple[float, float]:
    """Return the ends of a logarithmic axis that shows (B + 1,) edges: a factor of `least` at the least."""
    low, high = float(edges[0]), float(edges[-1])
    more = max(1.0, least * low / high) ** 0.5
    return low / more, high * more
