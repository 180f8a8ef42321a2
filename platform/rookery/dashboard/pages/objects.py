"""Objects of an ensemble: lists of those worth a look; what was observed of one, and what members say."""

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard import objects
from rookery.dashboard.ensembles import EnsembleView, roles_at_hand
from rookery.dashboard.observed import observed_figure, what_is_odd
from rookery.dashboard.pages import parts
from rookery.dashboard.sources import Source
from rookery.dashboard.surveys import ObservedSurvey
from rookery.dashboard.viewer import Viewer
from rookery_ensembles import load_bundle
from rookery_ensembles.errors import InputError

PATH = "/objects"
_GRID = {"type": "grid", "name": "objects"}
_MOST_COVARIATES = 40
_SCORES = {
    "loss": parts.column("loss", "−ln p(truth)", "number", width=140),
    "outside": parts.column(
        "outside", "out of domain", "number", width=145,
        headerTooltip="how far, in widths of the training's range of the farthest feature",
    ),
    "disagreement": parts.column("disagreement", "disagreement", "number", width=150),
    "width": parts.column(
        "width", "width", "number", headerTooltip="of the 90 % interval; of classes the entropy, nats"
    ),
}  # fmt: skip


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the bundle's objects that the address names."""
    source = viewer.source(query.get("at"), "bundle")
    if source is None:
        return parts.error_box(f"No ensemble is called {query.get('at', '')!r} here.")
    try:
        bundle = load_bundle(source.path)
        roles = roles_at_hand(source.path, [member.id for member in bundle.members])
        wanted = query.get("role", "")
        view = viewer.ensembles.view(source.path, wanted if wanted in roles else roles[0]) if roles else None
    except InputError as error:
        return parts.error_box(str(error))
    if view is None:
        words = "The members' predictions are not at hand: the bundle does not lie in its study or campaign."
        return html.Div([html.H1("Objects"), html.P(words, className="note")])
    survey, why = _survey(viewer, source, view)
    return html.Div(
        [
            dcc.Store(id="objects-key", data=source.key),
            html.H1("Objects"),
            html.P(why, className="note") if why else None,
            _explained(viewer, view),
            html.Div(_controls(query, roles, view, survey), className="controls"),
            html.Div(id="objects-error"),
            html.Div(
                [
                    html.Div(parts.grid("objects", _columns(view, survey), [], "id", query, height=720)),
                    html.Div(
                        [
                            parts.graph("object-figure", 340),
                            parts.graph("object-observed", 340),
                            html.Div(id="object-odd"),
                        ]
                    ),
                ],
                className="two",
            ),
        ]
    )


def _explained(viewer: Viewer, view: EnsembleView) -> Any:
    """Return links to what `rookery explain` wrote of the bundle's networks and these objects."""
    found = viewer.explanations.of(view.bundle, view.info.survey)
    links = [html.A(one.words, href=one.address(), target="_blank") for one in found]
    return html.P(["Explained: ", *parts.separated(links)], className="note") if links else None


def _controls(
    query: dict[str, str], roles: list[str], view: EnsembleView, survey: ObservedSurvey | None
) -> list[Any]:
    lists = dict(objects.LISTS)
    if survey is None or view.bundle.domain is None:
        del lists["outside"]
    words = {role: f"{role} objects" for role in roles}
    found = [
        parts.choice("role", words, query.get("role", ""), "of"),
        parts.choice("list", lists, query.get("list", "wrong"), "first"),
        parts.typed("object", query.get("object", ""), "object", "object_id"),
    ]
    if survey is not None:
        looked = [name for name in survey.covariates if name not in ("ra", "dec")]
        hint = f"e.g. {looked[0]}<1" if looked else "e.g. redshift<1"
        title = f"Conditions, separated by commas: on {', '.join(looked)}, on features or on truth."
        found.append(parts.typed("where", query.get("where", ""), "where", hint, title))
    return found


def _columns(view: EnsembleView, survey: ObservedSurvey | None) -> list[dict[str, Any]]:
    kind = "number" if view.bundle.target.has_pdfs else "text"
    answers = [parts.column(name, name, kind, width=110) for name in ("answer", "truth")]
    told = survey is not None and view.bundle.domain is not None
    scores = [column for name, column in _SCORES.items() if told or name != "outside"]
    covariates = survey.covariates[:_MOST_COVARIATES] if survey else []
    more = [parts.column(name, name, "number", headerTooltip=name) for name in covariates]
    return [parts.column("id", "object", pinned="left", width=130), *answers, *scores, *more]


def _survey(viewer: Viewer, source: Source, view: EnsembleView) -> tuple[ObservedSurvey | None, str]:
    """Return the survey of a bundle's objects, or why it cannot be shown."""
    if view.info.survey is None:
        return None, "Without light curves, cutouts and covariates: predictions of no survey."
    try:
        return viewer.surveys.find(source.path, view.info.survey), ""
    except InputError as error:
        return None, f"Without light curves, cutouts and covariates: {error}"


def register(app: Dash, viewer: Viewer) -> None:
    """Fill the list, and draw the object that is chosen."""

    @app.callback(
        Output(_GRID, "rowData"),
        Output("objects-error", "children"),
        Input({"type": "state", "name": "role"}, "value"),
        Input({"type": "state", "name": "list"}, "value"),
        Input({"type": "state", "name": "where"}, "value", allow_optional=True),
        State("objects-key", "data"),
    )
    def fill(role: str, wanted: str, where: str | None, key: str) -> Any:
        source = viewer.source(key, "bundle")
        if source is None:
            return no_update, parts.error_box(f"{key} is gone.")
        try:
            view = viewer.ensembles.view(source.path, role)
            survey, _ = _survey(viewer, source, view)
            return objects.object_rows(view, wanted, survey, where or ""), None
        except InputError as error:
            return [], parts.error_box(str(error))

    @app.callback(
        Output({"type": "state", "name": "object"}, "value"),
        Input(_GRID, "cellClicked"),
        prevent_initial_call=True,
    )
    def click(cell: dict[str, Any] | None) -> Any:
        return cell["rowId"] if cell else no_update

    @app.callback(
        Output("object-figure", "figure"),
        Output("object-observed", "figure"),
        Output("object-odd", "children"),
        Input({"type": "state", "name": "object"}, "value"),
        Input({"type": "state", "name": "role"}, "value"),
        State("objects-key", "data"),
    )
    def draw(name: str | None, role: str, key: str) -> Any:
        source = viewer.source(key, "bundle")
        if source is None or not name:
            return parts.blank("choose an object in the list, or type its object_id"), parts.blank(), None
        try:
            view = viewer.ensembles.view(source.path, role)
            figure = objects.object_figure(view, name)
        except InputError as error:
            return parts.blank(str(error)), parts.blank(), None
        if figure is None:
            return parts.blank(f"no {role} object is called {name}"), parts.blank(), None
        return figure, *_observed(viewer, source, view, name)


def _observed(viewer: Viewer, source: Source, view: EnsembleView, name: str) -> tuple[Any, Any]:
    """Return what was observed of an object; what explains it, and features unlike the training's."""
    survey, _ = _survey(viewer, source, view)
    if survey is None:
        return parts.blank("the survey is not at hand"), None
    try:
        one = survey.one(name)
        odd = what_is_odd(one, view.bundle.domain)
    except InputError as error:
        return parts.blank(str(error)), None
    links = [
        html.P(html.A(f"What matters to {found.words}: {name}", href=found.address(name), target="_blank"))
        for found in viewer.explanations.of(view.bundle, view.info.survey)
        if name in found.objects
    ]
    rows = [[feature, parts.told(value), f"{low:.4g} to {high:.4g}"] for feature, value, (low, high) in odd]
    table = parts.plain_table(["out of the training's range", "here", "there"], rows) if rows else None
    return observed_figure(one), [*links, table]
