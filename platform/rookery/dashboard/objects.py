"""Single objects of an ensemble: which to look at, and what every member says of one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.dashboard import figures
from rookery.dashboard.ensembles import EnsembleView
from rookery.dashboard.surveys import ObservedSurvey
from rookery.reports.charts.model import Axis, Band, Line, Mark, single
from rookery.reports.draw.page import translucent
from rookery_ensembles.errors import fail
from rookery_ensembles.redshift_pdf import bin_centres, credible_interval
from rookery_ensembles.uncertainty import split_uncertainty

LISTS = {
    "wrong": "most certain and wrong",
    "disagreed": "most disagreed",
    "wide": "widest, or least certain",
    "outside": "most out of the training's domain",
    "all": "in the order of the file",
}
"""Which objects to look at first, and their words."""
_MOST = 500
_LEVEL = 0.9


def object_rows(
    view: EnsembleView, wanted: str, survey: ObservedSurvey | None = None, where: str = ""
) -> list[dict[str, Any]]:
    """Return the first objects of a list: answer, truth, loss, disagreement of the members, width.

    Parameters
    ----------
    survey
        Where they were observed: its covariates stand in the rows.
    where
        Conditions on covariates and features, separated by commas: ``mag_r<20, host_photo_z>0.1``.

    Raises
    ------
    InputError
        When the list or the conditions need the survey and there is none, or a condition is wrong.
    """
    target = view.bundle.target
    loss = -np.log(np.maximum(target.likelihood(view.calibrated, target.index(view.truth)), 1e-12))
    uncertainty = split_uncertainty(target, list(view.stack.values), view.weights)
    answer, width = target.answer(view.calibrated).tolist(), target.width(view.calibrated)
    chosen, places = _chosen(view, survey, where)
    by: Any = {"wrong": -loss, "disagreed": -uncertainty.disagreement, "wide": -width}.get(wanted)
    outside: Any = None
    if wanted == "outside":
        outside = np.zeros(len(loss))
        outside[chosen] = _domain_score(view, survey, places)
        by = -outside
    order = chosen if by is None else chosen[np.argsort(by[chosen], kind="stable")]
    if outside is not None:
        order = order[outside[order] > 0]
    covariates = _covariates(survey, places, chosen)
    return [
        {
            "id": str(view.stack.object_id[row]),
            "answer": answer[row],
            "truth": _plain(view.truth[row]),
            "loss": float(loss[row]),
            "disagreement": float(uncertainty.disagreement[row]),
            "width": float(width[row]),
            **({} if outside is None else {"outside": float(outside[row])}),
            **{name: values[row] for name, values in covariates.items()},
        }
        for row in order[:_MOST]
    ]


def _chosen(
    view: EnsembleView, survey: ObservedSurvey | None, where: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the objects that fulfil the conditions, and their rows in the survey."""
    conditions = [one for one in where.split(",") if one.strip()]
    everyone = np.arange(len(view.truth))
    if survey is None:
        if conditions:
            raise fail("where", "needs the survey of the objects, which is not at hand")
        return everyone, everyone[:0]
    places = survey.rows_of([str(name) for name in view.stack.object_id])
    if (places < 0).any():
        missing = view.stack.object_id[int((places < 0).argmax())]
        raise fail(survey.survey.path, f"has no object {str(missing)!r}, which {view.bundle.path} predicts")
    if conditions:
        marked = survey.matched(conditions, places)
        return np.flatnonzero(marked), places[marked]
    return everyone, places


def _domain_score(
    view: EnsembleView, survey: ObservedSurvey | None, places: NDArray[np.intp]
) -> NDArray[np.float64]:
    if survey is None:
        raise fail("out of the domain", "needs the survey of the objects, which is not at hand")
    if view.bundle.domain is None:
        raise fail(view.bundle.path, "does not tell where its training objects lie")
    return view.bundle.domain.score(survey.features(places))


def _covariates(
    survey: ObservedSurvey | None, places: NDArray[np.intp], chosen: NDArray[np.intp]
) -> dict[str, dict[int, float | None]]:
    """Return by covariate the value of each chosen object."""
    if survey is None:
        return {}
    table = survey.survey.objects[survey.covariates].iloc[places].to_numpy(float)
    return {
        name: {
            int(row): value if np.isfinite(value) else None
            for row, value in zip(chosen, table[:, column].tolist(), strict=True)
        }
        for column, name in enumerate(survey.covariates)
    }


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
    x, y = figures.joined([(z, np.asarray(values[row])) for values in view.stack.values])
    truth, top = float(view.truth[row]), float(max(final.max(), np.nanmax(y)))
    marks: list[Mark] = [
        Band(f"{_LEVEL:.0%} interval", z[inside], 0 * final[inside], final[inside], 0),
        Line("members", x, y, None, dash="solid"),
        Line("pool", z, view.pooled[row], 1, dash="dash"),
        Line("ensemble", z, final, 0),
        Line("truth", [truth, truth], [0.0, top], 4, dash="dot"),
    ]
    chart = single("", Axis("redshift"), Axis("density"), marks)
    return figures.charted(f"object {view.bundle.path} {view.stack.object_id[row]}", chart)


def _classes(view: EnsembleView, row: int) -> dict[str, Any]:
    names = [figures.plain(name) for name in view.bundle.target.names]
    values = np.asarray(view.stack.values)[:, row]
    texts = np.repeat([figures.plain(name) for name in view.names], len(names)).tolist()
    traces = [
        {"type": "bar", "x": names, "y": view.calibrated[row].tolist(), "name": "ensemble",
         "marker": {"color": translucent(figures.BLUE, 0.55)}},
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
