"""Charts as figures for plotly.js in the reader's browser; their theme is the page's."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rookery.reports.charts.model import (
    Axis,
    Band,
    Bars,
    Cells,
    Chart,
    Guide,
    Line,
    Mark,
    Panel,
    Points,
    Steps,
)
from rookery.reports.draw.colours import colour, dash_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

_AXIS = {"showline": True, "mirror": True, "zeroline": False, "ticks": "outside", "ticklen": 4}
# So many entries of a legend fit on a line; with more of them there must be room below the buttons.
_ONE_LINE = 3
_TOP, _TITLE, _ONE, _MANY = 34, 10, 34, 54  # pixels above panels: for buttons, titles, a legend between
_TICKS = (1, 10, 100, 1000, 10_000, 100_000)


def page_figure(chart: Chart) -> "go.Figure":
    """Return a chart as a figure."""
    from plotly.subplots import make_subplots

    rows, columns = len(chart.rows), len(chart.rows[0])
    titles = [panel.title if panel else "" for row in chart.rows for panel in row]
    figure = make_subplots(
        rows, columns, shared_xaxes=True, shared_yaxes=chart.square, subplot_titles=titles,
        row_heights=[row[0].height if row[0] else 1.0 for row in chart.rows],
        horizontal_spacing=0.05, vertical_spacing=0.0 if rows == 1 else 0.035 if columns == 1 else 0.12,
    )  # fmt: skip
    figure.update_annotations(font_size=13)
    figure.update_xaxes(**_AXIS)
    figure.update_yaxes(**_AXIS, automargin=True)
    for row, panels in enumerate(chart.rows):
        for column, panel in enumerate(panels):
            if panel is not None:
                lowest = row + 1 == rows or chart.rows[row + 1][column] is None
                _Drawing(figure, panel, row + 1, column + 1).draw(lowest=lowest)
    named = _first_of_each_name(figure)
    top = _TOP + (_TITLE if any(titles) else 0)
    if named > _ONE_LINE:
        top += _MANY
    elif named and any(titles):
        top += _ONE
    figure.update_layout(
        legend={
            "orientation": "h", "yanchor": "bottom", "y": 1.09 if any(titles) else 1.02,
            "xanchor": "left", "x": 0.0,
        },
        margin={"l": 62, "r": 14, "t": top, "b": 52},
        hovermode="closest", template="none", showlegend=named > 0,
    )  # fmt: skip
    return figure


def translucent(hexadecimal: str, opacity: float) -> str:
    """Return a colour that lets what lies behind it shine through."""
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def _first_of_each_name(figure: "go.Figure") -> int:
    """Leave one trace of each name in the legend, and return how many there are."""
    seen: set[str] = set()
    for trace in figure.data:
        if trace.showlegend is not False:
            trace.update(showlegend=trace.legendgroup not in seen)
            seen.add(trace.legendgroup)
    return len(seen)


class _Drawing:
    """A panel, drawn at its place in a figure."""

    def __init__(self, figure: "go.Figure", panel: Panel, row: int, column: int) -> None:
        self._figure, self._panel = figure, panel
        self._place: dict[str, int] = {"row": row, "col": column}

    def draw(self, *, lowest: bool) -> None:
        """Draw all marks, axes and the note; labels stand at the outer panels only."""
        for mark in self._panel.marks:
            self._draw_mark(mark)
        x, y = self._panel.x, self._panel.y
        self._figure.update_xaxes(**_axis(x, along=True, label=lowest), **self._place)
        self._figure.update_yaxes(**_axis(y, along=False, label=self._place["col"] == 1), **self._place)
        if lowest:
            self._figure.update_xaxes(showticklabels=True, **self._place)
        if self._panel.note:
            self._figure.add_annotation(
                text=self._panel.note.replace("\n", "<br>"), showarrow=False, align="left", font_size=12,
                xref="x domain", yref="y domain", x=0.03, y=0.97, xanchor="left", yanchor="top",
                **self._place,
            )  # fmt: skip

    def _draw_mark(self, mark: Mark) -> None:
        match mark:
            case Guide():
                self._draw_guide(mark)
            case Line():
                self._draw_line(mark)
            case Band():
                self._fill(mark.x, mark.low, mark.high, mark.hue, 0.35, mark.name)
                if mark.hover:
                    self._scatter(mark.name, mark.x, mark.high, mark.hover, mark.detail, line={"width": 0})
            case Steps():
                self._draw_steps(mark)
            case Bars():
                self._draw_bars(mark)
            case Cells():
                self._draw_cells(mark)

    def _scatter(
        self, name: str, x: Points, y: Points, hover: str = "", detail: Any = None, **style: Any
    ) -> None:
        """Add a trace; without a name it is in no legend, and without a text it tells nothing."""
        told = (
            {"hovertemplate": _template(hover, name), "customdata": detail}
            if hover
            else {"hoverinfo": "skip"}
        )
        self._figure.add_scatter(
            x=x, y=y, name=name, legendgroup=name, **({"mode": "lines"} | told | style), **self._place
        )
        if not name:
            self._figure.data[-1].showlegend = False

    def _draw_guide(self, guide: Guide) -> None:
        line = {"color": colour(guide.hue), "width": 1, "dash": guide.dash}
        if isinstance(guide.x, tuple) and isinstance(guide.y, tuple):
            self._scatter("", guide.x, guide.y, line=line)
        elif isinstance(guide.y, float):
            self._figure.add_hline(guide.y, line=line, exclude_empty_subplots=False, **self._place)
        elif isinstance(guide.x, float):
            self._figure.add_vline(guide.x, line=line, exclude_empty_subplots=False, **self._place)

    def _draw_line(self, line: Line) -> None:
        tone, detail = colour(line.hue), line.detail
        hover = line.hover or ("{x:.4g}: {y:.4f}" if line.hue is not None else "")
        style: dict[str, Any] = {"line": {"color": tone, "width": 2.2, "dash": dash_of(line.hue, line.dash)}}
        if line.hue is None:
            style["line"]["width"] = 1.4
        if line.marked:
            style |= {"mode": "lines+markers" if line.joined else "markers"}
            style |= {"marker": {"color": tone, "size": 6 if line.joined else 9}}
        if line.low is not None and line.high is not None:
            if line.bars:
                up, down = line.high - line.y, line.y - line.low
                style["error_y"] = {
                    "symmetric": False,
                    "array": up,
                    "arrayminus": down,
                    "thickness": 1.2,
                    "width": 0,
                }
            elif self._fill(line.x, line.low, line.high, line.hue, 0.13) and not line.hover:
                detail = np.column_stack([line.low, line.high])
                hover += "\n68 %: {detail[0]:.4f} to {detail[1]:.4f}" if hover else ""
        self._scatter(line.name, line.x, line.y, hover, detail, **style)

    def _fill(
        self, x: Points, low: Points, high: Points, hue: int | None, opacity: float, name: str = ""
    ) -> bool:
        """Fill what lies between low and high, with gaps where undefined; tell whether there is any."""
        x, low, high = (np.asarray(part, dtype=float) for part in (x, low, high))
        found = _runs(np.isfinite(low) & np.isfinite(high))
        for run in found:
            around = np.concatenate([low[run], high[run][::-1]])
            style: dict[str, Any] = {
                "fill": "toself",
                "fillcolor": translucent(colour(hue), opacity),
                "line": {"width": 0},
            }
            self._scatter(name, np.concatenate([x[run], x[run][::-1]]), around, **style)
        return bool(found)

    def _draw_steps(self, steps: Steps) -> None:
        values = np.append(steps.values, steps.values[-1])
        # An empty bin has no place on a logarithmic axis: below its end.
        y = np.maximum(values, 0.1) if self._panel.y.log else values
        style: dict[str, Any] = {
            "color": colour(steps.hue),
            "width": 2,
            "dash": dash_of(steps.hue),
            "shape": "hv",
        }
        filled = (
            {"fill": "tozeroy", "fillcolor": translucent(colour(steps.hue), 0.15)} if steps.filled else {}
        )
        self._scatter(steps.name, steps.edges, y, steps.hover, values, line=style, **filled)

    def _draw_bars(self, bars: Bars) -> None:
        """Add each bar as a filled outline, which a logarithmic axis places right."""
        edges = zip(bars.edges[:-1], bars.edges[1:], strict=True)
        for (left, right), low, high in zip(edges, bars.low, bars.high, strict=True):
            self._scatter(
                f"{bars.name} (objects)", [left, left, right, right, left], [low, high, high, low, low],
                fill="toself", fillcolor=translucent(colour(bars.hue), 0.55),
                line={"width": 1, "color": "white"},
                text=f"{left:.4g} to {right:.4g}<br>{high - low:g} objects", hoverinfo="text",
            )  # fmt: skip

    def _draw_cells(self, cells: Cells) -> None:
        middles = [(edges[:-1] + edges[1:]) / 2 for edges in (cells.x, cells.y)]
        shared: dict[str, Any] = {"x": middles[0], "y": middles[1], "hoverongaps": False, **self._place}
        if cells.texts is not None:
            self._figure.add_heatmap(
                z=cells.values, text=cells.texts, texttemplate="%{text}", colorscale="Blues",
                zmin=0.0, zmax=1.0, showscale=False, hoverinfo="skip", **shared,
            )  # fmt: skip
            return
        # The scale is logarithmic; an empty cell is none.
        shade = np.full(cells.values.shape, np.nan)
        np.log10(cells.values, out=shade, where=cells.values > 0)
        self._figure.add_heatmap(
            z=shade, customdata=cells.values, coloraxis="coloraxis", hovertemplate=_template(cells.hover, ""),
            **shared,
        )  # fmt: skip
        top = max(np.log10(2.0), float(np.nanmax(shade)), self._figure.layout.coloraxis.cmax or 0.0)
        ticks = [tick for tick in _TICKS if np.log10(tick) <= top]
        bar = {
            "title": {"text": "Objects"},
            "tickvals": np.log10(ticks),
            "ticktext": [f"{tick:,}" for tick in ticks],
        }
        self._figure.update_layout(
            coloraxis={"colorscale": "Viridis", "cmin": 0.0, "cmax": top, "colorbar": bar}
        )


def _axis(axis: Axis, *, along: bool, label: bool) -> dict[str, Any]:
    """Return an axis as plotly has it: `along` x a logarithmic one has ticks at 1, 2 and 5 of each decade."""
    limits = axis.limits
    if limits is not None and axis.log:
        limits = (float(np.log10(limits[0])), float(np.log10(limits[1])))
    found: dict[str, Any] = {"title_text": axis.label if label else None, "range": limits}
    if axis.log and along:
        ticks = [step * 10.0**power for power in range(-6, 9) for step in (1, 2, 5)]
        found |= {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    elif axis.log:
        found |= {"type": "log", "dtick": 1}
    if axis.names:
        found |= {"tickvals": list(range(len(axis.names))), "ticktext": list(axis.names)}
    return found


def _template(hover: str, name: str) -> str:
    """Return a hover text as plotly has it, beside the name if there is one."""
    told = re.sub(r"\{(?=[xy:]|detail)", "%{", hover).replace("%{detail", "%{customdata")
    return told.replace("\n", "<br>") + ("" if name else "<extra></extra>")


def _runs(known: NDArray[np.bool_]) -> list[slice]:
    """Return the unbroken stretches of what is known."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    return [slice(int(low), int(high)) for low, high in zip(ends[::2], ends[1::2], strict=True)]
