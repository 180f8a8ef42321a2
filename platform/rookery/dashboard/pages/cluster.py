"""The machines: nodes and their devices, which network runs where, what waits, what it has cost."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from dash import Dash, Input, Output, State, html, no_update

from rookery.dashboard.cluster import Answer, machine_rows, this_machine
from rookery.dashboard.pages import parts
from rookery.dashboard.viewer import Viewer

PATH = "/cluster"
_SECONDS = 0.5
_NODES = [
    parts.column("host", "node", pinned="left", minWidth=130, flex=1),
    parts.column("state", "state", width=130),
    parts.column("networks", "networks", "number", width=125),
    parts.column("cpu", "CPU, %", "number", width=115),
    parts.column("cores", "cores", "number", width=100),
    parts.column("given", "given away by Ray", width=180),
    parts.column("memory", "memory, GB", "number", width=140),
    parts.column("memory_total", "of GB", "number", width=105),
    parts.column("devices", "devices", minWidth=220, flex=2, tooltipField="devices"),
]
_NETWORKS = [
    parts.column("network", "network", "link", pinned="left", width=120),
    parts.column("of", "study or campaign", "link", minWidth=185, flex=1),
    parts.column("state", "state", "state"),
    parts.column("epoch", "epoch", "progress", comparator={"function": "rookery_done"}),
    parts.column("seconds", "s an epoch", "number", width=130),
    parts.column("silent", "last epoch", "hours", width=125, headerTooltip="how long ago it told of one"),
    parts.column("host", "node", width=140),
    parts.column("device", "device", width=150),
    parts.column(
        "utilisation", "busy, %", "number", headerTooltip="of the GPU as the epoch ended, or of one core"
    ),
    parts.column(
        "memory", "memory, GB", "number", width=140, headerTooltip="the most that torch held on the GPU"
    ),
    parts.column("process", "process", "number", valueFormatter={"function": "String(params.value)"}),
    parts.column("actor", "Ray's actor", width=140),
]
_COSTS = [
    parts.column("name", "study or campaign", "link", pinned="left", minWidth=220, flex=1),
    parts.column("state", "state", "state"),
    parts.column("networks", "networks", "number", width=125),
    parts.column("device_hours", "device time", "hours", sort="desc", width=165),
    parts.column("each", "of each network", "hours", width=170),
    parts.column("energy", "kWh", "number"),
]


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page."""
    facts, nodes, networks, waiting, costs, note, _ = _look(viewer)
    return html.Div(
        [
            *parts.tick("cluster"),
            html.H1("Machines"),
            html.Div(facts, id="cluster-facts", className="facts"),
            html.P(note, id="cluster-note", className="note"),
            parts.section("Nodes", parts.grid("nodes", _NODES, nodes, "id", query, height=None)),
            parts.section(
                "In training",
                parts.grid("in-training", _NETWORKS, networks, "id", query, height=parts.height(networks)),
            ),
            html.Div(waiting, id="cluster-waiting"),
            parts.section(
                "Cost so far", parts.grid("costs", _COSTS, costs, "key", query, height=parts.height(costs))
            ),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date."""

    @app.callback(
        Output("cluster-facts", "children"),
        Output({"type": "grid", "name": "nodes"}, "rowData"),
        Output({"type": "grid", "name": "in-training"}, "rowData"),
        Output("cluster-waiting", "children"),
        Output({"type": "grid", "name": "costs"}, "rowData"),
        Output("cluster-note", "children"),
        Output("cluster-shown", "data"),
        Input("cluster-tick", "n_intervals"),
        State("cluster-shown", "data"),
        prevent_initial_call=True,
    )
    def update(_: int, before: str | None) -> Any:
        found = _look(viewer)
        return (no_update,) * 7 if found[-1] == before else found


def _look(viewer: Viewer) -> tuple[Any, ...]:
    rows, answer = viewer.fleet.refresh(_SECONDS), viewer.machines.ray.look()
    networks = viewer.machines.networks(rows, answer)
    for one in networks:
        one["of_href"] = parts.href(parts.PATHS[one["kind"]], at=one["of"])
        number = one["network"].partition("-")[0]
        own = one["kind"] == "study" and number.isdecimal()
        one["network_href"] = parts.href("/trial", at=one["of"], trial=int(number)) if own else one["of_href"]
    nodes = machine_rows(answer, networks, this_machine())
    told = [row for row in rows if row["kind"] in ("study", "campaign") and "device_hours" in row]
    costs = [_cost(row) for row in told]
    drawn = (
        _facts(answer, networks, told, nodes),
        nodes,
        networks,
        _waiting(answer, told),
        costs,
        _note(answer),
    )
    return *drawn, str(hash(str((nodes, networks, costs, answer.error, answer.standing))))


def _facts(
    answer: Answer,
    networks: Sequence[Mapping[str, Any]],
    told: Sequence[Mapping[str, Any]],
    nodes: Sequence[Mapping[str, Any]],
) -> Any:
    states = [one["state"] for one in networks]
    energy = [row["energy"] for row in told if row.get("energy") is not None]
    given = {}
    for name in ("CPU", "GPU"):
        used = [
            node.used[name]
            for node in (answer.standing.nodes if answer.standing else ())
            if name in node.used
        ]
        if used:
            given[name] = f"{sum(one for one, _ in used):g} of {sum(total for _, total in used):g}"
    return parts.facts(
        [
            ("node" if len(nodes) == 1 else "nodes", len(nodes)),
            *((f"{name}s given away", words) for name, words in given.items()),
            ("networks in training", states.count("running") + states.count("stalled")),
            ("stalled", states.count("stalled") or None),
            ("interrupted", len(states) - states.count("running") - states.count("stalled") or None),
            ("device time so far", parts.hours(sum(row.get("device_hours") or 0.0 for row in told))),
            ("kWh so far", sum(energy) if energy else None),
        ]
    )


def _cost(row: Mapping[str, Any]) -> dict[str, Any]:
    networks, hours = row.get("networks"), row.get("device_hours")
    return {
        "key": row["key"],
        "name": row["key"],
        "name_href": parts.href(parts.PATHS[row["kind"]], at=row["key"]),
        "state": row["state"],
        "networks": networks,
        "device_hours": hours,
        "each": hours / networks if networks and hours is not None else None,
        "energy": row.get("energy"),
    }


def _waiting(answer: Answer, told: Sequence[Mapping[str, Any]]) -> Any:
    """Return what Ray has no room for, and what running searches have still to do."""
    rows = [[words, f"{often:,}", "Ray has no room for it now"] for words, often in _queue(answer)]
    for row in told:
        done, wanted = row.get("done"), row.get("wanted")
        if row["state"] == "running" and wanted and done is not None:
            left = max(0, wanted - done - (row.get("running") or 0))
            rows.append(
                [
                    row["key"],
                    f"{left:,}",
                    "trials to begin" if row["kind"] == "study" else "networks to train",
                ]
            )
    if not rows:
        return None
    return parts.section("Waiting", parts.plain_table(["what", "how many", ""], rows))


def _queue(answer: Answer) -> Sequence[tuple[str, int]]:
    return answer.standing.waiting if answer.standing else ()


def _note(answer: Answer) -> str:
    files = "What networks tell is from files that their workers write as each epoch ends."
    if answer.standing is not None:
        when = time.strftime("%H:%M", time.localtime(answer.at))
        return f"Ray at {answer.standing.address}, asked at {when}. {files}"
    if answer.error is not None:
        return f"No nodes of Ray: {answer.error}. {files}"
    return f"Ray is being asked. {files}"
