"""Processes told to end by SIGTERM or Ctrl-C: they save what they have, and the study goes on from there."""

import json
import os
import signal
import subprocess
import sys
import time

import optuna
import psutil
import pytest

from processes import wait_for
from rookery import api
from rookery.search.study import open_study

pytestmark = [pytest.mark.slow, pytest.mark.ray]
LONG_EPOCHS = {"epochs": 1000, "batch_size": 2, "days_per_column": 1, "patience": 1000}
"""So many that no training ends before a test has found its worker, on any machine."""


def command(survey, study, *, trials=1, fixed=LONG_EPOCHS, options=()):
    words = [sys.executable, "-m", "rookery", "search", "pelican", "--survey", str(survey.path)]
    words += ["--split", "half", "--study", str(study), "--trials", str(trials), "--pruner", "none", *options]
    return words + [f"--set={name}={value}" for name, value in fixed.items()]


def start(words):
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def workers(driver, name):
    children = psutil.Process(driver.pid).children(recursive=True)
    return [p for p in children if name in " ".join(p.cmdline())]


def partial_step(checkpoint):
    """Return the step of an unfinished epoch that a checkpoint holds, or None.

    Read in one go: `safe_open` opens a file twice, and a worker may replace it in between.
    """
    try:
        whole = checkpoint.read_bytes()
    except FileNotFoundError:
        return None
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    text = header["__metadata__"]["rookery"]
    return text if '"partial"' in text else None


@pytest.mark.parametrize(
    ("options", "name"),
    [(["--execution", "actor"], "ImplicitFunc"), (["--execution", "train"], "RayTrainWorker")],
    ids=["actor", "worker group"],
)
def test_a_worker_told_to_end_saves_the_middle_of_its_epoch_and_another_goes_on(
    survey, tmp_path, options, name
):
    study = tmp_path / "study"
    checkpoint = study / "running" / "0000.safetensors"
    driver = start(command(survey, study, options=options))
    try:
        wait_for(checkpoint.is_file)  # one epoch is done, others follow
        worker = wait_for(lambda: workers(driver, name))[0]
        worker.send_signal(signal.SIGTERM)
        kept = wait_for(lambda: partial_step(checkpoint), 30)
        wait_for(lambda: not partial_step(checkpoint))  # another worker has ended that epoch
        driver.send_signal(signal.SIGTERM)
        output, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert '"step"' in kept
    assert driver.returncode == 130, output
    trial = open_study(study).optuna_study().trials[0]  # points whose turn did not come wait behind it
    assert trial.state is optuna.trial.TrialState.RUNNING
    steps = sorted(trial.intermediate_values)
    assert len(steps) >= 2
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_driver_told_to_end_stops_within_seconds_and_says_how_to_go_on(survey, tmp_path, number):
    study = tmp_path / "study"
    words = command(survey, study, trials=3, fixed=LONG_EPOCHS)
    driver = start(words)
    try:
        wait_for(lambda: any((study / "running").glob("*.safetensors")))
        began = time.monotonic()
        os.kill(driver.pid, number)
        output, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert time.monotonic() - began < 30
    assert driver.returncode == 130, output
    assert "stopped; the same command goes on with it" in output
    assert "Traceback" not in output
    states = {trial.state for trial in open_study(study).optuna_study().trials}
    assert optuna.trial.TrialState.FAIL not in states


@pytest.mark.xdist_group("ray")
def test_two_workers_train_one_network_as_one_worker_would(survey, ray_session, tmp_path):
    fixed = {"epochs": 3, "days_per_column": 8, "merged_blocks": 2, "dropout": 0.0, "batch_size": 16}
    options = {"survey": survey.path, "split": "half", "trials": 1, "pruner": "none", "fixed": fixed}
    one = api.search("pelican", study=tmp_path / "one", execution="actor", **options)
    two = api.search("pelican", study=tmp_path / "two", workers_per_network=2, **options)
    assert (two.plan.in_worker_group, two.plan.workers, two.plan.concurrent) == (True, 2, 1)
    (alone,), (together,) = (result.study.finished(0) for result in (one, two))
    assert (alone.workers, together.workers) == (1, 2)
    assert together.epochs == alone.epochs
    assert together.value == pytest.approx(alone.value, rel=0.05)
