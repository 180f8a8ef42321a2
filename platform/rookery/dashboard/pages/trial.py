"""A trial: its configuration, its networks, and every loss term and metric of each epoch."""

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard import figures
from rookery.dashboard.networks import History, counterpart, shown_columns
from rookery.dashboard.pages import parts
from rookery.dashboard.sources import Source
from rookery.dashboard.trials import StudyTrials, Trial
from rookery.dashboard.viewer import Viewer
from rookery.dashboard.worker_logs import LogTail, log_tails
from rookery.search.tags import read_tags
from rookery.training.epochs_file import RUNNING, STOPPED, SUFFIX, read_epochs
from rookery_ensembles.errors import InputError

PATH = "/trial"


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the trial that the address names."""
    found = _find(viewer, query.get("at"), query.get("trial"))
    if isinstance(found, str):
        return parts.error_box(found)
    source, reader, trial = found
    names = shown_columns(_histories(viewer, source, reader, trial).values())
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
                        note="Dashed: on the training objects. Each network has its colour.",
                    ),
                    parts.section("Configuration", _configuration(reader, trial)),
                ],
                className="two",
            ),
            html.Div(id="trial-networks"),
            html.Div(id="trial-error"),
            html.Div(id="trial-log"),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date."""

    @app.callback(
        Output("trial-facts", "children"),
        Output("trial-epochs", "figure"),
        Output("trial-networks", "children"),
        Output("trial-error", "children"),
        Output("trial-log", "children"),
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
            return *(no_update,) * 3, parts.error_box(found), None, None
        source, reader, trial = found
        histories = _histories(viewer, source, reader, trial)
        try:
            tags = read_tags(source.path).get(trial.number, [])
        except InputError as error:
            return *(no_update,) * 3, parts.error_box(str(error)), None, None
        version = (
            f"{reader.state_of(trial)} {tags} {column} {[len(one['epoch']) for one in histories.values()]}"
        )
        log = _log(source, reader, trial)
        if version == before:
            return *(no_update,) * 4, log, no_update
        failure = trial.attributes.get("error")
        return (
            _facts(reader, trial, tags),
            parts.zoomed(_epochs(source, trial, histories, column), zoom),
            _networks(viewer, source, reader, trial),
            parts.section("Error", html.Pre(str(failure))) if failure else None,
            log,
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


def _histories(viewer: Viewer, source: Source, reader: StudyTrials, trial: Trial) -> dict[str, History]:
    """Return the epochs of each network that has any."""
    return viewer.histories(source.path).read(reader.facts.members_of(trial.number))


def _epochs(source: Source, trial: Trial, histories: dict[str, History], column: str) -> dict[str, Any]:
    traces = []
    for number, (member, history) in enumerate(histories.items()):
        colour = figures.COLOURS[number % len(figures.COLOURS)]
        for name, dash in ((column, "solid"), (counterpart(column, history), "dash")):
            if name is None or name not in history:
                continue
            epochs = history["epoch"]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if len(epochs) < 3 else "lines",
                    "name": figures.plain(member) + (", training" if dash == "dash" else ""),
                    "x": figures.packed(epochs),
                    "y": figures.packed(history[name]),
                    "line": {"color": colour, "dash": dash, "width": 1.8},
                }
            )
    if not traces:
        return parts.blank("no epoch is written down")
    layout_ = figures.layout(f"{source.key} {trial.number} {column}", "epoch", figures.plain(column))
    return {"data": traces, "layout": layout_}


def _facts(reader: StudyTrials, trial: Trial, tags: Sequence[str]) -> list[Any]:
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
            ("tags", " ".join(tags) or None),
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
    for name in reader.facts.members_of(trial.number):
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


def _log(source: Source, reader: StudyTrials, trial: Trial) -> Any:
    """Return the end of what the trial's workers printed on this machine, and where it lies on others."""
    found: list[LogTail] = []
    elsewhere: list[str] = []
    for name in reader.facts.members_of(trial.number):
        for folder in (RUNNING, STOPPED):
            told = read_epochs(source.path / folder / f"{name}{SUFFIX}")
            if told is None:
                continue
            tails = log_tails(told.head)
            for tail in tails:
                if all(tail.path != other.path for other in found):
                    found.append(tail)
            if not tails:
                elsewhere.append(f"{told.head.host}: .../logs/worker-*-{told.head.process}.err")
    blocks = [html.Details([html.Summary(str(tail.path)), html.Pre(tail.text)], open=True) for tail in found]
    if elsewhere:
        places = ", ".join(dict.fromkeys(elsewhere))
        blocks.append(html.P(f"Not on this machine, or printed nothing: {places}", className="note"))
    note = "The last lines that Ray's workers printed."
    return parts.section("Log", *blocks, note=note) if blocks else None
