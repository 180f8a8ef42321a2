"""The learning curves of a study: of each fold and start, told apart by what became of their trials."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.dashboard import figures
from rookery.dashboard.figures import Curve
from rookery.dashboard.networks import RATE, History, counterpart
from rookery.dashboard.trials import Trial
from rookery.search.study_facts import StudyFacts

CurvesOf = Callable[[Trial], list[tuple[int, Curve]]]
_DECADE = 10.0
_MANY = 30
"""From so many curves on a band stands for them, and they are drawn faintly."""
DRAWN = 100
"""Of more curves of a state so many are drawn, evenly chosen; the band is that of all."""


def epochs_of(trial: Trial, facts: StudyFacts) -> int | None:
    """Return the epochs of each network of a trial, where they are known."""
    found = trial.point.get("epochs", facts.fixed.get("epochs"))
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def networks_of(trial: Trial, facts: StudyFacts) -> list[tuple[int, Curve]]:
    """Return the curve of each network of a trial, with its place: a step counts the epochs of all."""
    if not len(trial.steps) or not trial.whole:
        return []
    epochs = epochs_of(trial, facts)
    if not epochs or len(facts.trainings) == 1:
        return [(0, (trial.steps, trial.scores))]
    which = (trial.steps - 1) // epochs
    return [
        (int(one), (trial.steps[which == one] - one * epochs, trial.scores[which == one]))
        for one in np.unique(which)
        if one < len(facts.trainings)
    ]


def training_names(facts: StudyFacts) -> dict[str, str]:
    """Return the words of each network of a trial, by its place; empty where there is but one."""
    if len(facts.trainings) == 1:
        return {}
    return {
        str(place): (f"fold {fold}" if fold is not None else "")
        + (f" start {start}" if facts.starts > 1 else "")
        for place, (fold, start) in enumerate(facts.trainings)
    }


def curves_of_columns(facts: StudyFacts, histories: Mapping[str, History], column: str) -> CurvesOf:
    """Return what tells the curves of a column of each network's history."""

    def curves(trial: Trial) -> list[tuple[int, Curve]]:
        members = [histories.get(name, {}) for name in facts.members_of(trial.number)]
        return [(place, (one["epoch"], one[column])) for place, one in enumerate(members) if column in one]

    return curves


def learning_curves(
    key: str,
    trials: Sequence[Trial],
    facts: StudyFacts,
    training: str = "all",
    column: str | None = None,
    histories: Mapping[str, History] | None = None,
) -> dict[str, Any]:
    """Return the figure.

    Parameters
    ----------
    training
        The place of one network of each trial, or all.
    column
        A column of the histories; by default the objective as it was reported.
    histories
        Of the networks by name: of all that a column is drawn of; what the best and the running ones did on
        the objects they trained on is drawn beside (dashed), where it is there.
    """
    histories = histories or {}
    curves_of = curves_of_columns(facts, histories, column) if column else lambda one: networks_of(one, facts)
    groups: dict[str, list[Curve]] = {"complete": [], "pruned": [], "fail": [], "running": []}
    best: list[Curve] = []
    first = best_trial(trials, facts)
    for trial in trials:
        curves = [curve for place, curve in curves_of(trial) if training in ("all", str(place))]
        if trial is first:
            best = curves
        elif trial.state in groups:
            groups[trial.state] += curves
    figure = _traces(groups, 0 if column else sum(not trial.whole for trial in trials))
    shown = column or facts.metric
    beside = [(first, figures.ORANGE, "best")] if first else []
    beside += [(trial, figures.GREEN, "running") for trial in trials if trial.state == "running"]
    trained: dict[str, tuple[str, list[Curve]]] = {}
    for trial, colour, name in beside:
        trained.setdefault(name, (colour, []))[1].extend(
            curve
            for place, curve in _trained(facts, histories, trial, shown)
            if training in ("all", str(place))
        )
    if best:
        name = f"best (trial {first.number if first else ''})"
        figure.append(figures.curves_trace(name, best, figures.ORANGE, 1, 2.4))
    for name, (colour, curves) in trained.items():
        if curves:
            trace = figures.curves_trace(f"{name}, on the training objects", curves, colour, 0.9, 1.4)
            figure.append({**trace, "line": {**trace["line"], "dash": "dash"}})
    layout = figures.layout(f"curves {key} {training} {column}", "epoch", figures.plain(shown))
    scores = [y for curves in (*groups.values(), best) for _, y in curves]
    if scores:
        _set_range(layout, np.concatenate(scores).astype(float), column)
    return {"data": figure, "layout": layout}


def _traces(groups: Mapping[str, list[Curve]], unread: int) -> list[dict[str, Any]]:
    """Return the curves of each state: many faintly, the complete ones with a band.

    Of `unread` trials the curves were not read: the names say that those that are drawn are some.
    """
    many = len(groups["complete"]) > _MANY
    figure: list[dict[str, Any]] = []
    faint = 0.25 if len(groups["pruned"]) > _MANY else 0.5
    share = figures.MOST_POINTS // 3
    looks = [("pruned", figures.NEUTRAL, faint), ("fail", figures.RED, 0.5)]
    looks.append(("complete", figures.BLUE, 0.18 if many else 0.6))
    for state, colour, opacity in looks:
        if found := groups[state]:
            drawn = found if len(found) <= DRAWN else found[:: -(-len(found) // DRAWN)]
            of = f" ({len(drawn)} of {len(found):,} drawn)" if len(drawn) < len(found) else ""
            of = f" ({len(drawn)} of many drawn)" if unread else of
            name = "failed" if state == "fail" else state
            figure.append(figures.curves_trace(name + of, drawn, colour, opacity, 1, share))
    if many:
        figure += figures.quantile_band(groups["complete"], "complete", figures.BLUE)
    if groups["running"]:
        figure.append(figures.curves_trace("running", groups["running"], figures.GREEN, 1, 1.6))
    return figure


def _trained(
    facts: StudyFacts, histories: Mapping[str, History], trial: Trial, column: str
) -> list[tuple[int, Curve]]:
    """Return the curves of the training's column that belongs to one of validation."""
    found = []
    for place, name in enumerate(facts.members_of(trial.number)):
        history = histories.get(name, {})
        if (other := counterpart(column, history)) is not None:
            found.append((place, (history["epoch"], history[other])))
    return found


def _set_range(layout: dict[str, Any], values: NDArray[np.floating[Any]], column: str | None) -> None:
    """Show the range of most values first; of the rate, which falls by decades, by its logarithm."""
    finite = values[np.isfinite(values)]
    if column == RATE and finite.size and finite.min() > 0 and finite.max() > _DECADE * finite.min():
        layout["yaxis"]["type"] = "log"
        return
    low, high = figures.robust_range(values)
    if low < high:
        layout["yaxis"]["autorangeoptions"] = {"clipmin": low, "clipmax": high}


def best_trial(trials: Sequence[Trial], facts: StudyFacts) -> Trial | None:
    """Return the complete trial with the best first value."""
    complete = [
        trial for trial in trials if trial.state == "complete" and trial.values and not trial.infeasible
    ]
    sign = 1 if facts.minimize else -1
    return min(complete, key=lambda trial: sign * trial.values[0], default=None)
