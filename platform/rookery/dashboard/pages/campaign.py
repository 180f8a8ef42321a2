"""A campaign: each network in its place, coloured by its state, and the paper's table as it fills up."""

from collections import Counter
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.campaigns.places import Place
from rookery.dashboard.campaign_state import STATES, CampaignState, read_campaign_state
from rookery.dashboard.fleet import fleet_row
from rookery.dashboard.pages import parts
from rookery.dashboard.sources import Source
from rookery.dashboard.viewer import Viewer
from rookery.search.status import alike
from rookery_ensembles.errors import InputError
from rookery_ensembles.metric import METRICS

PATH = "/campaign"
_SIGNS = {"missing": "·", "running": "▸", "interrupted": "‖", "failed": "×", "finished": "✓"}


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the campaign that the address names."""
    source = viewer.source(query.get("at"), "campaign")
    if source is None:
        return parts.error_box(f"No campaign is called {query.get('at', '')!r} here.")
    columns, rows = _table(source)
    return html.Div(
        [
            *parts.tick("campaign"),
            dcc.Store(id="campaign-key", data=source.key),
            html.H1(source.key),
            html.Div(id="campaign-error"),
            html.Div(id="campaign-facts", className="facts"),
            html.Div(id="campaign-grid"),
            html.Div(id="campaign-running"),
            parts.section(
                "The table so far",
                parts.grid("campaign", columns, rows, "id", query, height=None if len(rows) < 15 else 520),
                html.P(id="campaign-source", className="note"),
                note="Published numbers stand below ours; ± is one standard deviation of the mean.",
            ),
            html.Div(id="campaign-failures"),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date."""

    @app.callback(
        Output("campaign-error", "children"),
        Output("campaign-facts", "children"),
        Output("campaign-grid", "children"),
        Output("campaign-running", "children"),
        Output({"type": "grid", "name": "campaign"}, "rowData"),
        Output("campaign-source", "children"),
        Output("campaign-failures", "children"),
        Output("campaign-shown", "data"),
        Input("campaign-tick", "n_intervals"),
        State("campaign-key", "data"),
        State("campaign-shown", "data"),
    )
    def update(_: int | None, key: str, before: str | None) -> Any:
        source = viewer.source(key, "campaign")
        if source is None:
            return (parts.error_box(f"{key} is gone."), *(no_update,) * 7)
        try:
            state = read_campaign_state(source.path)
        except InputError as error:
            return (parts.error_box(str(error)), *(no_update,) * 6, None)
        told = fleet_row(source)
        epochs = [one.epoch for one in state.epochs.values()]
        version = str(hash((str(told), str(sorted(state.states.items())), str(epochs))))
        if version == before:
            return (no_update,) * 8
        broken = parts.error_box(told["error"]) if "error" in told else None
        cited = state.table.get("published_source")
        return (
            broken,
            _facts(told),
            _grid(state),
            _running(state),
            _rows(state),
            f"Published: {cited}" if cited else None,
            _failures(state),
            version,
        )


def _facts(told: dict[str, Any]) -> list[Any]:
    done = None if "done" not in told else f"{told['done']:,} of {told['wanted']:,}"
    return parts.facts(
        [
            ("campaign", told.get("name")),
            ("state", told["state"]),
            ("networks", done),
            ("running", told.get("running") or None),
            ("failed", told.get("failed") or None),
            ("device time", parts.hours(told.get("device_hours"))),
            ("kWh", told.get("energy")),
        ]
    )


def _grid(state: CampaignState) -> Any:
    """Return the grid: a line for each row of an experiment, a cell for each start and fold."""
    if not state.places:
        counts = Counter(state.states.values())
        words = ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name]) or "none yet"
        return parts.section(
            "Networks", html.P(f"{words}. Which belongs where is written down by the next run.")
        )
    lines: dict[tuple[str, str], list[Place]] = {}
    for place in state.places:
        lines.setdefault((place.experiment, place.row), []).append(place)
    body, before = [], None
    for (experiment, row), places in lines.items():
        places.sort(key=lambda place: (-1 if place.fold is None else place.fold, place.start))
        done = sum(state.state(place.member) == "finished" for place in places)
        cells = html.Td([_cell(state, place) for place in places], className="cells")
        head = experiment if experiment != before else ""
        body.append(html.Tr([html.Th(head), html.Td(row), html.Td(f"{done} of {len(places)}"), cells]))
        before = experiment
    heads = html.Thead(
        html.Tr([html.Th(name) for name in ("experiment", "row", "finished", "starts by folds")])
    )
    table = html.Div(html.Table([heads, html.Tbody(body)], className="plain grid"), className="scroll")
    legend = [html.Span([html.Span(_SIGNS[name], className=f"cell {name}"), f" {name} "]) for name in STATES]
    return parts.section("Networks", html.P(legend, className="note legend"), table)


def _cell(state: CampaignState, place: Place) -> html.Span:
    word = state.state(place.member)
    fold = "" if place.fold is None else f", fold {place.fold}"
    told = state.epochs.get(place.member)
    epoch = f", epoch {told.epoch} of {told.head.epochs}" if told and word == "running" else ""
    title = f"{place.experiment}, {place.row}, start {place.start}{fold}: {word}{epoch} ({place.member})"
    return html.Span(_SIGNS[word], className=f"cell {word}", title=title)


def _running(state: CampaignState) -> Any:
    rows = [
        [
            member,
            f"{told.epoch} of {told.head.epochs}",
            told.head.metric,
            parts.told(told.best),
            "stalled" if told.stalled() else f"{told.silent():.0f} s ago",
            f"{told.head.host}, {told.head.device}",
        ]
        for member, told in state.epochs.items()
        if state.state(member) == "running"
    ]
    heads = ["network", "epoch", "metric", "best", "last epoch", "where"]
    return parts.section("In training", parts.plain_table(heads, rows)) if rows else None


def _table(source: Source) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return columns and rows of the table; an error is told by the page's first update."""
    try:
        state = read_campaign_state(source.path)
    except InputError:
        return [], []
    lines = state.table.get("lines", [])
    names = [name for name in METRICS if any(name in line["metrics"] for line in lines)]
    beside = [name for name in names if any(line["baseline"].get(name) is not None for line in lines)]
    columns = [
        parts.column("experiment", "experiment", pinned="left", width=150),
        parts.column("row", "row", width=220),
        parts.column("source", "source", width=130),
        *([parts.column("bin", "bin", width=150)] if any(line["bin"] for line in lines) else []),
        parts.column("networks", "networks", width=125),
        parts.column("test", "test objects", "number", width=145),
    ]
    for name in names:
        words = f"{METRICS[name].short} {METRICS[name].arrow}"
        columns.append(parts.column(name, words, "estimate", headerTooltip=METRICS[name].meaning))
        if name in beside:
            columns.append(parts.column(f"baseline {name}", f"baseline: {METRICS[name].short}", "number"))
    return columns, _rows(state)


def _rows(state: CampaignState) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(state.table.get("lines", [])):
        networks = "–" if not line["wanted"] else str(line["members"])
        if line["wanted"] and line["members"] < line["wanted"]:
            networks = f"{line['members']} of {line['wanted']}"
        row = {
            "id": str(number),
            "experiment": line["experiment"],
            "row": line["row"],
            "source": line["source"],
            "bin": line["bin"] or "all",
            "networks": networks,
            "test": line["test_size"] or None,
        }
        for name, value in line["metrics"].items():
            row |= {name: value, f"{name} error": line["error"].get(name)}
        row |= {f"baseline {name}": value for name, value in line["baseline"].items()}
        rows.append(row)
    return rows


def _failures(state: CampaignState) -> Any:
    told = alike(state.errors.items())
    if not told:
        return None
    found = [
        html.Details(
            [html.Summary([f"{often} × ", html.Code(error)]), html.P(first), html.Pre(state.errors[first])]
        )
        for error, often, first in told[:20]
    ]
    return parts.section("Failures", *found)
