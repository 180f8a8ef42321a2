"""A folder that cannot be reached for a while. The errors are injected: no NFS server can be stopped here."""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from rookery.compute.faults import may_pass, storage_fault
from rookery.search import worker as trial_module
from rookery.search.storage.database import open_database
from rookery.search.trial_plan import FAILED, FINISHED, HALTED, STEP, TrialPlan
from rookery.search.worker import run_plan
from rookery.training.job import TrainingJob

MakeJob = Callable[..., TrainingJob]


def run(study: Path, job: TrainingJob) -> list[dict[str, Any]]:
    """Run a trial of one network; return what it reported."""
    sent: list[dict[str, Any]] = []
    plan = {"trial": 0, "jobs": [job], "study": str(study), "in_worker_group": False, "cpus": 1, "gpus": 0}
    run_plan(TrialPlan.model_validate(plan), sent.append)
    return sent


def fail_at_calls(monkeypatch: pytest.MonkeyPatch, code: int, calls: range) -> list[int]:
    """Let some of this process's calls of `fsync` fail; return a list that grows with every call."""
    made: list[int] = []
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        made.append(descriptor)
        if len(made) - 1 in calls:
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    return made


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_training_goes_on_when_its_folder_comes_back(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    job = make_job(configuration={"epochs": 4})
    undisturbed = run(tmp_path / "a", job)
    made = fail_at_calls(monkeypatch, code, range(2, 4))
    disturbed = run(tmp_path / "b", job)
    assert len(made) > 4
    weights = [(tmp_path / name / "members/0000/weights.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
    assert disturbed[-1][FINISHED] == undisturbed[-1][FINISHED]
    assert {row[STEP] for row in disturbed[:-1]} == {1, 2, 3, 4}


@pytest.mark.slow
def test_folder_that_stays_away_halts_the_study(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "FOLDER_SECONDS", 2.0)
    made = fail_at_calls(monkeypatch, errno.EIO, range(1, 10_000))
    last = run(tmp_path, make_job(configuration={"epochs": 4}))[-1]
    assert "cannot be written (Input/output error)" in last[HALTED]
    assert len(made) > 2


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN])
def test_what_is_waited_for_is_the_whole_studys_trouble_when_it_lasts(code: int) -> None:
    error = OSError(code, os.strerror(code))
    assert may_pass(error)
    assert storage_fault(error) == os.strerror(code)


def test_full_disk_is_not_waited_for(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fail_at_calls(monkeypatch, errno.ENOSPC, range(10_000))
    last = run(tmp_path, make_job(configuration={"epochs": 4}))[-1]
    assert "No space left" in last[HALTED]
    assert FAILED not in last
    assert len(made) == 2, "the file of epochs, which a training can do without, and the checkpoint"


@pytest.mark.slow
def test_driver_writes_again_when_the_database_comes_back(tmp_path: Path) -> None:
    storage = open_database(make_url(f"sqlite:///{tmp_path}/study.db"))
    study = optuna.create_study(storage=storage)
    failures = 3

    def away(*_: Any) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error"))

    event.listen(storage.engine, "before_cursor_execute", away)
    try:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, 1.0)
    finally:
        event.remove(storage.engine, "before_cursor_execute", away)
    assert failures == 0
    assert [t.value for t in study.trials] == [1.0]
