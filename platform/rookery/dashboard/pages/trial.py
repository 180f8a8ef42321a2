"""A trial: its configuration, its networks, and every loss term and metric of each epoch."""

from pathlib import Path
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard import figures
from rookery.dashboard.pages import parts
from rookery.dashboard.sources import Source
from rookery.dashboard.trials import StudyTrials, Trial
from rookery.dashboard.viewer import Viewer
from rookery.training.epochs_file import STOPPED, SUFFIX, read_epochs
from rookery_ensembles.errors import InputError

PATH = "/trial"
_ASIDE = ("epoch", "seconds", "joules", "time", "memory_bytes", "utilisation")


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the trial that the address names."""
    found = _find(viewer, query.get("at"), query.get("trial"))
    if isinstance(found, str):
        return parts.error_box(found)
    source, reader, trial = found
    names = sorted(
        {name for rows in _histories(source, reader, trial).values() for name in rows[0]} - {*_ASIDE}
    )
    first = reader.facts.metric if reader.facts.metric in names else next(iter(names), "")
    shown = {name: name.replace("_", " ") for name in names} or {"": "nothing yet"}
    return html.Div(
        [
            *parts.tick("trial"),
            dcc.Store(id="trial-key", data=[source.key, trial.number]),
            html.H1(f"Trial {trial.number}"),
            html.Div(id="trial-facts", className="facts"),
            html.Div(
                [
                    parts.section(
                        "Epochs",
                        html.Div(
                            parts.choice("column", shown, query.get("column", first), "column"),
                            className="controls",
                        ),
                        parts.graph("trial-epochs", 380),
                        note="Training is dashed where a column has both; each network has its colour.",
                    ),
                    parts.section("Configuration", _configuration(reader, trial)),
                ],
                className="two",
            ),
            html.Div(id="trial-networks"),
            html.Div(id="trial-error"),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date."""

    @app.callback(
        Output("trial-facts", "children"),
        Output("trial-epochs", "figure"),
        Output("trial-networks", "children"),
        Output("trial-error", "children"),
        Output("trial-shown", "data"),
        Input("trial-tick", "n_intervals"),
        Input({"type": "state", "name": "column"}, "value"),
        State("trial-key", "data"),
        State("trial-shown", "data"),
        State("trial-epochs", "relayoutData"),
    )
    def update(_: int | None, column: str, key: list[Any], before: str | None, zoom: Any = None) -> Any:
        found = _find(viewer, key[0], str(key[1]))
        if isinstance(found, str):
            return no_update, no_update, no_update, parts.error_box(found), None
        source, reader, trial = found
        histories = _histories(source, reader, trial)
        version = f"{reader.state_of(trial)} {column} {[len(rows) for rows in histories.values()]}"
        if version == before:
            return (no_update,) * 5
        error = trial.attributes.get("error")
        return (
            _facts(reader, trial),
            parts.zoomed(_epochs(source, trial, histories, column), zoom),
            _networks(viewer, source, reader, trial),
            parts.section("Error", html.Pre(str(error))) if error else None,
            version,
        )


def _find(viewer: Viewer, key: str | None, number: str | None) -> tuple[Source, StudyTrials, Trial] | str:
    """Return the trial, or why there is none."""
    source = viewer.source(key, "study")
    if source is None:
        return f"No study is called {key or ''!r} here."
    reader = viewer.trials(source)
    try:
        reader.refresh()
    except InputError as error:
        return str(error)
    trial = next((trial for trial in reader.trials if str(trial.number) == number), None)
    return f"{key} has no trial {number}." if trial is None else (source, reader, trial)


def _members(reader: StudyTrials, trial: Trial) -> list[str]:
    """Return the names of the trial's networks."""
    facts, names = reader.facts, []
    for fold, start in facts.trainings:
        name = f"{trial.number:04d}" if fold is None else f"{trial.number:04d}-f{fold}"
        names.append(name if facts.starts == 1 else f"{name}-s{start}")
    return names


def _histories(source: Source, reader: StudyTrials, trial: Trial) -> dict[str, list[dict[str, Any]]]:
    """Return the epochs of each network that has any: its history, else what its worker told."""
    found = {}
    for name in _members(reader, trial):
        rows = _history(source.path / "members" / name / "history.parquet")
        for folder in ("running", STOPPED):
            if not rows and (told := read_epochs(source.path / folder / f"{name}{SUFFIX}")) is not None:
                rows = [dict(row) for row in told.rows]
        if rows:
            found[name] = rows
    return found


def _history(file: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.is_file():
        return []
    try:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    except (OSError, pa.ArrowInvalid):
        return []  # half written, or gone since
    return [{"epoch": number, **row} for number, row in enumerate(rows, start=1)]


def _epochs(
    source: Source, trial: Trial, histories: dict[str, list[dict[str, Any]]], column: str
) -> dict[str, Any]:
    other = column.replace("validation_", "training_", 1) if column.startswith("validation_") else None
    traces = []
    for number, (member, rows) in enumerate(histories.items()):
        colour = figures.COLOURS[number % len(figures.COLOURS)]
        for name, dash in ((column, "solid"), (other, "dash")):
            points = [(row["epoch"], row.get(name)) for row in rows if name and row.get(name) is not None]
            if points:
                x, y = zip(*points, strict=True)
                label = figures.plain(member) + (" training" if dash == "dash" else "")
                traces.append(
                    {
                        "type": "scatter",
                        "mode": "lines+markers" if len(x) < 3 else "lines",
                        "name": label,
                        "x": list(x),
                        "y": list(y),
                        "line": {"color": colour, "dash": dash, "width": 1.8},
                    }
                )
    if not traces:
        return parts.blank("no epoch is written down")
    layout_ = figures.layout(f"{source.key} {trial.number} {column}", "epoch", figures.plain(column))
    return {"data": traces, "layout": layout_}


def _facts(reader: StudyTrials, trial: Trial) -> list[Any]:
    seconds, joules = trial.attributes.get("device_seconds"), trial.attributes.get("energy_joules")
    values = zip(reader.facts.objectives, trial.values, strict=False) if trial.state == "complete" else ()
    last = float(trial.scores[-1]) if len(trial.scores) and not trial.values else None
    return parts.facts(
        [
            ("state", reader.state_of(trial)),
            *values,
            (f"last {reader.facts.metric}", last),
            ("epochs", int(trial.steps[-1]) if len(trial.steps) else None),
            ("begun", trial.started.isoformat(" ", "minutes") if trial.started else None),
            ("ended", trial.ended.isoformat(" ", "minutes") if trial.ended else None),
            ("device time", None if seconds is None else parts.hours(seconds / 3600)),
            ("kWh", None if joules is None else joules / 3.6e6),
        ]
    )


def _configuration(reader: StudyTrials, trial: Trial) -> Any:
    searched = [[name, str(value), "searched"] for name, value in trial.point.items()]
    fixed = [
        [name, str(value), "fixed"] for name, value in reader.facts.fixed.items() if name not in trial.point
    ]
    table = parts.plain_table(["hyperparameter", "value", ""], searched + fixed)
    infeasible = trial.attributes.get("infeasible")
    return html.Div([parts.error_box(f"Not trained: {infeasible}"), table]) if infeasible else table


def _networks(viewer: Viewer, source: Source, reader: StudyTrials, trial: Trial) -> Any:
    cards = viewer.cards(source.path / "members")
    cards.refresh(0.3)
    rows = []
    for name in _members(reader, trial):
        card = cards.known.get(name)
        if card is not None:
            rows.append(
                [
                    name,
                    parts.told(card["value"]),
                    parts.told(card["best_epoch"]),
                    parts.told(card["epochs"]),
                    parts.told(card["parameters"]),
                    parts.told(card["device"]),
                    parts.hours((card["device_seconds"] or 0) / 3600),
                ]
            )
        elif (told := read_epochs(source.path / "running" / f"{name}{SUFFIX}")) is not None:
            where = f"{told.head.host}, {told.head.device}"
            state = "stalled" if told.stalled() else "in training"
            rows.append([name, parts.told(told.best), state, str(told.epoch), "", where, ""])
        elif name in cards.broken:
            rows.append([name, cards.broken[name], "", "", "", "", ""])
    heads = ["network", reader.facts.metric, "best epoch", "epochs", "parameters", "device", "device time"]
    return parts.section("Networks", parts.plain_table(heads, rows)) if rows else None
