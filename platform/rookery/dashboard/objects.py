"""Single objects of an ensemble: which to look at, and what every member says of one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.dashboard import figures
from rookery.dashboard.ensembles import EnsembleView
from rookery_ensembles.redshift_pdf import bin_centres, credible_interval, z_median
from rookery_ensembles.uncertainty import split_uncertainty

LISTS = {
    "wrong": "most certain and wrong",
    "disagreed": "most disagreed",
    "wide": "widest, or least certain",
    "all": "in the order of the file",
}
"""Which objects to look at first, and their words."""
_MOST = 500
_LEVEL = 0.9


def object_rows(view: EnsembleView, wanted: str) -> list[dict[str, Any]]:
    """Return the first objects of a list: answer, truth, loss, disagreement of the members, width."""
    target = view.bundle.target
    loss = -np.log(np.maximum(target.likelihood(view.calibrated, target.index(view.truth)), 1e-12))
    uncertainty = split_uncertainty(target, list(view.stack.values), view.weights)
    answer: list[Any]
    if target.has_pdfs:
        ends = credible_interval(view.calibrated, target.edges, _LEVEL)
        width = ends[:, 1] - ends[:, 0]
        answer = z_median(view.calibrated, target.edges).tolist()
    else:
        p = np.clip(view.calibrated, 1e-12, 1)
        width = -(p * np.log(p)).sum(axis=1)
        answer = [target.names[column] for column in view.calibrated.argmax(axis=1)]
    by = {"wrong": -loss, "disagreed": -uncertainty.disagreement, "wide": -width}.get(wanted)
    order = np.arange(len(loss)) if by is None else np.argsort(by, kind="stable")
    return [
        {
            "id": str(view.stack.object_id[row]),
            "answer": answer[row],
            "truth": _plain(view.truth[row]),
            "loss": float(loss[row]),
            "disagreement": float(uncertainty.disagreement[row]),
            "width": float(width[row]),
        }
        for row in order[:_MOST]
    ]


def object_figure(view: EnsembleView, name: str) -> dict[str, Any] | None:
    """Return what members, pool and ensemble say of an object, with the truth; None where it is not."""
    found = np.flatnonzero(view.stack.object_id == name)
    if not len(found):
        return None
    return _pdfs(view, int(found[0])) if view.bundle.target.has_pdfs else _classes(view, int(found[0]))


def _pdfs(view: EnsembleView, row: int) -> dict[str, Any]:
    edges = view.bundle.target.edges
    z, final = bin_centres(edges), view.calibrated[row]
    low, high = credible_interval(view.calibrated[row : row + 1], edges, _LEVEL)[0]
    inside = (z >= low) & (z <= high)
    curves = [(z, np.asarray(values[row])) for values in view.stack.values]
    band = {
        "type": "scatter", "mode": "lines", "x": z[inside].tolist(), "y": final[inside].tolist(),
        "fill": "tozeroy", "fillcolor": figures.rgba(figures.BLUE, 0.2), "line": {"width": 0},
        "name": f"{_LEVEL:.0%} interval", "hoverinfo": "skip",
    }  # fmt: skip
    traces = [
        band,
        figures.curves_trace("members", curves, figures.NEUTRAL, 0.55, 1),
        _line("pool", z, view.pooled[row], figures.ORANGE, "dash"),
        _line("ensemble", z, final, figures.BLUE, "solid"),
    ]
    truth, top = float(view.truth[row]), float(max(final.max(), *(y.max() for _, y in curves)))
    mark = {"color": figures.RED, "dash": "dot", "width": 2}
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": [truth, truth],
            "y": [0, top],
            "name": "truth",
            "line": mark,
        }
    )
    key = f"object {view.bundle.path} {view.stack.object_id[row]}"
    return {"data": traces, "layout": figures.layout(key, "redshift", "density")}


def _line(name: str, x: NDArray[Any], y: NDArray[Any], colour: str, dash: str) -> dict[str, Any]:
    line = {"color": colour, "width": 2.2, "dash": dash}
    return {"type": "scatter", "mode": "lines", "x": x.tolist(), "y": y.tolist(), "name": name, "line": line}


def _classes(view: EnsembleView, row: int) -> dict[str, Any]:
    names = [figures.plain(name) for name in view.bundle.target.names]
    values = np.asarray(view.stack.values)[:, row]
    texts = np.repeat([figures.plain(name) for name in view.names], len(names)).tolist()
    traces = [
        {"type": "bar", "x": names, "y": view.calibrated[row].tolist(), "name": "ensemble",
         "marker": {"color": figures.rgba(figures.BLUE, 0.55)}},
        {"type": "scatter", "mode": "markers", "x": names, "y": view.pooled[row].tolist(), "name": "pool",
         "marker": {"color": figures.ORANGE, "size": 12, "symbol": "line-ew-open", "line": {"width": 3}}},
        {"type": "scatter", "mode": "markers", "x": names * len(values), "y": values.ravel().tolist(),
         "name": "members", "text": texts, "marker": {"color": figures.NEUTRAL, "size": 7, "opacity": 0.8},
         "hovertemplate": "%{text}: %{y:.3f}<extra></extra>"},
        {"type": "scatter", "mode": "markers", "x": [figures.plain(view.truth[row])], "y": [1.04],
         "name": "truth", "marker": {"color": figures.RED, "size": 12, "symbol": "triangle-down"}},
    ]  # fmt: skip
    key = f"object {view.bundle.path} {view.stack.object_id[row]}"
    shown = figures.layout(key, "", "probability")
    shown["yaxis"]["range"] = [0, 1.1]
    return {"data": traces, "layout": shown}


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, float | np.floating) else str(value)
