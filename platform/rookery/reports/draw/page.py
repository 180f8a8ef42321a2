"""The figures of a page, for plotly.js in the reader's browser; their theme is the page's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rookery.reports.assess.curves import (
    MOST_FILLED,
    N_HISTOGRAM_BINS,
    Curves,
    positive_first,
    precision_limit,
    roc_limit,
)
from rookery.reports.draw.colours import DASHES, NEUTRAL, colour

if TYPE_CHECKING:
    import plotly.graph_objects as go

# So many entries of a legend fit on a line.
_ONE_LINE = 3


def roc_figure(entries: Sequence[Curves]) -> "go.Figure":
    """Return ROC curves, with the diagonal of a coin's toss."""
    high = roc_limit(entries)
    figure = plain_figure(
        "False positive rate", "True positive rate", [-0.01 * high, 1.01 * high], [-0.01, 1.015]
    )
    _add_line(figure, [0, 1], [0, 1])
    for index, entry in enumerate(entries):
        _add_curve(
            figure, index, f"{entry.name} (area {entry.area:.4f})",
            entry.false_rate, entry.true_rate, entry.roc_threshold,
            "false positive rate %{x:.4f}<br>true positive rate %{y:.4f}<br>threshold %{customdata:.4f}",
        )  # fmt: skip
    return _with_room(figure)


def precision_recall_figure(
    entries: Sequence[Curves], marks: Sequence[Sequence[tuple[float, float]]]
) -> "go.Figure":
    """Return precision-recall curves; `marks` are each curve's (recall, precision) points to point out."""
    figure = plain_figure(
        "Recall (efficiency)", "Precision (purity)", [-0.01, 1.01], [precision_limit(entries), 1.01]
    )
    for precision in (0.95, 0.98):
        _add_line(figure, [0, 1], [precision, precision])
    for index, entry in enumerate(entries):
        _add_curve(
            figure, index, entry.name, entry.recall, entry.precision, entry.threshold,
            "recall %{x:.4f}<br>precision %{y:.4f}<br>threshold %{customdata:.4f}",
        )  # fmt: skip
    for index, points in enumerate(marks):
        x, y = [point[0] for point in points], [point[1] for point in points]
        figure.add_scatter(
            x=x, y=y, mode="markers", showlegend=False, marker={"color": colour(index), "size": 9},
            hovertemplate="recall %{x:.3f} at precision ≥ %{y:.2f}<extra></extra>",
        )  # fmt: skip
    return figure


def reliability_figure(entries: Sequence[Curves]) -> "go.Figure":
    """Return reliability diagrams with 68 % intervals, and the diagonal of perfect calibration."""
    figure = plain_figure("Predicted probability", "Observed frequency", [-0.02, 1.02], [-0.02, 1.02])
    _add_line(figure, [0, 1], [0, 1])
    for index, entry in enumerate(entries):
        bins = entry.reliability
        # With several diagrams the intervals would hide each other.
        error = {
            "type": "data",
            "symmetric": False,
            "array": bins.high - bins.frequency,
            "arrayminus": bins.frequency - bins.low,
            "thickness": 1.2,
            "width": 0,
            "visible": len(entries) == 1,
        }
        figure.add_scatter(
            x=bins.score, y=bins.frequency, customdata=bins.count, name=entry.name, mode="lines+markers",
            line=line_of(index), marker={"size": 7, "color": colour(index)}, error_y=error,
            hovertemplate="predicted %{x:.3f}<br>observed %{y:.3f}<br>%{customdata} objects",
        )  # fmt: skip
    return figure


def histogram_figure(entry: Curves, class_names: Sequence[str], positive: str) -> "go.Figure":
    """Return one histogram of the positive class's probability per true class."""
    figure = plain_figure(f"Probability of {positive}", "Objects per bin", [-0.01, 1.01], None)
    top = 2.0 * max(1, int(entry.histogram.max()))
    figure.update_yaxes(type="log", dtick=1, range=[np.log10(0.7), np.log10(top)])
    edges = np.linspace(0.0, 1.0, N_HISTOGRAM_BINS + 1)
    for index, name in enumerate(positive_first(class_names, positive)):
        counts = entry.histogram[list(class_names).index(name)]
        figure.add_scatter(
            # An empty bin has no place on a logarithmic axis: below its end.
            x=edges, y=np.maximum(np.append(counts, counts[-1]), 0.1), customdata=counts,
            name=f"true {name}", mode="lines",
            line=line_of(index) | {"shape": "hv"}, fillcolor=translucent(colour(index)),
            fill="tozeroy" if len(class_names) <= MOST_FILLED else "none",
            hovertemplate="from %{x:.3f}<br>%{customdata} objects",
        )  # fmt: skip
    return _with_room(figure)


def plain_figure(
    x_title: str, y_title: str, x_range: list[float], y_range: list[float] | None
) -> "go.Figure":
    """Return an empty figure with one pair of axes, a range of None for as large as needed."""
    import plotly.graph_objects as go

    axis = {"showline": True, "mirror": True, "zeroline": False, "ticks": "outside", "ticklen": 4}
    legend = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0.0}
    return go.Figure(
        layout={
            "xaxis": axis | {"title": {"text": x_title}, "range": x_range},
            "yaxis": axis | {"title": {"text": y_title}, "range": y_range, "automargin": True},
            "legend": legend,
            "showlegend": True,
            "margin": {"l": 62, "r": 14, "t": 34, "b": 52},
            "hovermode": "closest",
            "template": "none",
        }
    )


def _with_room(figure: "go.Figure") -> "go.Figure":
    """Make room for a legend of several lines below the plot's buttons."""
    if sum(trace.showlegend is not False for trace in figure.data) > _ONE_LINE:
        figure.update_layout(margin_t=88)
    return figure


def _add_curve(
    figure: "go.Figure", index: int, name: str, x: Any, y: Any, threshold: Any, hover: str
) -> None:
    figure.add_scatter(
        x=x, y=y, customdata=threshold, name=name, mode="lines", line=line_of(index), hovertemplate=hover
    )


def _add_line(figure: "go.Figure", x: list[float], y: list[float]) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        showlegend=False,
        hoverinfo="skip",
        line={"color": NEUTRAL, "width": 1, "dash": "dot"},
    )


def line_of(index: int) -> dict[str, Any]:
    """Return the colour, width and dashes of the `index`-th thing in a figure."""
    return {"color": colour(index), "width": 2.2, "dash": DASHES[index % len(DASHES)]}


def translucent(hexadecimal: str, opacity: float = 0.13) -> str:
    """Return a colour that lets what lies behind it shine through."""
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
