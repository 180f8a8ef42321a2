"""A study: how far it is, its learning curves, its networks and what failed."""

from collections import Counter
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard import figures, learning_curves
from rookery.dashboard.networks import Cards
from rookery.dashboard.pages import parts, study_hyperparameters, study_networks
from rookery.dashboard.sources import Source
from rookery.dashboard.study_document import StudyFacts
from rookery.dashboard.trials import StudyTrials, Trial
from rookery.dashboard.viewer import Viewer
from rookery.search.status import alike
from rookery_ensembles.errors import InputError

PATH = "/study"
VIEWS = {"overview": "Overview", "networks": "Networks", "hyperparameters": "Hyperparameters"}


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
    else:
        body = _overview(reader, query)
    return html.Div([*head, dcc.Store(id="study-key", data=source.key), body])


def _overview(reader: StudyTrials, query: dict[str, str]) -> Any:
    names = learning_curves.training_names(reader.facts)
    which = parts.choice(
        "training", {"all": "all", **names}, query.get("training", "all"), "networks of each trial"
    )
    hidden = {} if names else {"display": "none"}
    return html.Div(
        [
            *parts.tick("study"),
            html.Div(id="study-error"),
            html.Div(id="study-facts", className="facts"),
            html.Div(
                [
                    parts.section("Best so far", parts.graph("best-so-far")),
                    parts.section(
                        "Learning curves",
                        html.Div(which, className="controls", style=hidden),
                        parts.graph("learning-curves"),
                    ),
                ],
                className="two",
            ),
            html.Div(id="study-running"),
            html.Div(id="study-failures"),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Keep the page up to date."""
    study_networks.register(app, viewer)
    study_hyperparameters.register(app, viewer)

    @app.callback(
        Output("study-error", "children"),
        Output("study-facts", "children"),
        Output("best-so-far", "figure"),
        Output("learning-curves", "figure"),
        Output("study-running", "children"),
        Output("study-failures", "children"),
        Output("study-shown", "data"),
        Input("study-tick", "n_intervals"),
        Input({"type": "state", "name": "training"}, "value"),
        State("study-key", "data"),
        State("study-shown", "data"),
        State("best-so-far", "relayoutData"),
        State("learning-curves", "relayoutData"),
    )
    def update(
        _: int | None,
        training: str | None,
        key: str,
        before: str | None,
        best: Any = None,
        curves: Any = None,
    ) -> Any:
        source = viewer.source(key, "study")
        if source is None:
            return (parts.error_box(f"{key} is gone."), *(no_update,) * 6)
        reader, cards = viewer.trials(source), viewer.cards(source.path / "members")
        try:
            version = f"{reader.refresh()} {cards.refresh(0.3)} {reader.driver_alive()} {training}"
        except InputError as error:
            return (parts.error_box(str(error)), *(no_update,) * 5, None)
        if version == before:
            return (no_update,) * 7
        drawn = list(_drawn(source, reader, cards, training or "all"))
        drawn[1:3] = parts.zoomed(drawn[1], best), parts.zoomed(drawn[2], curves)
        return None, *drawn, version


def _drawn(source: Source, reader: StudyTrials, cards: Cards, training: str) -> tuple[Any, ...]:
    """Return everything that the overview shows."""
    trials, facts = reader.trials, reader.facts
    complete = [
        trial for trial in trials if trial.state == "complete" and trial.values and not trial.infeasible
    ]
    numbers, values = [t.number for t in complete], [t.values[0] for t in complete]
    nothing = "no trial is complete yet"
    best = (
        figures.best_so_far(source.key, numbers, values, facts.metric, facts.minimize) if complete else None
    )
    begun = any(len(trial.steps) for trial in trials)
    curves = learning_curves.learning_curves(source.key, trials, facts, training) if begun else None
    return (
        _facts(reader, cards),
        best or parts.blank(nothing),
        curves or parts.blank("no epoch is done yet"),
        _running(source, trials, facts, reader.driver_alive()),
        failures(source, trials),
    )


def _facts(reader: StudyTrials, cards: Cards) -> list[Any]:
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
            ("of trial", best.number if best else None),
            ("complete", states["complete"]),
            ("pruned", states["pruned"] or None),
            ("failed", states["failed"] or None),
            ("running", states["running"] or None),
            ("interrupted", states["interrupted"] or None),
            ("waiting", states["waiting"] or None),
            ("broke a constraint", states["infeasible"] or None),
            ("networks", len(cards.known)),
            ("family", facts.family),
            ("device time", parts.hours(spent)),
            ("kWh", sum(joules) / 3.6e6 if joules else None),
        ]
    )


def _running(source: Source, trials: list[Trial], facts: StudyFacts, alive: bool | None) -> Any:
    """Return where each trial is that was begun and has not ended."""
    rows = []
    for trial in (trial for trial in trials if trial.state == "running"):
        last = int(trial.steps[-1]) if len(trial.steps) else 0
        epochs = learning_curves.epochs_of(trial, facts)
        place, epoch = facts.training_of(last, epochs) if last else (0, 0)
        names = learning_curves.training_names(facts)
        where = f"{names.get(str(place), '')} epoch {epoch}".strip() + (f" of {epochs}" if epochs else "")
        value = parts.shown(float(trial.scores[-1])) if last else ""
        since = trial.started.isoformat(" ", "minutes") if trial.started else ""
        link = dcc.Link(str(trial.number), href=parts.href("/trial", at=source.key, trial=trial.number))
        rows.append([link, where if last else "no epoch yet", value, since])
    if not rows:
        return None
    title = "Running" if alive is not False else "Interrupted: the next search goes on with them"
    return parts.section(title, parts.plain_table(["trial", "where", facts.metric, "since"], rows))


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
