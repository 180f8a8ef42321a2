"""Figures of an ensemble: weights, number of members, correlation of errors, calibration before and after."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.dashboard import figures
from rookery.dashboard.ensembles import EnsembleView
from rookery_ensembles.metrics import reliability_curve
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
    found = view.by_number
    x = np.arange(1, len(found.mean) + 1)
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "x": x.tolist(), "hoverinfo": "skip"}
    own = view.scores["ensemble"]["log_loss"]
    traces = [
        {**edge, "y": (found.mean - found.sd).tolist(), "showlegend": False},
        {
            **edge,
            "y": (found.mean + found.sd).tolist(),
            "fill": "tonexty",
            "fillcolor": figures.rgba(figures.BLUE, 0.22),
            "name": "± 1 sd over random orders",
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": x.tolist(),
            "y": found.mean.tolist(),
            "name": "equal weights",
            "line": {"color": figures.BLUE},
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": [1, max(2, len(x))],
            "y": [own, own],
            "name": "this ensemble",
            "line": {"color": figures.ORANGE, "dash": "dash"},
        },
    ]
    return {
        "data": traces,
        "layout": figures.layout(f"number {view.bundle.path}", "members", "log-loss, nats"),
    }


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
    both = {"before": view.pooled, "after": view.calibrated}
    if view.bundle.target.has_pdfs:
        edges = view.bundle.target.edges
        pits = {name: pit(values, edges, view.truth.astype(float)) for name, values in both.items()}
        return [("PIT", _pit(view, pits)), ("Coverage of central intervals", _coverage(view, pits))]
    return [("Reliability", _reliability(view, both))]


def _reliability(view: EnsembleView, both: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    names = list(view.bundle.target.names)
    shown_class = "Ia" if "Ia" in names else names[0]
    column = names.index(shown_class)
    outcome = view.bundle.target.index(view.truth) == column
    traces = [_diagonal()]
    for (name, values), colour in zip(both.items(), (figures.ORANGE, figures.BLUE), strict=True):
        curve = reliability_curve(values[:, column], outcome)
        some = curve.count > 0
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{name} calibration",
                "line": {"color": colour},
                "x": curve.score[some].tolist(),
                "y": curve.frequency[some].tolist(),
                "text": curve.count[some].tolist(),
                "hovertemplate": "p %{x:.3f}: %{y:.3f} of %{text}<extra></extra>",
            }
        )
    label = figures.plain(shown_class)
    return {
        "data": traces,
        "layout": figures.layout(f"reliability {view.bundle.path}", f"p({label})", f"fraction {label}"),
    }


def _pit(view: EnsembleView, pits: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    number = int(np.clip(len(view.truth) // 25, 5, 40))
    edges = np.linspace(0, 1, number + 1)
    middle = ((edges[1:] + edges[:-1]) / 2).tolist()
    flat = len(view.truth) / number
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0, 1],
            "y": [flat, flat],
            "name": "calibrated",
            "line": {"color": figures.NEUTRAL, "dash": "dot"},
        }
    ]
    for (name, values), colour in zip(pits.items(), (figures.ORANGE, figures.BLUE), strict=True):
        counts = np.histogram(values, edges)[0].tolist()
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": middle,
                "y": counts,
                "name": f"{name} calibration",
                "line": {"color": colour, "shape": "hvh"},
            }
        )
    shown = figures.layout(f"pit {view.bundle.path}", "PIT", "objects")
    shown["yaxis"]["rangemode"] = "tozero"
    return {"data": traces, "layout": shown}


def _coverage(view: EnsembleView, pits: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    levels = np.linspace(0, 1, 51)
    traces = [_diagonal()]
    for (name, values), colour in zip(pits.items(), (figures.ORANGE, figures.BLUE), strict=True):
        needed = np.sort(2 * np.abs(values - 0.5))
        inside = np.searchsorted(needed, levels, side="right") / len(needed)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": levels.tolist(),
                "y": inside.tolist(),
                "name": f"{name} calibration",
                "line": {"color": colour},
            }
        )
    return {
        "data": traces,
        "layout": figures.layout(f"coverage {view.bundle.path}", "interval's level", "objects inside"),
    }


def _diagonal() -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "name": "calibrated",
        "hoverinfo": "skip",
        "line": {"color": figures.NEUTRAL, "dash": "dot"},
    }
