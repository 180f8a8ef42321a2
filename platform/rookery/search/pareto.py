"""The trials of a study with several objectives that none beats in all of them."""

from typing import TYPE_CHECKING, Any

from rookery_ensembles.errors import InputError, fail

if TYPE_CHECKING:
    from rookery.search.study import Study


def pareto_front(study: "Study") -> list[dict[str, Any]]:
    """Return the Pareto front, the best by the first objective first.

    With one objective it is the best trial, or those that are as good.

    Returns
    -------
    For each trial `trial`, `values` by objective, and its `configuration` as far as it was searched.
    """
    opened = study.reader()
    names = study.space.objectives
    try:
        trials = opened.best_trials if opened else []
    except InputError:
        raise
    except ValueError as error:  # Optuna's word for other objectives than the trials have
        raise fail(study.path, f"the database has not the objectives {', '.join(names)} ({error})") from error
    if odd := [trial.number for trial in trials if len(trial.values) != len(names)]:
        rule = f"trials must have a value of each of {', '.join(names)}"
        raise fail(study.path, f"{rule}, but trial {odd[0]} has others")
    sign = 1 if study.space.objective.direction == "minimize" else -1
    best = sorted(trials, key=lambda trial: (sign * trial.values[0], trial.number))
    return [
        {
            "trial": trial.number,
            "values": dict(zip(names, trial.values, strict=True)),
            "configuration": dict(trial.params),
        }
        for trial in best
    ]
