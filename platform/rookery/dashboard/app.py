"""The pages as one Dash application: what stands around them, and which one an address means."""

from pathlib import Path
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard.explanations import serve_explanations
from rookery.dashboard.pages import (
    campaign,
    cluster,
    ensemble,
    fleet,
    objects,
    parts,
    predictions,
    study,
    trial,
)
from rookery.dashboard.viewer import Viewer

_PAGES = (fleet, study, trial, campaign, ensemble, predictions, objects, cluster)
_META = [{"name": "viewport", "content": "width=device-width, initial-scale=1"}]


def make_app(viewer: Viewer, *, optuna: bool = False) -> Dash:
    """Return the application; `optuna` tells whether optuna-dashboard is there to be led to."""
    app = Dash(
        "rookery",
        title="Rookery",
        update_title="",
        assets_folder=str(Path(__file__).parent / "assets"),
        serve_locally=True,
        suppress_callback_exceptions=True,
        meta_tags=_META,
        add_log_handler=False,
    )
    app.layout = _frame(optuna)
    serve_explanations(app.server, viewer.explanations)
    app.clientside_callback(
        ClientsideFunction("rookery", "remember"),
        Output("remembered", "data"),
        Input({"type": "state", "name": ALL}, "value"),
        Input({"type": "grid", "name": ALL}, "filterModel"),
        Input({"type": "grid", "name": ALL}, "columnState"),
        State({"type": "grid", "name": ALL}, "dashGridOptions"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("rookery", "theme"),
        Output("theme", "data"),
        Input("theme-button", "n_clicks"),
        State("theme", "data"),
    )
    by_path = {page.PATH: page for page in _PAGES}

    @app.callback(
        Output("page", "children"),
        Output("where", "children"),
        Output("page-shown", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
        State("page-shown", "data"),
    )
    def show(path: str | None, search: str | None, before: list[str] | None) -> Any:
        query, page = parts.parsed(search), by_path.get(path or "/")
        # Choices and filters in the address are those that the page has just written there itself.
        wanted = [path or "/", *(query.get(name, "") for name in ("at", "view", "trial"))]
        if wanted == before:
            return no_update, no_update, no_update
        if page is None:
            return parts.error_box(f"There is no page {path}."), None, wanted
        return page.layout(viewer, query), _where(viewer, path or "/", query), wanted

    for page in _PAGES:
        page.register(app, viewer)
    return app


def _frame(optuna: bool) -> html.Div:
    """Return what stands around every page."""
    links: list[Any] = [dcc.Link("Fleet", href="/"), dcc.Link("Machines", href=cluster.PATH)]
    if optuna:
        links.append(html.A("Optuna", href="/dashboard"))
    return html.Div(
        [
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Store(id="remembered"),
            dcc.Store(id="page-shown"),
            dcc.Store(id="theme", storage_type="local"),
            html.Header(
                [
                    dcc.Link("Rookery", href="/", className="brand"),
                    html.Nav([*links, html.Span(id="where")]),
                    html.Button("Light or dark", id="theme-button"),
                ],
                className="top",
            ),
            html.Main(id="page"),
        ]
    )


def _where(viewer: Viewer, path: str, query: dict[str, str]) -> Any:
    """Return the way to a page that lies below another one."""
    source = viewer.fleet.source(query.get("at", ""))
    if source is None or path == parts.PATHS[source.kind]:
        return None
    return dcc.Link(source.key, href=parts.address_of(source))
