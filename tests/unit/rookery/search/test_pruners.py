"""Who stops bad trials."""

import math

import optuna
import pytest

from rookery.search.pruners import WorstPruner

PRUNER = WorstPruner(0.25, n_startup_trials=4, n_warmup_steps=2)


def study_with(values: list[float], direction: str = "minimize", stop: float = math.inf) -> optuna.Study:
    """Return a study of trials with one constant value each; those above `stop` were pruned at step 2."""
    study = optuna.create_study(direction=direction)
    for value in values:
        trial = study.ask()
        for step in range(1, 11):
            trial.report(value, step)
            if value > stop and step == 2:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
    return study


def stops(study: optuna.Study, value: float, step: int) -> bool:
    trial = study.ask()
    trial.report(value, step)
    return PRUNER.prune(study, study.get_trials()[trial.number])


@pytest.mark.parametrize(("value", "stopped"), [(0.5, False), (6.5, True), (5.9, False), (math.nan, True)])
def test_the_worst_quarter_is_stopped(value, stopped):
    assert stops(study_with([1, 2, 3, 4, 5, 6, 7, 8]), value, 5) is stopped


def test_of_values_to_be_maximised_the_smallest_are_stopped():
    study = study_with([1, 2, 3, 4, 5, 6, 7, 8], "maximize")
    assert stops(study, 2.0, 5)
    assert not stops(study, 4.0, 5)


def test_few_trials_and_early_steps_stop_nothing():
    assert not stops(study_with([1, 2, 3]), 9.0, 5)
    assert not stops(study_with([1, 2, 3, 4, 5]), 9.0, 1)


def test_trials_that_were_stopped_still_count_later():
    study = study_with([1, 1, 1, 1, 5, 6, 7, 8], stop=4)
    assert not stops(study, 4.5, 9), "a completed-only comparison would stop it"
    assert stops(study, 7.5, 9)
