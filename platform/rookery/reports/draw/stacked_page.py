"""Stacked panels for plotly.js in the reader's browser."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rookery.reports.charts.against import Counts, Series, Stack
from rookery.reports.draw.colours import NEUTRAL, colour
from rookery.reports.draw.page import line_of, translucent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_COUNTS_SHARE = 0.6  # height of the counts, of a panel's


def stack_figure(stack: Stack) -> "go.Figure":
    """Return the panels of a stack above each other, and the counts below them."""
    from plotly.subplots import make_subplots

    heights = [1.0] * len(stack.panels) + ([_COUNTS_SHARE] if stack.counts is not None else [])
    figure = make_subplots(len(heights), 1, shared_xaxes=True, vertical_spacing=0.035, row_heights=heights)
    axis = {"showline": True, "mirror": True, "zeroline": False, "ticks": "outside", "ticklen": 4}
    top = 94 if len(heights) > 1 else 34  # room for a legend of two lines below the buttons
    figure.update_layout(
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "xanchor": "left", "x": 0.0},
        margin={"l": 62, "r": 14, "t": top, "b": 52}, hovermode="closest", template="none",
        showlegend=True, barmode="stack",
    )  # fmt: skip
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, automargin=True)
    named: set[str] = set()
    for row, panel in enumerate(stack.panels, 1):
        for line in panel.series:
            _add_series(figure, row, line, stack.markers, legend=line.name not in named)
            named.add(line.name)
        limits = None if panel.limits is None else list(panel.limits)
        figure.update_yaxes(title_text=panel.label, range=limits, row=row, col=1)
    if stack.counts is not None:
        _add_counts(figure, len(heights), stack.counts, stack.log_x)
        figure.update_yaxes(title_text=stack.counts.label, row=len(heights), col=1)
    if stack.log_x:
        ticks = [step * 10.0**power for power in range(-6, 9) for step in (1, 2, 5)]
        names = [f"{tick:g}" for tick in ticks]
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=names)
    if stack.x_limits is not None:
        figure.update_xaxes(range=list(stack.x_limits))
    figure.update_xaxes(title_text=stack.x_label, row=len(heights), col=1)
    return figure


def _add_series(figure: "go.Figure", row: int, line: Series, markers: bool, *, legend: bool) -> None:
    hue, place = NEUTRAL if line.hue is None else colour(line.hue), {"row": row, "col": 1}
    if line.whole is not None and len(line.x):
        figure.add_hline(
            line.whole, line={"color": hue, "width": 1, "dash": "dot"}, exclude_empty_subplots=False, **place
        )
    runs = _runs(line)
    for known in runs:
        x = np.concatenate([line.x[known], line.x[known][::-1]])
        y = np.concatenate([line.high[known], line.low[known][::-1]])
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"width": 0}, fill="toself", fillcolor=translucent(hue),
            showlegend=False, hoverinfo="skip", legendgroup=line.name, **place,
        )  # fmt: skip
    ends = "<br>68 %: %{customdata[0]:.4f} to %{customdata[1]:.4f}" if runs else ""
    style = {"color": hue, "width": 1, "dash": "dot"} if line.hue is None else line_of(line.hue)
    hover: dict[str, Any] = {"hovertemplate": "%{x:.4g}: %{y:.4f}" + ends}
    figure.add_scatter(
        x=line.x, y=line.y, customdata=np.column_stack([line.low, line.high]), name=line.name,
        mode="lines+markers" if markers else "lines", line=style, marker={"size": 6, "color": hue},
        showlegend=legend, legendgroup=line.name,
        **(hover if line.hue is not None else {"hoverinfo": "skip"}), **place,
    )  # fmt: skip


def _runs(line: Series) -> list[slice]:
    """Return the unbroken stretches of a band: an undefined point is a gap in it."""
    known = np.isfinite(line.low) & np.isfinite(line.high)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    return [slice(int(low), int(high)) for low, high in zip(ends[::2], ends[1::2], strict=True)]


def _add_counts(figure: "go.Figure", row: int, counts: Counts, log_x: bool) -> None:
    tones = [colour(0), NEUTRAL] if len(counts.bars) > 1 else [NEUTRAL]
    for (name, number), tone in zip(counts.bars.items(), tones, strict=False):
        shared: dict[str, Any] = {"name": f"{name} (objects)", "row": row, "col": 1}
        if len(counts.x) != len(number) + 1:
            figure.add_scatter(
                x=counts.x, y=number, mode="lines", stackgroup="counts", line={"width": 0},
                fillcolor=translucent(tone, 0.5), hovertemplate="%{y} objects", **shared,
            )  # fmt: skip
            continue
        # Bars of a logarithmic axis are placed in its own terms: plotly takes widths in decades.
        low, high = counts.x[:-1], counts.x[1:]
        edges = [f"{a:.4g} to {b:.4g}" for a, b in zip(low, high, strict=True)]
        if log_x:
            for index in range(len(number)):
                _add_box(figure, row, counts, list(counts.bars).index(name), index, tone, edges[index])
            continue
        figure.add_bar(
            x=(low + high) / 2, y=number, width=high - low, customdata=edges,
            marker={"color": translucent(tone, 0.55), "line": {"width": 1, "color": "white"}},
            hovertemplate="%{customdata}<br>%{y} objects", **shared,
        )  # fmt: skip


def _add_box(
    figure: "go.Figure", row: int, counts: Counts, which: int, index: int, tone: str, edges: str
) -> None:
    """Add one bar as a filled outline, which a logarithmic axis places right."""
    names = list(counts.bars)
    below = sum(float(counts.bars[name][index]) for name in names[:which])
    number = float(counts.bars[names[which]][index])
    low, high = counts.x[index], counts.x[index + 1]
    figure.add_scatter(
        x=[low, low, high, high, low], y=[below, below + number, below + number, below, below],
        mode="lines", fill="toself", fillcolor=translucent(tone, 0.55), line={"width": 1, "color": "white"},
        name=f"{names[which]} (objects)", legendgroup=names[which], showlegend=index == 0,
        text=f"{edges}<br>{number:g} objects", hoverinfo="text", row=row, col=1,
    )  # fmt: skip
