"""The learning curves of a study: of each fold and start, told apart by what became of their trials."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rookery.dashboard import figures
from rookery.dashboard.figures import Curve
from rookery.dashboard.study_document import StudyFacts
from rookery.dashboard.trials import Trial

_MANY = 30
"""From so many curves on a band stands for them, and they are drawn faintly."""
_DRAWN = 100
"""Of more curves of a state so many are drawn, evenly chosen; the band is that of all."""


def epochs_of(trial: Trial, facts: StudyFacts) -> int | None:
    """Return the epochs of each network of a trial, where they are known."""
    found = trial.point.get("epochs", facts.fixed.get("epochs"))
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def networks_of(trial: Trial, facts: StudyFacts) -> list[tuple[int, Curve]]:
    """Return the curve of each network of a trial, with its place: a step counts the epochs of all."""
    if not len(trial.steps):
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


def learning_curves(
    key: str, trials: Sequence[Trial], facts: StudyFacts, training: str = "all"
) -> dict[str, Any]:
    """Return the figure; `training` is the place of one network of each trial, or all."""
    groups: dict[str, list[Curve]] = {"complete": [], "pruned": [], "fail": [], "running": []}
    best: list[Curve] = []
    first = best_trial(trials, facts)
    for trial in trials:
        curves = [curve for place, curve in networks_of(trial, facts) if training in ("all", str(place))]
        if trial is first:
            best = curves
        elif trial.state in groups:
            groups[trial.state] += curves
    many = len(groups["complete"]) > _MANY
    figure: list[dict[str, Any]] = []
    faint = 0.25 if len(groups["pruned"]) > _MANY else 0.5
    share = figures.MOST_POINTS // 3
    looks = [("pruned", figures.NEUTRAL, faint), ("fail", figures.RED, 0.5)]
    looks.append(("complete", figures.BLUE, 0.18 if many else 0.6))
    for state, colour, opacity in looks:
        if found := groups[state]:
            drawn = found if len(found) <= _DRAWN else found[:: -(-len(found) // _DRAWN)]
            of = f" ({len(drawn)} of {len(found):,} drawn)" if len(drawn) < len(found) else ""
            name = "failed" if state == "fail" else state
            figure.append(figures.curves_trace(name + of, drawn, colour, opacity, 1, share))
    if many:
        figure += figures.quantile_band(groups["complete"], "complete", figures.BLUE)
    if groups["running"]:
        figure.append(figures.curves_trace("running", groups["running"], figures.GREEN, 1, 1.6))
    if best:
        figure.append(
            figures.curves_trace(
                f"best (trial {first.number if first else ''})", best, figures.ORANGE, 1, 2.4
            )
        )
    shown = figures.layout(f"curves {key} {training}", "epoch", figures.plain(facts.metric))
    scores = [y for curves in (*groups.values(), best) for _, y in curves]
    if scores:
        low, high = figures.robust_range(np.concatenate(scores).astype(float))
        if low < high:
            shown["yaxis"]["autorangeoptions"] = {"clipmin": low, "clipmax": high}
    return {"data": figure, "layout": shown}


def best_trial(trials: Sequence[Trial], facts: StudyFacts) -> Trial | None:
    """Return the complete trial with the best first value."""
    complete = [
        trial for trial in trials if trial.state == "complete" and trial.values and not trial.infeasible
    ]
    sign = 1 if facts.minimize else -1
    return min(complete, key=lambda trial: sign * trial.values[0], default=None)
