"""An ensemble: its members and weights, what pooling and calibration gain, and how it compares."""

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from rookery.dashboard import ensemble_figures
from rookery.dashboard.ensembles import EnsembleView, roles_at_hand
from rookery.dashboard.pages import parts
from rookery.dashboard.trials import stamp_of
from rookery.dashboard.viewer import Viewer
from rookery_ensembles import Bundle, load_bundle
from rookery_ensembles.errors import InputError
from rookery_ensembles.metric import METRICS

PATH = "/ensemble"
_WORDS = {
    "best_member": "best member", "average": "plain average of all candidates", "selected": "selected",
    "selected_calibrated": "selected and calibrated (this ensemble)",
}  # fmt: skip


def layout(viewer: Viewer, query: dict[str, str]) -> Any:
    """Return the page of the bundle that the address names."""
    source = viewer.source(query.get("at"), "bundle")
    if source is None:
        return parts.error_box(f"No ensemble is called {query.get('at', '')!r} here.")
    head = html.H1(source.key)
    try:
        bundle = load_bundle(source.path)
    except InputError as error:
        return html.Div([head, parts.error_box(str(error))])
    roles = {
        role: f"{role} objects" for role in roles_at_hand(source.path, [one.id for one in bundle.members])
    }
    which = parts.choice("role", roles or {"": "none at hand"}, query.get("role", ""), "judged on")
    link = dcc.Link("Look at single objects", href=parts.href("/objects", at=source.key))
    return html.Div(
        [
            *parts.tick("ensemble"),
            dcc.Store(id="ensemble-key", data=source.key),
            head,
            html.Div(_facts(bundle), className="facts"),
            html.Div([which, link], className="controls"),
            html.Div(id="ensemble-body"),
            parts.section(
                "When it was made", _validation_table(bundle),
                note="On the validation objects, by which it was selected and calibrated.",
            ),
        ]
    )  # fmt: skip


def register(app: Dash, viewer: Viewer) -> None:
    """Draw the figures, and again when the bundle was made anew."""

    @app.callback(
        Output("ensemble-body", "children"),
        Output("ensemble-shown", "data"),
        Input("ensemble-tick", "n_intervals"),
        Input({"type": "state", "name": "role"}, "value"),
        State("ensemble-key", "data"),
        State("ensemble-shown", "data"),
    )
    def update(_: int | None, role: str, key: str, before: str | None) -> Any:
        source = viewer.source(key, "bundle")
        if source is None:
            return parts.error_box(f"{key} is gone."), None
        version = f"{role} {stamp_of(source.path / 'ensemble.yaml')}"
        if version == before:
            return no_update, no_update
        if not role:
            words = (
                "The members' predictions are not at hand: the bundle does not lie in its study or campaign."
            )
            return html.P(words, className="note"), version
        try:
            view = viewer.ensembles.view(source.path, role)
            return _body(view), version
        except InputError as error:
            return parts.error_box(str(error)), version


def _facts(bundle: Bundle) -> list[Any]:
    seconds = bundle.provenance.get("device_seconds")
    made = bundle.provenance
    return parts.facts(
        [
            ("predicts", bundle.target.spoken),
            ("members", len(bundle.members)),
            ("candidates", made.get("candidates")),
            ("pool", bundle.pooling),
            ("calibration", "none" if bundle.calibration is None else str(bundle.calibration).split("(")[0]),
            (
                "device time of the search",
                parts.hours(seconds["search"] / 3600)
                if isinstance(seconds, dict) and "search" in seconds
                else None,
            ),
        ]
    )


def _body(view: EnsembleView) -> Any:
    seen = (
        f"{len(view.truth):,} of {view.objects:,}" if len(view.truth) < view.objects else f"{view.objects:,}"
    )
    note = f"On {seen} {view.role} objects of known truth"
    note += (
        "; nothing was chosen by them."
        if view.role == "test"
        else ", by which the ensemble was chosen: it flatters."
    )
    drawn = [("Weights", ensemble_figures.weights(view), "weights")]
    if view.gains:
        drawn.append(("Gain by each member", ensemble_figures.gains(view), "gains"))
        drawn.append(("Score against the number of members", ensemble_figures.by_number(view), "by-number"))
        drawn.append(("Correlation of errors", ensemble_figures.correlation(view), "correlation"))
    drawn += [
        (title, figure, title.split()[0].lower()) for title, figure in ensemble_figures.calibration(view)
    ]
    sections = []
    for title, figure, name in drawn:
        place = parts.graph(f"ensemble-{name}", 320)
        place.figure = figure
        words = (
            f"The errors are as related as those of {view.effective:.2g} unrelated members."
            if name == "correlation"
            else ""
        )
        sections.append(parts.section(title, place, note=words))
    return html.Div([_comparison(view, note), html.Div(sections, className="two")])


def _comparison(view: EnsembleView, note: str) -> Any:
    names = [name for name in view.bundle.target.compared if name in view.scores["ensemble"]]
    if "log_loss" in view.scores["ensemble"] and "log_loss" not in names:
        names.append("log_loss")
    heads = ["", *(f"{METRICS[name].short} {METRICS[name].arrow}" for name in names)]
    rows = [
        [name, *(METRICS[metric].format(found.get(metric, float("nan"))) for metric in names)]
        for name, found in view.scores.items()
    ]
    return parts.section("Against single networks", parts.plain_table(heads, rows, best=0), note=note)


def _validation_table(bundle: Bundle) -> Any:
    names = [name for name in METRICS if any(name in found for found in bundle.scores.values())]
    heads = ["", *(f"{METRICS[name].short} {METRICS[name].arrow}" for name in names)]
    rows = [
        [_WORDS.get(key, key), *(METRICS[name].format(found.get(name, float("nan"))) for name in names)]
        for key, found in bundle.scores.items()
    ]
    return parts.plain_table(heads, rows)
