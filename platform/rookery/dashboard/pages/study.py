"""A study: how far it is, its learning curves, its networks and what failed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard import figures, learning_curves
from rookery.dashboard.damage import check_whole
from rookery.dashboard.networks import Cards, History, shown_columns
from rookery.dashboard.pages import parts, study_hyperparameters, study_networks, study_stopped
from rookery.dashboard.sources import Source
from rookery.dashboard.trials import StudyTrials, Trial
from rookery.dashboard.viewer import Viewer
from rookery.search.status import alike
from rookery.training.epochs_file import Epochs, running_epochs
from rookery_ensembles.errors import InputError

PATH = "/study"
VIEWS = {
    "overview": "Overview",
    "networks": "Networks",
    "hyperparameters": "Hyperparameters",
    "stop": "If stopped now",
}


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the study that the address names."""
    source = viewer.source(query.get("at"), "study")
    if source is None:
        return parts.error_box(f"No study is called {query.get('at', '')!r} here.")
    view = query.get("view", "overview")
    head = [html.H1(source.key), parts.tabs(PATH, source.key, VIEWS, view)]
    try:
        reader = viewer.trials(source)
        reader.refresh()
    except InputError as error:
        return html.Div([*head, parts.error_box(str(error))])
    if view == "networks":
        body = study_networks.layout(viewer, source, query)
    elif view == "hyperparameters":
        body = study_hyperparameters.layout(viewer, source, query)
    elif view == "stop":
        body = study_stopped.layout()
    else:
        body = _overview(viewer, source, reader, query)
    return html.Div([*head, dcc.Store(id="study-key", data=source.key), body])


def _overview(viewer: Viewer, source: Source, reader: StudyTrials, query: dict[str, str]) -> Any:
    columns = _columns(viewer, source, reader)
    column = parts.choice("column", columns, query.get("column", ""), "column")
    names = learning_curves.training_names(reader.facts)
    which = parts.choice(
        "training", {"all": "all", **names}, query.get("training", "all"), "networks of each trial"
    )
    note = "Dashed: on the training objects. Of many trials curves and band are of some, evenly chosen."
    return html.Div(
        [
            *parts.tick("study"),
            dcc.Store(id="study-drawn"),
            html.Div(id="study-error"),
            html.Div(id="study-facts", className="facts"),
            html.Div(
                [
                    parts.section("Best so far", parts.graph("best-so-far")),
                    parts.section(
                        "Learning curves",
                        html.Div(
                            [column, which] if names else [column, html.Div(which, hidden=True)],
                            className="controls",
                        ),
                        parts.graph("learning-curves"),
                        note=note,
                    ),
                ],
                className="two",
            ),
            html.Div(id="study-running"),
            html.Div(id="study-failures"),
        ]
    )


def _damage(source: Source, reader: StudyTrials) -> Any:
    """Return what is damaged in a study that nobody works on, though all could be read that is shown."""
    try:
        check_whole(source, own_database=reader.facts.storage is None)
    except InputError as error:
        return parts.error_box(str(error))
    return None


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date."""
    study_networks.register(app, viewer)
    study_hyperparameters.register(app, viewer)
    study_stopped.register(app, viewer)
    _register_figures(app, viewer)

    @app.callback(
        Output("study-error", "children"),
        Output("study-facts", "children"),
        Output("study-running", "children"),
        Output("study-failures", "children"),
        Output("study-shown", "data"),
        Input("study-tick", "n_intervals"),
        State("study-key", "data"),
        State("study-shown", "data"),
    )
    def update(_: int | None, key: str, before: str | None) -> Any:
        source = viewer.source(key, "study")
        if source is None:
            return (parts.error_box(f"{key} is gone."), *(no_update,) * 4)
        reader, cards = viewer.trials(source), viewer.cards(source.path / "members")
        try:
            reader.refresh()
            cards.refresh(0.3)
        except InputError as error:
            return (parts.error_box(str(error)), *(no_update,) * 3, None)
        told = running_epochs(source.path)
        minutes = {name: int(one.silent() / 60) for name, one in told.items() if one.stalled()}
        epochs = [one.epoch for one in told.values()]
        version = f"{reader.version} {cards.version} {reader.driver_alive()} {minutes} {epochs}"
        if version == before:
            return (no_update,) * 5
        return (
            _damage(source, reader) if reader.driver_alive() is False else None,
            _facts(reader, cards, len(minutes)),
            _running(source, reader, told),
            failures(source, reader.trials),
            version,
        )


def _register_figures(app: Dash, viewer: Viewer) -> None:
    """Draw them again where the study, or what is shown of it, is another."""

    @app.callback(
        Output("best-so-far", "figure"),
        Output("learning-curves", "figure"),
        Output("study-drawn", "data"),
        Input("study-tick", "n_intervals"),
        Input({"type": "state", "name": "training"}, "value"),
        Input({"type": "state", "name": "column"}, "value"),
        State("study-key", "data"),
        State("study-drawn", "data"),
        State("best-so-far", "relayoutData"),
        State("learning-curves", "relayoutData"),
    )
    def draw(
        _: int | None,
        training: str | None,
        column: str | None,
        key: str,
        before: str | None,
        zoomed: Any = None,
        zoomed_curves: Any = None,
    ) -> Any:
        source = viewer.source(key, "study")
        if source is None:
            return (no_update,) * 3
        reader, histories = viewer.trials(source), viewer.histories(source.path)
        try:
            reader.refresh()
            reader.read_whole(
                [one for one in [learning_curves.best_trial(reader.trials, reader.facts)] if one]
            )
        except InputError:
            return *(no_update,) * 2, None  # the other callback tells
        read = histories.read(_networks_drawn(reader, column))
        version = f"{reader.version} {histories.version} {training} {column}"
        if version == before:
            return (no_update,) * 3
        best = _best_so_far(source.key, reader)
        curves = _curves(source.key, reader, training or "all", column, read)
        return parts.zoomed(best, zoomed), parts.zoomed(curves, zoomed_curves), version


def _columns(viewer: Viewer, source: Source, reader: StudyTrials) -> dict[str, str]:
    """Return the columns that the networks' histories have, the objective as it was reported first."""
    facts = reader.facts
    begun = [trial for trial in reader.trials if len(trial.steps)]
    names = [name for trial in (*begun[:2], *begun[-2:]) for name in facts.members_of(trial.number)[:1]]
    listed = shown_columns(viewer.histories(source.path).read(names).values())
    found = {name: name.replace("_", " ") for name in listed if name != facts.metric}
    return {"": facts.metric.replace("_", " "), **found}


def _networks_drawn(reader: StudyTrials, column: str | None) -> list[str]:
    """Return the networks whose histories are drawn: with a column those of a hundred trials, evenly chosen;
    in any case the best trial's and those that run.
    """
    facts = reader.facts
    best = learning_curves.best_trial(reader.trials, facts)
    chosen = [trial for trial in reader.trials if trial.state == "running" or trial is best]
    if column:
        begun = [trial for trial in reader.trials if len(trial.steps) and trial not in chosen]
        chosen += begun[:: -(-len(begun) // learning_curves.DRAWN) or 1]
    return [name for trial in chosen for name in facts.members_of(trial.number)]


def _best_so_far(key: str, reader: StudyTrials) -> dict[str, Any]:
    complete = [one for one in reader.trials if one.state == "complete" and one.values and not one.infeasible]
    if not complete:
        return parts.blank("no trial is complete yet")
    numbers, values = [one.number for one in complete], [one.values[0] for one in complete]
    return figures.best_so_far(key, numbers, values, reader.facts.metric, reader.facts.minimize)


def _curves(
    key: str, reader: StudyTrials, training: str, column: str | None, histories: Mapping[str, History]
) -> dict[str, Any]:
    if not any(len(trial.steps) for trial in reader.trials):
        return parts.blank("no epoch is done yet")
    return learning_curves.learning_curves(
        key, reader.trials, reader.facts, training, column or None, histories
    )


def _facts(reader: StudyTrials, cards: Cards, stalled: int) -> list[Any]:
    trials, facts = reader.trials, reader.facts
    states = Counter(map(reader.state_of, trials))
    best = learning_curves.best_trial(trials, facts)
    spent = sum(trial.attributes.get("device_seconds", 0.0) for trial in trials) / 3600
    joules = [trial.attributes["energy_joules"] for trial in trials if "energy_joules" in trial.attributes]
    return parts.facts(
        [
            (
                f"best {facts.metric}, {'lowest' if facts.minimize else 'highest'}",
                best.values[0] if best else None,
            ),
            ("best trial", best.number if best else None),
            ("complete", states["complete"]),
            ("pruned", states["pruned"] or None),
            ("failed", states["failed"] or None),
            ("running", states["running"] or None),
            ("stalled", stalled or None),
            ("interrupted", states["interrupted"] or None),
            ("waiting", states["waiting"] or None),
            ("broke a constraint", states["infeasible"] or None),
            ("networks", len(cards.known)),
            ("family", facts.family),
            ("device time", parts.hours(spent)),
            ("kWh", sum(joules) / 3.6e6 if joules else None),
        ]
    )


def _running(source: Source, reader: StudyTrials, told: Mapping[str, Epochs]) -> Any:
    """Return where each trial is that was begun and has not ended, and which network stands still."""
    facts, alive, rows = reader.facts, reader.driver_alive(), []
    for trial in (trial for trial in reader.trials if trial.state == "running"):
        last = int(trial.steps[-1]) if len(trial.steps) else 0
        epochs = learning_curves.epochs_of(trial, facts)
        place, epoch = facts.training_of(last, epochs) if last else (0, 0)
        names = learning_curves.training_names(facts)
        where = f"{names.get(str(place), '')} epoch {epoch}".strip() + (f" of {epochs}" if epochs else "")
        value = parts.shown(float(trial.scores[-1])) if last else ""
        since = trial.started.isoformat(" ", "minutes") if trial.started else ""
        link = dcc.Link(str(trial.number), href=parts.href("/trial", at=source.key, trial=trial.number))
        mine = [told[name] for name in facts.members_of(trial.number) if name in told]
        machine = ", ".join(sorted({f"{one.head.host} ({one.head.device})" for one in mine}))
        still = [one for one in mine if one.stalled()] if alive is not False else []
        silent = f"no epoch for {min(one.silent() for one in still) / 60:,.0f} min" if still else ""
        word = html.Span(silent, className="state stalled") if silent else ""
        rows.append([link, where if last else "no epoch yet", value, since, machine, word])
    if not rows:
        return None
    title = "Running" if alive is not False else "Interrupted: the next search goes on with them"
    heads = ["trial", "where", facts.metric, "since", "machine", ""]
    return parts.section(title, parts.plain_table(heads, rows))


def failures(source: Source, trials: list[Trial]) -> Any:
    """Return why trials failed: those that differ in numbers alone are one."""
    failed = {trial.number: trial for trial in trials if trial.state == "fail"}
    if not failed:
        return None
    told = alike((number, trial.attributes.get("error")) for number, trial in failed.items())
    found = []
    for error, often, first in told[:20]:
        trial = failed[first]
        link = dcc.Link(f"trial {first}", href=parts.href("/trial", at=source.key, trial=first))
        times = f"{often} trials" if often > 1 else "1 trial"
        inside = [
            html.P([times, ", the first one ", link]),
            html.Pre(str(trial.attributes.get("error") or error)),
        ]
        point = ", ".join(f"{name} {value}" for name, value in trial.point.items())
        found.append(
            html.Details(
                [html.Summary([f"{often} × ", html.Code(error)]), *inside, html.P(point, className="note")]
            )
        )
    return parts.section("Failures", *found)
