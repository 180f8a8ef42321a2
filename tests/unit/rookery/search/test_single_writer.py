import sqlite3
from copy import deepcopy
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from rookery.search.storage.single_writer import SingleWriterStorage


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
    storage = SingleWriterStorage(RDBStorage(url))
    study = play(storage, seed=2)
    there = optuna.load_study(study_name="s", storage=url).trials
    assert len(there) == 31
    assert [told(t) for t in study.trials] == [told(t) for t in there]
    assert [told(storage.get_trial(t._trial_id)) for t in there] == [told(t) for t in there]
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [told(t) for t in waiting] == [told(t) for t in there if t.state is TrialState.WAITING]


def test_trials_that_were_handed_out_do_not_change(tmp_path: Path) -> None:
    study = optuna.create_study(storage=SingleWriterStorage(RDBStorage(f"sqlite:///{tmp_path}/study.db")))
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
    study = optuna.create_study(storage=SingleWriterStorage(RDBStorage(f"sqlite:///{tmp_path}/study.db")))
    trial = study.ask()
    study.tell(trial, 1.0)
    before = study.trials
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study._storage.set_trial_user_attr(trial._trial_id, "late", 1)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    assert study.trials == before


def opened(folder: Path) -> tuple[optuna.Study, SingleWriterStorage, str]:
    """A new study, its storage, and the URL for another reader."""
    url = f"sqlite:///{folder}/study.db"
    storage = SingleWriterStorage(RDBStorage(url))
    return optuna.create_study(storage=storage, study_name="s"), storage, url


def test_writes_together_are_one_transaction(tmp_path: Path) -> None:
    study, storage, url = opened(tmp_path)
    with storage.together():
        trial = study.ask()
        with storage.together():
            trial.suggest_float("x", 0, 1)
        assert optuna.load_study(study_name="s", storage=url).trials == []
        trial.set_user_attr("a", [1])
    (there,) = optuna.load_study(study_name="s", storage=url).trials
    assert there.params.keys() == {"x"}
    assert there.user_attrs == {"a": [1]}
    assert there == study.trials[0]


def test_writes_before_an_error_are_kept(tmp_path: Path) -> None:
    study, storage, url = opened(tmp_path)

    def ask() -> None:
        with storage.together():
            study.ask().suggest_float("x", 0, 1)
            raise ValueError("sampler")

    with pytest.raises(ValueError, match="sampler"):
        ask()
    assert optuna.load_study(study_name="s", storage=url).trials == study.trials
    assert len(study.trials) == 1


def test_what_a_full_disk_refused_is_written_with_the_next(tmp_path: Path) -> None:
    study, storage, url = opened(tmp_path)
    trial = study.ask()
    engine = storage._backend.engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def full(connection: sqlite3.Connection, record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(engine, "connect", full)
    engine.dispose()
    with pytest.raises(OperationalError, match="full"):
        trial.set_user_attr("long", "x" * 100_000)
    assert optuna.load_study(study_name="s", storage=url).trials[0].user_attrs == {}
    event.remove(engine, "connect", full)
    engine.dispose()
    trial.set_user_attr("short", 1)
    there = optuna.load_study(study_name="s", storage=url).trials
    assert there[0].user_attrs == {"long": "x" * 100_000, "short": 1}
    assert there == study.trials


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    study, _, url = opened(tmp_path)
    for value, step in ((float("inf"), float("nan")), (float("-inf"), float("inf"))):
        trial = study.ask()
        trial.report(step, 1)
        study.tell(trial, value)
    there = optuna.load_study(study_name="s", storage=url).trials
    assert [t.value for t in there] == [float("inf"), float("-inf")]
    assert str([t.intermediate_values for t in there]) == "[{1: nan}, {1: inf}]"


def test_refuses_what_optuna_refuses(tmp_path: Path) -> None:
    study, storage, url = opened(tmp_path)
    study.ask().suggest_float("x", 0, 1)
    trial = study.ask()
    with pytest.raises(ValueError, match="distribution"):
        trial.suggest_int("x", 0, 1)
    with pytest.raises(TypeError, match="JSON"):
        trial.set_user_attr("object", object())
    assert not storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    with pytest.raises(KeyError):
        storage.get_trial(17)
    there = optuna.load_study(study_name="s", storage=url).trials
    assert there == study.trials
    assert there[1].params == there[1].user_attrs == {}


def test_beside_another_study_of_the_same_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    other = optuna.create_study(storage=url, study_name="other")
    for _ in range(3):
        other.tell(other.ask(), 1.0)
    study = optuna.create_study(storage=SingleWriterStorage(RDBStorage(url)), study_name="s")
    study.tell(study.ask(), 2.0)
    assert [t.number for t in study.trials] == [0]
    assert [t.value for t in optuna.load_study(study_name="s", storage=url).trials] == [2.0]
    assert [t.value for t in optuna.load_study(study_name="other", storage=url).trials] == [1.0] * 3
    finished = study._storage.get_trial(other.trials[2]._trial_id)
    assert finished.value == 1.0
