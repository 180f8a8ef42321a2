from copy import deepcopy
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from rookery.search.one_writer import OneWriterStorage


def told(trial: FrozenTrial) -> dict[str, object]:
    """What a trial says, its times but for whether there are any."""
    values = dict(trial.__dict__)
    for time in ("_datetime_start", "datetime_complete"):
        values[time] = values[time] is not None
    return values


def play(storage: optuna.storages.BaseStorage, seed: int) -> optuna.Study:
    """Use everything that a search uses: queued points, steps, constraints, every kind of end."""
    study = optuna.create_study(
        storage=storage, study_name="s", load_if_exists=True, sampler=optuna.samplers.TPESampler(seed=seed)
    )
    study.enqueue_trial({"x": 0.5, "kind": "b"}, user_attrs={"why": "published"})
    for number in range(15):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 1)
        kind = trial.suggest_categorical("kind", ["a", "b"])
        trial.suggest_int("n", 1, 64, log=True)
        trial.set_constraint("size", x - 0.9)
        for step in range(3):
            trial.report(x + step, step)
        trial.set_user_attr("seconds", 1.5 * number)
        if number % 5 == 4:
            study.tell(trial, state=TrialState.FAIL)
        elif number % 5 == 3:
            study.tell(trial, state=TrialState.PRUNED)
        elif number != 11:  # one stays running
            study.tell(trial, x + (kind == "a"))
    study.enqueue_trial({"x": 0.1, "kind": "a"})
    return study


def test_reads_what_the_database_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    play(RDBStorage(url), seed=1)  # there is a past, too
    storage = OneWriterStorage(RDBStorage(url))
    study = play(storage, seed=2)
    there = optuna.load_study(study_name="s", storage=url).trials
    assert len(there) == 31
    assert [told(t) for t in study.trials] == [told(t) for t in there]
    assert [told(storage.get_trial(t._trial_id)) for t in there] == [told(t) for t in there]
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [told(t) for t in waiting] == [told(t) for t in there if t.state is TrialState.WAITING]


def test_trials_that_were_handed_out_do_not_change(tmp_path: Path) -> None:
    study = optuna.create_study(storage=OneWriterStorage(RDBStorage(f"sqlite:///{tmp_path}/study.db")))
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    handed_out = [study.get_trials(deepcopy=False)[0], study._storage.get_trial(trial._trial_id)]
    before = deepcopy(handed_out)
    trial.suggest_float("y", 0, 1)
    trial.report(0.5, 1)
    trial.set_user_attr("a", 1)
    trial.set_constraint("c", 0.0)
    study.tell(trial, 1.0)
    assert handed_out == before
    handed_out[1].params["x"] = 7.0
    assert study.trials[0].params["x"] != 7.0


def test_what_the_database_refuses_is_not_remembered(tmp_path: Path) -> None:
    study = optuna.create_study(storage=OneWriterStorage(RDBStorage(f"sqlite:///{tmp_path}/study.db")))
    trial = study.ask()
    study.tell(trial, 1.0)
    before = study.trials
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study._storage.set_trial_user_attr(trial._trial_id, "late", 1)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    assert study.trials == before
