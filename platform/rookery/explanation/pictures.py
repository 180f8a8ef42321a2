"""Pictures of what a network sees in an object: its image and mask, each stage's maps, what matters to it."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rookery.reports.draw.paper import empty_figure, paper_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 7.1  # inches: both columns of a journal
_CHANNELS = 8
"""Channels of a stage that are drawn: those that vary most over this object."""
_HIGHEST = 99.5  # percentile of the absolute values at which a colour scale ends
Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Picture:
    """A figure as files for a page and for a paper."""

    png: bytes
    pdf: bytes
    """Contents of the files."""


def activations_picture(
    signal: Array, mask: Array | None, stages: Mapping[str, Array], bands: Sequence[str]
) -> Picture:
    """Draw an object's image and mask, and below them what each stage makes of it.

    Parameters
    ----------
    signal
        (bands,), (bands, columns) or (bands, rows, columns) measured values.
    mask
        Of that shape, 1 where observed; None where everything was.
    stages
        Of one object: maps (channels, rows, columns), or vectors.
    """
    with paper_style():
        heights = [_height(signal), *(_height(values) for values in stages.values())]
        figure = empty_figure(_WIDTH, 0.3 + sum(heights) + 0.22 * len(heights), layout="constrained")
        grid: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
        rows = grid[:, 0]
        _draw_inputs(rows[0], signal, mask, bands)
        for part, (name, values) in zip(rows[1:], stages.items(), strict=True):
            _draw_stage(part, name, values)
        return _saved(figure)


def attributions_picture(
    signal: Array, parts: Mapping[str, Array], by_band: Array, bands: Sequence[str]
) -> Picture:
    """Draw measured values above what matters of them, and what each band as a whole matters.

    Parameters
    ----------
    parts
        By method, of the signal's shape; red raises the answer, blue lowers it.
    by_band
        (bands,) by how much the answer falls without each band.
    """
    shown = {"measured": signal, **parts} if signal.ndim > 1 else parts
    with paper_style():
        one = 1.5 if signal.ndim > 2 else 1.0
        figure = empty_figure(_WIDTH, one * len(shown) + 0.5, layout="constrained")
        halves: Any = figure.subfigures(1, 2, width_ratios=[4, 1])
        left, right = halves
        grid = left.subplots(len(shown), 1, squeeze=False)[:, 0]
        for axes, (name, values) in zip(grid, shown.items(), strict=True):
            if values.ndim == 1:
                _bars(axes, values, bands)
            elif values.ndim == 2:
                _image(axes, values, signed=True)
                axes.set_yticks(range(len(bands)), bands)
            else:
                _image(axes, np.concatenate(list(values), axis=1), signed=True)
                axes.set_xticks([(i + 0.5) * values.shape[2] for i in range(len(bands))], bands)
                axes.set_yticks([])
            axes.set_title(name, loc="left")
        axes = right.subplots()
        _bars(axes, by_band, bands)
        axes.set_title("without the band", loc="left")
        return _saved(figure)


def _height(values: Array) -> float:
    if values.ndim == 1:
        return 0.35
    return 0.9 if values.ndim == 3 and values.shape[1] > 8 else 0.55


def _draw_inputs(part: "Figure | Any", signal: Array, mask: Array | None, bands: Sequence[str]) -> None:
    if signal.ndim == 3:
        grid = part.subplots(1, len(bands), squeeze=False)[0]
        for axes, values, band in zip(grid, signal, bands, strict=True):
            _image(axes, np.arcsinh(values / max(float(np.std(values)), 1e-9)), signed=False)
            axes.set_title(band, loc="left")
            axes.set_axis_off()
        return
    shown = {"measured": np.arcsinh(signal) if signal.ndim == 2 else signal}
    shown |= {} if mask is None else {"observed": mask}
    grid = part.subplots(1, len(shown), squeeze=False)[0]
    for axes, (name, values) in zip(grid, shown.items(), strict=True):
        _image(axes, np.atleast_2d(values), signed=name == "measured" and signal.ndim == 2)
        axes.set_title(name, loc="left")
        if signal.ndim == 2:
            axes.set_yticks(range(len(bands)), bands)
        else:
            axes.set_xticks(range(len(bands)), bands)
            axes.set_yticks([])


def _draw_stage(part: "Figure | Any", name: str, values: Array) -> None:
    maps = values.reshape(len(values), -1) if values.ndim < 3 else values
    if maps.ndim < 3:
        axes = part.subplots()
        _image(axes, np.atleast_2d(values if values.ndim == 1 else maps), signed=False)
        axes.set_yticks([])
        axes.set_title(f"{name}: {len(values)}", loc="left")
        return
    order = np.argsort(-maps.reshape(len(maps), -1).std(axis=1), kind="stable")[:_CHANNELS]
    grid = part.subplots(1, _CHANNELS, squeeze=False)[0]
    for axes in grid[len(order) :]:
        axes.set_visible(False)
    for axes, channel in zip(grid, order, strict=False):
        _image(axes, maps[channel], signed=False)
        axes.set_axis_off()
    grid[0].set_title(f"{name}: {' × '.join(map(str, values.shape))}", loc="left")


def _image(axes: "Axes", values: Array, *, signed: bool) -> None:
    top = float(np.percentile(np.abs(values), _HIGHEST)) if values.size else 0.0
    top = top or float(np.abs(values).max(initial=0.0)) or 1.0
    scale = {"cmap": "RdBu_r", "vmin": -top, "vmax": top} if signed else {"cmap": "viridis"}
    axes.imshow(values, aspect="auto", interpolation="nearest", **scale)


def _bars(axes: "Axes", values: Array, bands: Sequence[str]) -> None:
    axes.barh(range(len(bands)), values, color=["#B2182B" if value > 0 else "#2166AC" for value in values])
    axes.set_yticks(range(len(bands)), bands)
    axes.invert_yaxis()
    axes.axvline(0.0, color="#444444", linewidth=0.7)


def _saved(figure: "Figure") -> Picture:
    png, pdf = io.BytesIO(), io.BytesIO()
    figure.savefig(png, dpi=150, format="png")
    figure.set_layout_engine("none")
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None})
    return Picture(png.getvalue(), pdf.getvalue())
