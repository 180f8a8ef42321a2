"""The table of a study's trials and their networks: sort, filter, compare two."""

import logging
import math
from typing import Any

from dash import Dash, Input, Output, State, html, no_update

from rookery.dashboard.networks import Cards
from rookery.dashboard.pages import parts
from rookery.dashboard.sources import Source
from rookery.dashboard.trials import StudyTrials, Trial, stamp_of
from rookery.dashboard.viewer import Viewer
from rookery.search.study_facts import StudyFacts
from rookery.search.tags import FILE, read_tags
from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)

_MOST = 5000
"""Rows that a browser gets; of more trials the best are shown."""
_GRID = {"type": "grid", "name": "networks"}


def layout(viewer: Viewer, source: Source, query: dict[str, str]) -> Any:
    """Return the view."""
    reader, cards = viewer.trials(source), viewer.cards(source.path / "members")
    version = f"{reader.refresh()} {cards.refresh()} {stamp_of(source.path / FILE)}"
    rows = table(source, reader, cards)
    note = (
        "Mark two rows to see what differs. The headings sort and filter. `rookery tag` gives trials words."
    )
    if len(reader.trials) > _MOST:
        note += f" Of {len(reader.trials):,} trials the best {_MOST:,} are listed."
    return html.Div(
        [
            *parts.tick("networks", version),
            html.Div(
                [html.Button("CSV", id="networks-csv"), html.Span(note, className="note")],
                className="controls",
            ),
            parts.grid(
                "networks", columns(rows, reader.facts), rows, "id", query, height=parts.height(rows),
                rowSelection={"mode": "multiRow", "enableClickSelection": False},
            ),
            html.Div(id="networks-compared"),
        ]
    )  # fmt: skip


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the table up to date, and compare what is marked."""

    @app.callback(
        Output(_GRID, "rowData"),
        Output("networks-shown", "data"),
        Input("networks-tick", "n_intervals"),
        State("study-key", "data"),
        State("networks-shown", "data"),
        prevent_initial_call=True,
    )
    def update(_: int, key: str, before: str | None) -> Any:
        source = viewer.source(key, "study")
        if source is None:
            return no_update, no_update
        reader, cards = viewer.trials(source), viewer.cards(source.path / "members")
        version = f"{reader.refresh()} {cards.refresh(0.3)} {stamp_of(source.path / FILE)}"
        return (no_update, no_update) if version == before else (table(source, reader, cards), version)

    @app.callback(Output("networks-compared", "children"), Input(_GRID, "selectedRows"))
    def compare(marked: list[dict[str, Any]] | None) -> Any:
        return compared(marked) if marked and len(marked) == 2 else None

    @app.callback(
        Output(_GRID, "exportDataAsCsv"), Input("networks-csv", "n_clicks"), prevent_initial_call=True
    )
    def export(_: int) -> bool:
        return True


def table(source: Source, reader: StudyTrials, cards: Cards) -> list[dict[str, Any]]:
    """Return a row for each begun trial, means over its networks."""
    sign = 1 if reader.facts.minimize else -1
    begun = [trial for trial in reader.trials if trial.started is not None]
    if len(begun) > _MOST:
        begun.sort(key=lambda trial: sign * trial.values[0] if trial.values else math.inf)
        begun = begun[:_MOST]
    members: dict[int, list[dict[str, Any]]] = {}
    for name, card in cards.known.items():
        if (number := name.partition("-")[0]).isdecimal():
            members.setdefault(int(number), []).append(card)
    tags = _tags(source)
    return [
        _row(source, trial, members.get(trial.number, []), reader)
        | {"tags": " ".join(map(str, tags.get(trial.number, []))) or None}
        for trial in begun
    ]


def _tags(source: Source) -> dict[int, list[str]]:
    try:
        return read_tags(source.path)
    except InputError as error:
        logger.warning("%s", error)
        return {}


def _row(source: Source, trial: Trial, members: list[dict[str, Any]], reader: StudyTrials) -> dict[str, Any]:
    facts = reader.facts
    row: dict[str, Any] = {
        "id": str(trial.number),
        "trial": trial.number,
        "trial_href": parts.href("/trial", at=source.key, trial=trial.number),
        "state": reader.state_of(trial),
        "epochs trained": int(trial.steps[-1]) if len(trial.steps) else None,
        "seconds": trial.attributes.get("device_seconds"),
        "started": trial.started.isoformat(timespec="seconds") if trial.started else None,
    }
    if trial.state == "complete":
        row |= {name: _finite(value) for name, value in zip(facts.objectives, trial.values, strict=False)}
    elif len(trial.scores):
        row["last"] = _finite(float(trial.scores[-1]))
    if members:
        metrics = [card["metrics"] or {} for card in members]
        for name in sorted({name for each in metrics for name in each} - set(facts.objectives)):
            values = [each[name] for each in metrics if isinstance(each.get(name), int | float)]
            row[name] = _finite(sum(values) / len(values)) if values else None
        row["networks"] = len(members)
        for name in ("parameters", "device", "node"):
            row[name] = members[0].get(name)
        row["batch used"] = next((card["batch_size"] for card in members if card.get("batch_size")), None)
        row["steps"] = next((_steps(card["steps"]) for card in members if card.get("steps")), None)
    return row | {f"point.{name}": _plain(value) for name, value in trial.point.items()}


def _steps(told: Any) -> str | None:
    """Return how a network's steps were computed, and how long one took that way."""
    if not isinstance(told, dict):
        return None
    times = told.get("milliseconds")
    taken = times.get(told.get("way")) if isinstance(times, dict) else None
    return f"{told.get('way')}, {taken:.3g} ms" if isinstance(taken, int | float) else str(told.get("way"))


def columns(rows: list[dict[str, Any]], facts: StudyFacts) -> list[dict[str, Any]]:
    """Return the columns: what the rows have, values first, then metrics, costs and hyperparameters."""
    found: dict[str, Any] = {}
    for row in rows:
        found.update({name: value for name, value in row.items() if value is not None})
    first = ["trial", "state", "tags", *facts.objectives, "last"]
    beside = [
        "networks",
        "epochs trained",
        "seconds",
        "batch used",
        "steps",
        "parameters",
        "device",
        "node",
        "started",
    ]
    points = [name for name in found if name.startswith("point.")]
    metrics = [name for name in found if name not in (*first, *beside, *points, "trial_href", "id")]
    order = [
        name
        for name in (*first, *metrics, *points, *beside)
        if name in found or name in (facts.metric, "tags")
    ]
    listed = []
    for name in order:
        kind = (
            "number"
            if isinstance(found.get(name), int | float) and not isinstance(found.get(name), bool)
            else "text"
        )
        kind = {"trial": "link", "state": "state", "started": "time"}.get(name, kind)
        full = name.removeprefix("point.")
        words = full.removeprefix("validation_")  # so is every metric here
        more: dict[str, Any] = {"headerTooltip": full}
        if name == "trial":
            more |= {
                "pinned": "left",
                "width": 105,
                "filter": "agNumberColumnFilter",
            }
        if name == facts.metric:
            more |= {"sort": "asc" if facts.minimize else "desc", "width": 170}
        listed.append(parts.column(name, words, kind, **more))
    return listed


def compared(marked: list[dict[str, Any]]) -> Any:
    """Return what differs between two rows."""
    one, two = sorted(marked, key=lambda row: row["trial"])
    names = [
        name for name in dict.fromkeys([*one, *two]) if name not in ("id", "trial", "trial_href", "started")
    ]
    differ = [name for name in names if one.get(name) != two.get(name)]
    points = [name for name in differ if name.startswith("point.")]
    others = [name for name in differ if name not in points]
    rows = [
        [name.removeprefix("point."), parts.told(one.get(name)), parts.told(two.get(name))]
        for name in points + others
    ]
    same = sum(name.startswith("point.") for name in names) - len(points)
    heads = ["", f"trial {one['trial']}", f"trial {two['trial']}"]
    return parts.section(
        f"Trials {one['trial']} and {two['trial']}",
        parts.plain_table(heads, rows),
        note=f"{same} hyperparameters are the same.",
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else str(value)
