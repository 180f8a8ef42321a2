"""Figures of an ensemble: weights, number of members, correlation of errors, calibration before and after."""

from typing import Any

import numpy as np

from rookery.dashboard import figures
from rookery.dashboard.ensembles import EnsembleView
from rookery.reports.assess.curves import reliability
from rookery.reports.assess.pit import coverage_curve, pit_histogram
from rookery.reports.charts.classes import reliability_chart
from rookery.reports.charts.model import Axis, Line, single
from rookery.reports.charts.redshifts import coverage_chart, pit_chart
from rookery_ensembles.redshift_pdf import pit

_MANY = 40
"""Members that a figure names."""


def weights(view: EnsembleView) -> dict[str, Any]:
    """Return the weights, the heaviest first, with what the pool gains by each member."""
    order = np.argsort(-view.weights, kind="stable")[:_MANY]
    names = [figures.plain(view.names[i]) for i in order]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": [float(view.weights[i]) for i in order],
        "name": "weight",
        "marker": {"color": figures.BLUE},
        "hovertemplate": "%{y}: weight %{x:.3f}<extra></extra>",
    }
    shown = figures.layout(f"weights {view.bundle.path}", "weight", "", showlegend=False)
    shown["yaxis"] |= {"autorange": "reversed", "type": "category"}
    return {"data": [bars], "layout": shown}


def gains(view: EnsembleView) -> dict[str, Any]:
    """Return what the pool's log-likelihood gains by each member, with its standard error."""
    order = np.argsort(-view.weights, kind="stable")[:_MANY]
    points = {
        "type": "scatter",
        "mode": "markers",
        "y": [figures.plain(view.names[i]) for i in order],
        "x": [view.gains[i].value for i in order],
        "marker": {"color": figures.GREEN, "size": 8},
        "error_x": {"type": "data", "array": [view.gains[i].error for i in order], "color": figures.GREEN},
        "hovertemplate": "%{y}: %{x:.5f} nats<extra></extra>",
    }
    shown = figures.layout(
        f"gains {view.bundle.path}", "gain by the member, nats an object", "", showlegend=False
    )
    shown["yaxis"] |= {"autorange": "reversed", "type": "category"}
    shown["xaxis"] |= {"zeroline": True, "zerolinecolor": "#888"}
    return {"data": [points], "layout": shown}


def by_number(view: EnsembleView) -> dict[str, Any]:
    """Return the log score of equally weighted pools of 1, 2, ... members, and the ensemble's own."""
    found, own = view.by_number, view.scores["ensemble"]["log_loss"]
    x = np.arange(1, len(found.mean) + 1)
    low, high = found.mean - found.sd, found.mean + found.sd
    lines = [
        Line("equal weights (± 1 sd over random orders)", x, found.mean, 0, low, high, marked=True),
        Line("this ensemble", [1, max(2, len(x))], [own, own], 1),
    ]
    chart = single("", Axis("members"), Axis("log-loss, nats"), lines)
    return figures.charted(f"number {view.bundle.path}", chart)


def correlation(view: EnsembleView) -> dict[str, Any]:
    """Return the correlation of the members' errors."""
    order = np.argsort(-view.weights, kind="stable")[:_MANY]
    names = [figures.plain(view.names[i]) for i in order]
    cells = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": view.correlation[np.ix_(order, order)].round(4).tolist(),
        "zmin": -1,
        "zmax": 1,
        "colorscale": [[0, "#D9731A"], [0.5, "#f4f4f4"], [1, "#3478C6"]],
        "hovertemplate": "%{x}, %{y}: %{z:.3f}<extra></extra>",
        "colorbar": {"thickness": 12},
    }
    shown = figures.layout(f"correlation {view.bundle.path}", "", "")
    for axis in ("xaxis", "yaxis"):
        shown[axis]["type"] = "category"
    shown["yaxis"]["autorange"] = "reversed"
    return {"data": [cells], "layout": shown}


def calibration(view: EnsembleView) -> list[tuple[str, dict[str, Any]]]:
    """Return figures of the calibration: reliability of classes; PIT and coverage of redshift PDFs."""
    both = {"before calibration": view.pooled, "after calibration": view.calibrated}
    target, path = view.bundle.target, view.bundle.path
    if target.has_pdfs:
        truth = view.truth.astype(float)
        pits = {name: pit(values, target.edges, truth) for name, values in both.items()}
        return [
            ("PIT", figures.charted(f"pit {path}", pit_chart(pit_histogram(pits)))),
            (
                "Coverage of credible intervals",
                figures.charted(f"coverage {path}", coverage_chart(coverage_curve(pits))),
            ),
        ]
    name = "Ia" if "Ia" in target.names else target.names[0]
    column = target.names.index(name)
    outcome = target.index(view.truth) == column
    diagrams = [(told, reliability(values[:, column], outcome)) for told, values in both.items()]
    chart = reliability_chart(diagrams)
    return [(f"Reliability of {name}", figures.charted(f"reliability {path}", chart))]
