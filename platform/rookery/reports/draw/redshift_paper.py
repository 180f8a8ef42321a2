"""The figures of redshifts for a paper, as matplotlib figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rookery.reports.assess.pit import PitHistogram
from rookery.reports.charts.calibration import CALIBRATED
from rookery.reports.charts.redshifts import (
    Density,
    ErrorHistogram,
    ExampleShape,
    outlier_lines,
    visible_range,
)
from rookery.reports.draw.colours import NEUTRAL, colour
from rookery.reports.draw.paper import PAPER_WIDTH, dash_of
from rookery_ensembles.photoz_sample import OUTLIER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAGE_WIDTH = 7.1  # inches: both columns of a journal
_HEIGHT = 3.0
_LEGEND_LINE = 0.17
_ABREAST = 3
CELLS = "viridis"
"""Colour map of densities: rises evenly in lightness, and is told apart with any colour blindness."""


def draw_density(found: Density, notes: Sequence[str]) -> "Figure":
    """Draw z_phot against z_spec, a panel per method with its note, and the lines of outliers."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator

    columns = min(_ABREAST, len(found.counts))
    rows = -(-len(found.counts) // columns)
    width = PAPER_WIDTH if columns == 1 else _PAGE_WIDTH
    figure = _figure(width, rows * (width - 0.9) / columns + 0.35)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    norm = LogNorm(1, max(2.0, *(float(counts.max()) for counts in found.counts.values())))
    edges, image = found.edges, None
    for axes, (name, counts), note in zip(grid.flat, found.counts.items(), notes, strict=False):
        cells = np.ma.masked_equal(counts, 0)
        image = axes.pcolormesh(edges, edges, cells, cmap=CELLS, norm=norm, rasterized=True)
        for line, style in zip(outlier_lines(edges), ("--", "-", "--"), strict=True):
            axes.plot(edges[[0, -1]], line, color="#444444", linewidth=0.7, linestyle=style)
        axes.set(xlim=edges[[0, -1]], ylim=edges[[0, -1]], aspect="equal")
        axes.set_title(name, loc="left")
        axes.text(0.04, 0.96, note, transform=axes.transAxes, va="top", fontsize=7.5)
    for axes in grid.flat[len(found.counts) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("z_spec")
    for axes in grid[:, 0]:
        axes.set_ylabel("z_phot (mean of the PDF)")
    assert image is not None
    bar = figure.colorbar(image, ax=list(grid.flat), label="Objects per cell", pad=0.02, aspect=30)
    bar.locator, bar.formatter = (
        LogLocator(subs=(1.0, 2.0, 5.0)),
        FuncFormatter(lambda value, _: f"{value:g}"),
    )
    bar.update_ticks()
    return figure


def draw_errors(found: ErrorHistogram) -> "Figure":
    """Draw the distribution of dz, on a logarithmic axis."""
    figure, axes = _single("Distribution of Δz", "Δz = (z_phot − z_spec) / (1 + z_spec)", "Objects per bin")
    for line in (-OUTLIER, 0.0, OUTLIER):
        axes.axvline(line, color=NEUTRAL, linewidth=0.8, linestyle=":")
    for index, (name, counts) in enumerate(found.counts.items()):
        beyond = found.beyond[name]
        label = f"{name} ({beyond:,} beyond)" if beyond else name
        _steps(axes, found.edges, counts, index, label, filled=index == 0)
    top = max(float(counts.max()) for counts in found.counts.values())
    axes.set_yscale("log")
    axes.set(xlim=found.edges[[0, -1]], ylim=(0.7, 2.0 * max(1.0, top)))
    _legend_below(figure, axes)
    return figure


def draw_pit(found: PitHistogram) -> "Figure":
    """Draw the histogram of the PIT, and the band in which calibrated PDFs lie."""
    figure, axes = _single("PIT", "CDF at z_spec", "Objects per bin")
    axes.axhspan(found.low, found.high, color=NEUTRAL, alpha=0.25, linewidth=0, label=CALIBRATED)
    axes.axhline(found.expected, color=NEUTRAL, linewidth=0.8, linestyle=":")
    for index, (name, counts) in enumerate(found.counts.items()):
        _steps(axes, found.edges, counts, index, name, filled=index == 0)
    top = max(found.high, *(float(counts.max()) for counts in found.counts.values()))
    axes.set(xlim=(0, 1), ylim=(0, 1.08 * top))
    _legend_below(figure, axes)
    return figure


def draw_examples(shapes: Sequence[ExampleShape], kinds: Sequence[str]) -> "Figure":
    """Draw PDFs of single objects, a column per kind, with the true redshift."""
    rows = max(sum(shape.example.kind == kind for shape in shapes) for kind in kinds)
    legend = 1 + len(shapes[0].steps)
    figure = _figure(_PAGE_WIDTH, 1.75 * rows + 0.6 + _LEGEND_LINE * -(-legend // _ABREAST))
    grid = figure.subplots(rows, len(kinds), sharex=True, squeeze=False)
    for column, kind in enumerate(kinds):
        chosen = [shape for shape in shapes if shape.example.kind == kind]
        grid[0, column].set_title(kind, loc="left")
        for row, axes in enumerate(grid[:, column]):
            if row < len(chosen):
                _draw_example(axes, chosen[row])
            else:
                axes.set_visible(False)
        grid[-1, column].set_xlabel("Redshift")
    grid[0, 0].set_xlim(visible_range(shapes))
    for axes in grid[:, 0]:
        axes.set_ylabel("PDF")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=_ABREAST)
    return figure


def _draw_example(axes: "Axes", shape: ExampleShape) -> None:
    for index, (name, (edges, pdf)) in enumerate(shape.steps.items()):
        _steps(axes, edges, pdf, index, name, filled=index == 0)
    z_spec, z_mean = shape.example.z_spec, shape.example.z_mean
    axes.axvline(z_spec, ymax=0.7, color="#222222", linewidth=0.9, linestyle="--", label="z_spec")
    top = max(float(pdf.max()) for _, pdf in shape.steps.values())
    axes.set_ylim(0, 1.45 * top)
    axes.text(
        0.96, 0.95, f"z_spec {z_spec:.3f}\nz_mean {z_mean:.3f}", transform=axes.transAxes,
        ha="right", va="top", fontsize=7,
    )  # fmt: skip


def _steps(
    axes: "Axes", edges: np.ndarray, values: np.ndarray, index: int, label: str, *, filled: bool
) -> None:
    if filled:
        axes.stairs(values, edges, fill=True, color=colour(index), alpha=0.18)
    axes.stairs(values, edges, color=colour(index), linestyle=dash_of(index), linewidth=1.1, label=label)


def _single(title: str, x_label: str, y_label: str) -> "tuple[Figure, Axes]":
    figure = _figure(PAPER_WIDTH, _HEIGHT)
    axes = figure.subplots()
    axes.set_title(title, loc="left")
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure, axes


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _legend_below(figure: "Figure", axes: "Axes") -> None:
    """Put the legend below the axes, where it hides nothing, and make room for it."""
    lines = len(axes.get_legend_handles_labels()[1])
    figure.set_size_inches(figure.get_figwidth(), _HEIGHT + _LEGEND_LINE * lines)
    figure.legend(loc="outside lower center")
