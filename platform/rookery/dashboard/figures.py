"""Figures as plain values for plotly.js: few traces, many curves as one with gaps, never too many points."""

import base64
import html
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rookery.reports.charts.model import Chart
from rookery.reports.draw.colours import COLOURS, NEUTRAL
from rookery.reports.draw.page import page_figure, translucent

BLUE, ORANGE, GREEN, PURPLE, RED, _ = COLOURS
MOST_POINTS = 60_000
"""Of a figure's curves together; longer ones are thinned, their extremes kept."""
_SVG_POINTS = 8_000
"""With more the browser draws by WebGL, of which a page may hold but a few."""
_FEW_TRIALS = 8
Curve = tuple[NDArray[Any], NDArray[Any]]


def packed(values: ArrayLike, kind: str = "f4") -> dict[str, str]:
    """Return numbers as plotly.js reads them fastest; NaN makes a gap."""
    return {"dtype": kind, "bdata": base64.b64encode(np.asarray(values, kind).tobytes()).decode()}


def packed_image(image_ij: NDArray[Any]) -> dict[str, str]:
    """Return a table of numbers as plotly.js reads it fastest."""
    return {**packed(image_ij), "shape": ", ".join(map(str, image_ij.shape))}


def layout(key: str, x: str, y: str, **more: Any) -> dict[str, Any]:
    """Return a layout with axes; what the reader has zoomed stays as long as `key` is the same."""
    axis = {
        "showline": True,
        "linecolor": "#888",
        "gridcolor": "#e3e6ea",
        "zeroline": False,
        "automargin": True,
    }
    return {
        "uirevision": key,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"size": 12, "color": "#1c2430"},
        "margin": {"l": 56, "r": 12, "t": 28, "b": 44},
        "xaxis": {**axis, "title": {"text": x}},
        "yaxis": {**axis, "title": {"text": y}},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        **more,
    }


def charted(key: str, chart: Chart) -> dict[str, Any]:
    """Return a chart of the reports as a figure here; its texts are :func:`plain` where others chose them."""
    figure = page_figure(chart)
    figure.update_layout(
        uirevision=key, paper_bgcolor="white", plot_bgcolor="white", font={"size": 12, "color": "#1c2430"}
    )
    drawn: dict[str, Any] = figure.to_plotly_json()
    return drawn


def plain(text: object) -> str:
    """Return text that plotly.js shall show as it is: it would take some HTML for its own."""
    return html.escape(str(text), quote=False)


def best_so_far(
    key: str, numbers: Sequence[int], values: Sequence[float], metric: str, minimize: bool
) -> dict[str, Any]:
    """Return every complete trial and the best one until then."""
    value = np.asarray(values, float)
    best = np.minimum.accumulate(value) if minimize else np.maximum.accumulate(value)
    points = {
        "type": "scattergl" if len(value) > _SVG_POINTS else "scatter", "mode": "markers", "name": "trial",
        "x": packed(numbers, "i4"), "y": packed(value, "f8"),
        "marker": {"color": NEUTRAL, "size": 5, "opacity": 0.7},
        "hovertemplate": "trial %{x}: %{y:.5g}<extra></extra>",
    }  # fmt: skip
    line = {
        "type": "scatter", "mode": "lines", "name": "best so far",
        "line": {"shape": "hv", "color": BLUE, "width": 2.5},
        "x": packed(numbers, "i4"), "y": packed(best, "f8"),
        "hovertemplate": "until trial %{x}: %{y:.5g}<extra></extra>",
    }  # fmt: skip
    shown = layout(f"best {key}", "trial", plain(metric))
    if max(numbers, default=0) < _FEW_TRIALS:
        shown["xaxis"]["dtick"] = 1  # no part of a trial
    low, high = robust_range(value)
    if low < high:
        shown["yaxis"]["autorangeoptions"] = {"clipmin": low, "clipmax": high}
    return {"data": [points, line], "layout": shown}


def robust_range(value: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the range to show first: a few that went astray do not flatten all others."""
    finite = value[np.isfinite(value)]
    if len(finite) < 5:
        return 0.0, 0.0
    low, middle, high = np.quantile(finite, [0.0, 0.5, 0.9])
    bottom, top = np.quantile(finite, 0.1), finite.max()
    if finite.max() <= high + 3 * (high - low):
        high = finite.max()
    if middle - low > 3 * (top - bottom):
        low = bottom
    room = 0.06 * (high - low)
    return float(low - room), float(high + room)


def joined(
    curves: Iterable[Curve], most: int = MOST_POINTS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return many curves as one, with a gap (NaN) after each, thinned to `most` points altogether."""
    curves = list(curves)
    total = sum(len(x) for x, _ in curves)
    keep = 1.0 if total <= most else most / total
    xs: list[NDArray[np.float32]] = []
    ys: list[NDArray[np.float32]] = []
    gap = np.array([np.nan], np.float32)
    for x, y in curves:
        chosen = thinned(y, max(4, int(len(y) * keep))) if keep < 1 else slice(None)
        xs += [x[chosen].astype(np.float32), gap]
        ys += [y[chosen].astype(np.float32), gap]
    if not xs:
        return gap[:0], gap[:0]
    return np.concatenate(xs), np.concatenate(ys)


def thinned(values: NDArray[Any], most: int) -> NDArray[np.intp]:
    """Return the places of about `most` values: of every stretch the lowest and highest, and the ends."""
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), max(2, most // 2) + 1).astype(int)
    chosen = {0, len(values) - 1}
    for begin, end in pairwise(edges):
        if end > begin:
            part = np.nan_to_num(values[begin:end], nan=0.0)
            chosen |= {begin + int(part.argmin()), begin + int(part.argmax())}
    return np.array(sorted(chosen), np.intp)


def curves_trace(
    name: str,
    curves: Sequence[Curve],
    colour: str,
    opacity: float = 1.0,
    width: float = 1.2,
    most: int = MOST_POINTS,
) -> dict[str, Any]:
    """Return many curves as one trace."""
    x, y = joined(curves, most)
    return {
        "type": "scattergl" if len(x) > _SVG_POINTS else "scatter", "mode": "lines", "name": name,
        "x": packed(x), "y": packed(y), "line": {"color": colour, "width": width}, "opacity": opacity,
        "connectgaps": False, "hoverinfo": "skip" if len(curves) > 30 else "x+y+name",
    }  # fmt: skip


def quantile_band(curves: Sequence[Curve], name: str, colour: str) -> list[dict[str, Any]]:
    """Return the median of many curves and what 80 % of them lie within, epoch by epoch."""
    last = max(int(x[-1]) for x, _ in curves if len(x))
    table = np.full((len(curves), last), np.nan, np.float32)
    for row, (x, y) in enumerate(curves):
        table[row, x.astype(int) - 1] = y
    enough = np.isfinite(table).sum(axis=0) >= max(3, len(curves) // 10)
    epochs = np.arange(1, last + 1)[enough]
    if not len(epochs):
        return []
    low, middle, high = np.nanquantile(table[:, enough], [0.1, 0.5, 0.9], axis=0)
    edge = {
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "x": packed(epochs, "i4"),
    }
    return [
        {**edge, "y": packed(low), "showlegend": False},
        {**edge, "y": packed(high), "fill": "tonexty", "fillcolor": translucent(colour, 0.22),
         "name": f"80 % of {name}"},
        {"type": "scatter", "mode": "lines", "name": f"median of {name}",
         "x": packed(epochs, "i4"), "y": packed(middle),
         "line": {"color": colour, "width": 2}, "hovertemplate": "epoch %{x}: %{y:.5g}<extra>median</extra>"},
    ]  # fmt: skip
