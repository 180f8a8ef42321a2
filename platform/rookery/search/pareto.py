"""The trials of a study with several objectives that none beats in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rookery.search.study import Study


def pareto_front(study: Study) -> list[dict[str, Any]]:
    """Return the Pareto front, the best by the first objective first.

    With one objective it is the best trial, or those that are as good.

    Returns
    -------
    For each trial `trial`, `values` by objective, and its `configuration` as far as it was searched.
    """
    opened = study.optuna_study()
    names = study.space.objectives
    sign = 1 if study.space.objective.direction == "minimize" else -1
    best = sorted(opened.best_trials, key=lambda trial: (sign * trial.values[0], trial.number))
    return [
        {
            "trial": trial.number,
            "values": dict(zip(names, trial.values, strict=True)),
            "configuration": dict(trial.params),
        }
        for trial in best
    ]
