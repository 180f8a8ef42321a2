"""Stacked panels as figures of a paper: one column wide, lines with bands above, counts below."""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from rookery.reports.charts.against import Counts, Panel, Series, Stack
from rookery.reports.draw.colours import NEUTRAL, colour
from rookery.reports.draw.paper import PAPER_WIDTH, dash_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_HEIGHT, _COUNTS_HEIGHT, _MARGIN = 1.45, 0.85, 0.75  # inches
_SINGLE_HEIGHT = 2.25
_TITLE_WIDTH = 46  # characters that fit above the panels


def draw_stack(stack: Stack) -> "Figure":
    """Draw the panels of a stack above each other, and the counts below them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [_PANEL_HEIGHT if len(stack.panels) > 1 else _SINGLE_HEIGHT] * len(stack.panels)
    heights += [_COUNTS_HEIGHT] if stack.counts is not None else []
    figure = Figure(figsize=(PAPER_WIDTH, sum(heights) + _MARGIN), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    rows: list[Axes] = list(grid[:, 0])
    rows[0].set_title(fill(stack.title, _TITLE_WIDTH), loc="left")
    names = [[line.name for line in panel.series] for panel in stack.panels]
    shared = len(names) > 1 and names.count(names[0]) == len(names) and len(names[0]) > 1
    for axes, panel in zip(rows, stack.panels, strict=False):
        _draw_panel(axes, panel, stack.markers, legend=not shared and len(panel.series) > 1)
    if stack.counts is not None:
        _draw_counts(rows[-1], stack.counts)
    if shared:  # several methods: one legend, below, where it hides nothing
        handles, labels = rows[0].get_legend_handles_labels()
        figure.set_size_inches(PAPER_WIDTH, sum(heights) + _MARGIN + 0.17 * len(labels))
        figure.legend(handles, labels, loc="outside lower center")
    if stack.log_x:
        _log_axis(rows[-1])
    if stack.x_limits is not None:
        rows[-1].set_xlim(stack.x_limits)
    rows[-1].set_xlabel(stack.x_label)
    figure.align_ylabels(rows)
    return figure


def _draw_panel(axes: "Axes", panel: Panel, markers: bool, *, legend: bool) -> None:
    for line in panel.series:
        _draw_series(axes, line, markers)
    if panel.limits is not None:
        axes.set_ylim(panel.limits)
    axes.set_ylabel(panel.label)
    if legend:
        axes.legend(loc="best", ncols=len(panel.series), columnspacing=1.2, handlelength=1.8)


def _draw_series(axes: "Axes", line: Series, markers: bool) -> None:
    hue = NEUTRAL if line.hue is None else colour(line.hue)
    if line.whole is not None:
        axes.axhline(line.whole, color=hue, linewidth=0.8, linestyle=":")
    axes.fill_between(line.x, line.low, line.high, color=hue, alpha=0.18, linewidth=0)
    if len(line.x) == 1:  # a band of one point has no area
        axes.vlines(line.x, line.low, line.high, color=hue, linewidth=0.9)
    axes.plot(
        line.x, line.y, color=hue, linestyle=":" if line.hue is None else dash_of(line.hue),
        linewidth=0.8 if line.hue is None else None, marker="o" if markers else None, markersize=3,
        label=line.name,
    )  # fmt: skip


def _draw_counts(axes: "Axes", counts: Counts) -> None:
    """Draw stacked bars over bins, or lines through points; the positive class in its colour."""
    tones = [colour(0), NEUTRAL] if len(counts.bars) > 1 else [NEUTRAL]
    below = np.zeros(len(next(iter(counts.bars.values()))))
    for (name, number), tone in zip(counts.bars.items(), tones, strict=False):
        if len(counts.x) == len(number) + 1:
            axes.bar(
                counts.x[:-1], number, np.diff(counts.x), below, align="edge", color=tone,
                alpha=0.55, edgecolor="white", linewidth=0.6, label=name,
            )  # fmt: skip
        else:
            axes.fill_between(
                counts.x, below, below + number, color=tone, alpha=0.45, linewidth=0, label=name
            )
        below = below + number
    axes.set_ylim(0, 1.45 * max(1.0, float(below.max())))
    axes.set_ylabel(counts.label)
    if len(counts.bars) > 1:
        axes.legend(loc="upper right", ncols=len(counts.bars), columnspacing=1.2, handlelength=1.2)


def _log_axis(axes: "Axes") -> None:
    """Make the axis logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
