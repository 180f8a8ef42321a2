"""Everything that was found, one line each."""

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard.pages import parts
from rookery.dashboard.viewer import Viewer

PATH = "/"
_SECONDS = 0.8
_TRAIN = ("study", "campaign")
_PLURALS = {"study": "studies", "campaign": "campaigns", "bundle": "bundles", "predictions": "predictions"}
_COLUMNS = [
    parts.column("name", "name", "link", pinned="left", minWidth=220, flex=2, tooltipField="error"),
    parts.column("kind", "kind", width=120),
    parts.column("state", "state", "state", tooltipField="error"),
    parts.column("progress", "done", "progress", comparator={"function": "rookery_done"}),
    parts.column("best", "best", "number"),
    parts.column("metric", "of", width=170),
    parts.column("baseline", "baseline", "number", width=125, tooltipField="baseline_name"),
    parts.column("running", "running", "number", width=110),
    parts.column("failed", "failed", "number", width=100),
    parts.column("left", "left", "hours", width=100),
    parts.column("device_hours", "device time", "hours"),
    parts.column("energy", "kWh", "number", width=90),
    parts.column("last_change", "last change", "time"),
]


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page."""
    rows = _rows(viewer)
    return html.Div(
        [
            *parts.tick("fleet", f"{viewer.fleet.version}"),
            html.Div(_summary(rows), id="fleet-facts", className="facts"),
            parts.grid("fleet", _COLUMNS, rows, "key", query, height=parts.height(rows)),
            html.P(id="fleet-note", children=_note(viewer, rows), className="note"),
            html.Div(_failures(rows), id="fleet-failures"),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date."""

    @app.callback(
        Output({"type": "grid", "name": "fleet"}, "rowData"),
        Output("fleet-facts", "children"),
        Output("fleet-note", "children"),
        Output("fleet-failures", "children"),
        Output("fleet-shown", "data"),
        Input("fleet-tick", "n_intervals"),
        State("fleet-shown", "data"),
        prevent_initial_call=True,
    )
    def update(_: int, before: str | None) -> Any:
        rows = _rows(viewer)
        version = f"{viewer.fleet.version}"
        if version == before:
            return (no_update,) * 5
        return rows, _summary(rows), _note(viewer, rows), _failures(rows), version


def _rows(viewer: Viewer) -> list[dict[str, Any]]:
    return [_row(row) for row in viewer.fleet.refresh(_SECONDS)]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    done, wanted, rate = row.get("done"), row.get("wanted"), row.get("per_hour")
    left = (
        (wanted - done) / rate if wanted and done is not None and rate and row["state"] == "running" else None
    )
    return {
        **row,
        "name": row["key"],
        "name_href": parts.href(parts.PATHS[row["kind"]], at=row["key"]),
        "progress": None if done is None else [done, wanted],
        "left": left,
    }


def _summary(rows: list[dict[str, Any]]) -> Any:
    kinds = {kind: sum(row["kind"] == kind for row in rows) for kind in parts.PATHS}
    energy = [row["energy"] for row in rows if row.get("energy") is not None]
    return parts.facts(
        [
            *[(kind if number == 1 else _PLURALS[kind], number) for kind, number in kinds.items()],
            ("running", sum(row["state"] == "running" for row in rows)),
            ("networks", sum(row.get("networks") or 0 for row in rows if row["kind"] in _TRAIN)),
            ("failed", sum(row.get("failed") or 0 for row in rows)),
            ("device time", parts.hours(sum(row.get("device_hours") or 0.0 for row in rows))),
            ("kWh", sum(energy) if energy else None),
        ]
    )  # fmt: skip


def _note(viewer: Viewer, rows: list[dict[str, Any]]) -> str:
    roots = ", ".join(map(str, viewer.fleet.roots))
    if not rows:
        return f"Nothing is in {roots} yet; what appears there is shown by itself."
    return f"Below {roots}. A folder that appears there is shown by itself."


def _failures(rows: list[dict[str, Any]]) -> Any:
    told = [(row, row.get("error") or row.get("first_error")) for row in rows]
    found = [
        html.Li([dcc.Link(row["key"], href=row["name_href"]), ": ", html.Code(error)])
        for row, error in told
        if error
    ]
    return parts.section("What went wrong", html.Ul(found)) if found else None
