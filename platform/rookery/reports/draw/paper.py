"""Charts as figures of a paper, one column wide or two: with matplotlib, without pyplot."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from rookery.reports.charts.model import Axis, Band, Bars, Cells, Chart, Guide, Line, Mark, Panel, Steps
from rookery.reports.draw.colours import DASHES, colour, dash_of
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_COLUMN, _PAGE = 3.5, 7.1  # inches: one column of a journal, and both
_SINGLE, _STACKED, _IN_GRID = 2.4, 1.5, 1.75  # inches: heights of a panel alone, above others, among others
_MARGIN, _LEGEND_LINE = 0.6, 0.17
_LETTERS = 18.3  # letters of a legend that fit into an inch; an entry's line takes as many as _HANDLE
_HANDLE = 8
_TITLE_WIDTH = 46  # letters of a title that fit above one column
_MARKERS = "osD^v<>pX*"
_SUFFIXES = (".png", ".pdf", ".svg")
_STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "#444444",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,  # TrueType: journals refuse matplotlib's default
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw and save figures in the style of a paper; the process's own settings come back after."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def save_chart(chart: Chart, folder: Path, name: str) -> None:
    """Draw a chart and write it as ``<name>.png`` (300 dots per inch) and ``<name>.pdf``."""
    with paper_style():
        figure = paper_figure(chart)
        figure.savefig(folder / f"{name}.png", dpi=300)
        figure.set_layout_engine("none")  # what was laid out stays: to do it again would cost as much time
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})


def check_figure_path(path: Path) -> None:
    """Refuse a file whose kind cannot be drawn, before long work is done for it."""
    if path.suffix.lower() not in _SUFFIXES:
        raise fail(path, f"a figure must end in {', '.join(_SUFFIXES)}")


def empty_figure(width: float, height: float, **options: Any) -> "Figure":
    """Return a figure of so many inches that needs no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


def paper_figure(chart: Chart) -> "Figure":
    """Draw a chart; within :func:`paper_style`."""
    rows, columns = len(chart.rows), len(chart.rows[0])
    width = _COLUMN if columns == 1 else _PAGE
    one = _IN_GRID if columns > 1 else _STACKED if rows > 1 else _SINGLE
    one = (width - 0.9) / columns if chart.square else one
    heights = [one * (row[0].height if row[0] else 1.0) for row in chart.rows]
    labels = 2 * _LEGEND_LINE * (rows - 1) if chart.square else 0.0  # below panels with none beneath
    figure = empty_figure(width, sum(heights) + _MARGIN + labels, layout="constrained")
    grid = figure.subplots(
        rows, columns, sharex=True, sharey=chart.square, squeeze=False, height_ratios=heights
    )
    for row, panels in enumerate(chart.rows):
        for column, panel in enumerate(panels):
            if panel is None:
                grid[row, column].set_visible(False)
                continue
            lowest = row + 1 == rows or chart.rows[row + 1][column] is None
            _draw_panel(grid[row, column], panel, lowest=lowest, leftmost=column == 0)
            if panel.title:
                grid[row, column].set_title(panel.title, loc="left")
    if chart.title and columns == 1:
        grid[0, 0].set_title(fill(chart.title, _TITLE_WIDTH), loc="left")
    elif chart.title:
        figure.suptitle(chart.title, x=0.01, ha="left", fontsize=9.0)
    _add_colour_bar(figure, grid)
    _add_legends(figure, [axes for axes in grid.flat if axes.get_visible()])
    figure.align_ylabels(grid[:, 0])
    return figure


def _draw_panel(axes: "Axes", panel: Panel, *, lowest: bool, leftmost: bool) -> None:
    for mark in panel.marks:
        _DRAWN[type(mark)](axes, mark)
    _set_axis(axes, "x", panel.x)
    _set_axis(axes, "y", panel.y)
    if lowest:
        axes.set_xlabel(panel.x.label)
        axes.tick_params(labelbottom=True)
    if leftmost:
        axes.set_ylabel(panel.y.label)
    axes.text(0.05, 0.95, panel.note, transform=axes.transAxes, va="top", fontsize=7.0)


def _set_axis(axes: "Axes", letter: str, given: Axis) -> None:
    """Set range, names and scale of an axis; a logarithmic x has numbers at 1, 2 and 5 of a decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = getattr(axes, f"{letter}axis")
    if given.log:
        axes.set(**{f"{letter}scale": "log"})
    if given.log and letter == "x":
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    if given.names:
        axis.set_ticks(range(len(given.names)), given.names)
        axis.set_tick_params(length=0)
    if given.limits is not None:
        axes.set(**{f"{letter}lim": given.limits})


def _add_legends(figure: "Figure", shown: "Sequence[Axes]") -> None:
    """Put a legend into every panel that needs one; one for all stands below, where it hides nothing."""
    found = [axes.get_legend_handles_labels() for axes in shown]
    several = [(handles, labels) for handles, labels in found if len(labels) > 1]
    if several and all(labels == several[0][1] for _, labels in several):
        handles, labels = several[0]
        width, height = figure.get_size_inches()
        abreast = max(1, int(width * _LETTERS) // (max(map(len, labels)) + _HANDLE))
        lines = -(-len(labels) // abreast)
        figure.set_size_inches(width, height + _LEGEND_LINE * lines)
        figure.legend(handles, labels, loc="outside lower center", ncols=-(-len(labels) // lines))
        return
    for axes, (_, labels) in zip(shown, found, strict=True):
        if len(labels) > 1 or (labels and len(shown) == 1):
            axes.legend(loc="best" if axes.lines else "upper right", ncols=len(labels), handlelength=1.8)


def _add_colour_bar(figure: "Figure", grid: "NDArray[Any]") -> None:
    """Give cells of all panels one logarithmic scale, and show it beside them."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator

    meshes = [mesh for axes in grid.flat for mesh in axes.collections if isinstance(mesh.norm, LogNorm)]
    if not meshes:
        return
    norm = LogNorm(1, max(2.0, *(float(mesh.get_array().max()) for mesh in meshes)))
    for mesh in meshes:
        mesh.set_norm(norm)
    ticks, names = LogLocator(subs=(1.0, 2.0, 5.0)), FuncFormatter(lambda value, _: f"{value:g}")
    axes = list(grid.flat)
    figure.colorbar(
        meshes[0], ax=axes, label="Objects per cell", pad=0.02, aspect=30, ticks=ticks, format=names
    )


def _draw_guide(axes: "Axes", guide: Guide) -> None:
    style: Any = {"color": colour(guide.hue), "linewidth": 0.8, "linestyle": DASHES[guide.dash]}
    if isinstance(guide.x, tuple) and isinstance(guide.y, tuple):
        axes.plot(guide.x, guide.y, **style)
    elif isinstance(guide.y, float):
        axes.axhline(guide.y, **style)
    elif isinstance(guide.x, float):
        axes.axvline(guide.x, **style)


def _draw_line(axes: "Axes", line: Line) -> None:
    style: Any = {"color": colour(line.hue) if line.hue is not None else "#333333", "linewidth": 0.9}
    if line.low is not None and line.high is not None:
        if line.bars or len(line.x) == 1:  # a band of one point has no area
            axes.vlines(line.x, line.low, line.high, **style)
        else:
            axes.fill_between(line.x, line.low, line.high, color=colour(line.hue), alpha=0.18, linewidth=0)
    if line.hue is not None:
        style["linewidth"] = 1.4
    if line.marked:
        style |= {"marker": "o" if line.joined else _MARKERS[(line.hue or 0) % len(_MARKERS)]}
    dashes = DASHES[dash_of(line.hue, line.dash)] if line.joined else "none"
    axes.plot(line.x, line.y, linestyle=dashes, markersize=3, label=line.name or None, **style)


def _draw_band(axes: "Axes", band: Band) -> None:
    axes.fill_between(
        band.x, band.low, band.high, color=colour(band.hue), alpha=0.35, linewidth=0, label=band.name
    )


def _draw_steps(axes: "Axes", steps: Steps) -> None:
    style: Any = {"color": colour(steps.hue), "linestyle": DASHES[dash_of(steps.hue)]}
    if steps.filled:
        axes.stairs(steps.values, steps.edges, fill=True, color=colour(steps.hue), alpha=0.15)
    axes.stairs(steps.values, steps.edges, linewidth=1.2, label=steps.name, **style)


def _draw_bars(axes: "Axes", bars: Bars) -> None:
    axes.bar(
        bars.edges[:-1], bars.high - bars.low, np.diff(bars.edges), bars.low, align="edge",
        color=colour(bars.hue), alpha=0.55, edgecolor="white", linewidth=0.6, label=bars.name,
    )  # fmt: skip


def _draw_cells(axes: "Axes", cells: Cells) -> None:
    if cells.texts is None:
        shown = np.ma.masked_equal(cells.values, 0)
        axes.pcolormesh(cells.x, cells.y, shown, cmap="viridis", norm="log", rasterized=True)
        axes.set_aspect("equal")
        return
    axes.pcolormesh(cells.x, cells.y, cells.values, cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in np.ndindex(*cells.values.shape):
        shade = "white" if cells.values[row, column] > 0.55 else "#222222"
        axes.text(column, row, cells.texts[row][column], ha="center", va="center", color=shade)


_DRAWN: dict[type[Mark], Any] = {
    Guide: _draw_guide,
    Line: _draw_line,
    Band: _draw_band,
    Steps: _draw_steps,
    Bars: _draw_bars,
    Cells: _draw_cells,
}
