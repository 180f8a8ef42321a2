"""What a study's hyperparameters do: importance, slices, parallel coordinates, several objectives."""

from typing import Any

from dash import Dash, Input, Output, State, html, no_update

from rookery.dashboard import hyperparameters
from rookery.dashboard.pages import parts
from rookery.dashboard.sources import Source
from rookery.dashboard.viewer import Viewer
from rookery_ensembles.errors import InputError

_FEW = "there are too few complete trials yet"


def layout(viewer: Viewer, source: Source, query: dict[str, str]) -> Any:
    """Return the view."""
    trials = hyperparameters.complete(viewer.trials(source).trials)
    names = list(hyperparameters.importance(trials)) or hyperparameters.searched(trials)
    names += [name for name in hyperparameters.searched(trials) if name not in names]
    which = parts.choice(
        "slice", {name: name for name in names} or {"": "none yet"}, query.get("slice", ""), "of"
    )
    several = len(viewer.trials(source).facts.objectives) > 1
    explained = "How much of the trials' ranks each explains by itself, in three groups of its values."
    objectives = parts.section("Objectives", parts.graph("objectives"))
    return html.Div(
        [
            *parts.tick("hyperparameters"),
            html.Div(
                [
                    parts.section("Importance", parts.graph("importance", 420), note=explained),
                    parts.section("Slice", html.Div(which, className="controls"), parts.graph("slice", 380)),
                ],
                className="two",
            ),
            parts.section("Parallel coordinates", parts.graph("parallel", 420)),
            html.Div(objectives, style={} if several else {"display": "none"}),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Draw the figures anew when trials have ended or another slice is chosen."""

    @app.callback(
        Output("importance", "figure"),
        Output("slice", "figure"),
        Output("parallel", "figure"),
        Output("objectives", "figure"),
        Output("hyperparameters-shown", "data"),
        Input("hyperparameters-tick", "n_intervals"),
        Input({"type": "state", "name": "slice"}, "value"),
        State("study-key", "data"),
        State("hyperparameters-shown", "data"),
        State("slice", "relayoutData"),
    )
    def update(_: int | None, name: str | None, key: str, before: str | None, zoom: Any = None) -> Any:
        source = viewer.source(key, "study")
        if source is None:
            return (no_update,) * 5
        reader = viewer.trials(source)
        try:
            reader.refresh()
        except InputError as error:
            return parts.blank(str(error)), *(no_update,) * 4
        trials = hyperparameters.complete(reader.trials)
        version = f"{len(trials)} {name}"
        if version == before:
            return (no_update,) * 5
        one = hyperparameters.slice_figure(key, trials, name or "", reader.facts)
        same = before is not None and before.partition(" ")[2] == name
        drawn = (
            hyperparameters.importance_figure(key, trials),
            parts.zoomed(one, zoom) if one and same else one,
            hyperparameters.parallel_figure(key, trials, reader.facts),
            hyperparameters.objectives_figure(key, trials, reader.facts),
        )
        return *(figure or parts.blank(_FEW) for figure in drawn), version
