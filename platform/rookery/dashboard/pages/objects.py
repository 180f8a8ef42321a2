"""Objects of an ensemble: lists of those worth a look, and what every member says of one."""

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard import objects
from rookery.dashboard.ensembles import roles_at_hand
from rookery.dashboard.pages import parts
from rookery.dashboard.viewer import Viewer
from rookery_ensembles import load_bundle
from rookery_ensembles.errors import InputError

PATH = "/objects"
_GRID = {"type": "grid", "name": "objects"}
_COLUMNS = [
    parts.column("id", "object", pinned="left", width=150),
    parts.column("loss", "−ln p(truth)", "number", width=130),
    parts.column("disagreement", "disagreement", "number", width=140),
    parts.column(
        "width", "width", "number", headerTooltip="of the 90 % interval; of classes the entropy, nats"
    ),
]


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the bundle's objects that the address names."""
    source = viewer.source(query.get("at"), "bundle")
    if source is None:
        return parts.error_box(f"No ensemble is called {query.get('at', '')!r} here.")
    try:
        bundle = load_bundle(source.path)
    except InputError as error:
        return parts.error_box(str(error))
    members = [member.id for member in bundle.members]
    kind = "number" if bundle.target.has_pdfs else "text"
    answers = [parts.column(name, name, kind, width=110) for name in ("answer", "truth")]
    columns = [_COLUMNS[0], *answers, *_COLUMNS[1:]]
    roles = {role: f"{role} objects" for role in roles_at_hand(source.path, members)}
    if not roles:
        words = "The members' predictions are not at hand: the bundle does not lie in its study or campaign."
        return html.Div([html.H1("Objects"), html.P(words, className="note")])
    search = dcc.Input(
        id={"type": "state", "name": "object"}, value=query.get("object", ""), debounce=True,
        placeholder="object_id", className="search",
    )  # fmt: skip
    controls = [
        parts.choice("role", roles, query.get("role", ""), "of"),
        parts.choice("list", objects.LISTS, query.get("list", "wrong"), "first"),
        html.Label([html.Span("object"), search], className="choice"),
    ]
    return html.Div(
        [
            dcc.Store(id="objects-key", data=source.key),
            html.H1("Objects"),
            html.Div(controls, className="controls"),
            html.Div(id="objects-error"),
            html.Div(
                [
                    html.Div(parts.grid("objects", columns, [], "id", query, height=460)),
                    parts.graph("object-figure", 460),
                ],
                className="two",
            ),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Fill the list, and draw the object that is chosen."""

    @app.callback(
        Output(_GRID, "rowData"),
        Output("objects-error", "children"),
        Input({"type": "state", "name": "role"}, "value"),
        Input({"type": "state", "name": "list"}, "value"),
        State("objects-key", "data"),
    )
    def fill(role: str, wanted: str, key: str) -> Any:
        source = viewer.source(key, "bundle")
        if source is None:
            return no_update, parts.error_box(f"{key} is gone.")
        try:
            return objects.object_rows(viewer.ensembles.view(source.path, role), wanted), None
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
        Input({"type": "state", "name": "object"}, "value"),
        Input({"type": "state", "name": "role"}, "value"),
        State("objects-key", "data"),
    )
    def draw(name: str | None, role: str, key: str) -> Any:
        source = viewer.source(key, "bundle")
        if source is None or not name:
            return parts.blank("choose an object in the list, or type its object_id")
        try:
            figure = objects.object_figure(viewer.ensembles.view(source.path, role), name)
        except InputError as error:
            return parts.blank(str(error))
        return figure or parts.blank(f"no {role} object is called {name}")
