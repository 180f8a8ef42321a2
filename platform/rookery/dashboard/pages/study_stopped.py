"""What if the study were stopped now: the ensemble of the trials that have ended, against fewer of them."""

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, html, no_update

from rookery.dashboard import figures
from rookery.dashboard.pages import parts
from rookery.dashboard.stopped_now import StoppedThen
from rookery.dashboard.viewer import Viewer
from rookery.reports.charts.model import Axis, Line, single
from rookery_ensembles.errors import InputError

_NOTE = (
    "Log loss on the validation objects, in nats: members are chosen by one half of them and judged by the "
    "other. Plain greedy selection; `rookery ensemble` may do better."
)


def layout() -> Any:
    """Return the view."""
    return html.Div(
        [
            *parts.tick("stopped"),
            html.Div(id="stopped-facts", className="facts"),
            parts.section("If it had been stopped then", parts.graph("stopped-curve", 420), note=_NOTE),
        ]
    )


def register(app: Dash, viewer: Viewer) -> None:
    """Keep it up to date."""

    @app.callback(
        Output("stopped-facts", "children"),
        Output("stopped-curve", "figure"),
        Output("stopped-shown", "data"),
        Input("stopped-tick", "n_intervals"),
        State("study-key", "data"),
        State("stopped-shown", "data"),
    )
    def update(_: int | None, key: str, before: str | None) -> Any:
        source = viewer.source(key, "study")
        if source is None:
            return (no_update,) * 3
        reader = viewer.trials(source)
        try:
            reader.refresh()
        except InputError as error:
            return None, parts.blank(str(error)), None
        complete = sum(one.state == "complete" for one in reader.trials)
        if before is not None and before == f"{complete} {complete}":
            return (no_update,) * 3
        found, known = viewer.stopped_now(source.path).curve(reader.trials, reader.facts)
        version = f"{complete} {known}"
        if version == before:
            return (no_update,) * 3
        if not found:
            return None, parts.blank("no trial is complete whose networks are here"), version
        return parts.facts(_facts(found)), _figure(key, found), version


def _facts(found: Sequence[StoppedThen]) -> list[tuple[str, object]]:
    now = found[-1]
    earlier = next((one for one in found if one.trials >= now.trials / 2), now)
    return [
        ("trials so far", now.trials),
        ("ensemble of them", now.ensemble),
        ("best single trial", now.single),
        (
            f"gained since trial {earlier.trials}",
            earlier.ensemble - now.ensemble if earlier is not now else None,
        ),
    ]


def _figure(key: str, found: Sequence[StoppedThen]) -> dict[str, Any]:
    x = [one.trials for one in found]
    lines = [
        Line("ensemble", x, [one.ensemble for one in found], 0, marked=True),
        Line("best single trial", x, [one.single for one in found], 1, marked=True),
    ]
    chart = single("", Axis("trials that have ended"), Axis("log loss, nats"), lines)
    return figures.charted(f"stopped {key}", chart)
