"""Drivers and workers killed in the middle of a study, on a real Ray; the study ends complete."""

import json
import os
import signal
import subprocess
import sys

import optuna
import psutil
import pytest

from processes import wait_for, wait_until_gone
from rookery.search.study import open_study

pytestmark = [pytest.mark.slow, pytest.mark.ray]
MANY = 1000  # no search of so many ends before it is killed, however fast the machine


@pytest.fixture
def command(survey, tmp_path):
    """A search of trials of about a second each, as a user types it; the number of trials lacks."""
    fixed = {"epochs": 60, "days_per_column": 8, "temporal_blocks": 1, "merged_blocks": 2, "patience": 60}
    return [
        sys.executable, "-m", "rookery", "search", "pelican", "--survey", str(survey.path), "--split", "half",
        "--study", str(tmp_path / "study"), "--pruner", "none",
        *[f"--set={name}={value}" for name, value in fixed.items()],
        "--trials",
    ]  # fmt: skip


def start(command):
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def descendants(process):
    return psutil.Process(process.pid).children(recursive=True)


def assert_complete(study, n_trials):
    waiting = optuna.trial.TrialState.WAITING
    finished = [trial for trial in open_study(study).optuna_study().trials if trial.state is not waiting]
    assert [t.number for t in finished] == list(range(n_trials))
    assert {t.state for t in finished} == {optuna.trial.TrialState.COMPLETE}
    assert sorted(p.name for p in (study / "members").iterdir()) == [f"{n:04d}" for n in range(n_trials)]
    assert list((study / "running").iterdir()) == []
    for trial in finished:
        card = json.loads((study / "members" / f"{trial.number:04d}" / "card.json").read_text())
        assert trial.value == pytest.approx(card["value"])
        assert card["epochs"] == 60
        assert sorted(trial.intermediate_values) == list(range(1, 61))


def test_a_killed_driver_loses_and_repeats_no_finished_trial(command, tmp_path):
    study = tmp_path / "study"
    members, running = study / "members", study / "running"
    done_before = {}
    # Killed twice: once early, with checkpoints and no member, once after the first members.
    for members_wanted in (0, 2):
        driver = start([*command, str(MANY)])
        workers = []

        def ready(wanted=members_wanted):
            finished = len(list(members.glob("[0-9]*/card.json")))
            return finished >= wanted and any(running.glob("*.safetensors"))

        try:
            wait_for(ready)
            workers = descendants(driver)
        finally:
            os.kill(driver.pid, signal.SIGKILL)
            driver.communicate()
        wait_until_gone(workers)
        for card in members.glob("[0-9]*/card.json"):
            done_before[card.parent.name] = card.read_bytes()
    assert len(done_before) >= 2

    wanted = len(done_before) + 3
    final = subprocess.run([*command, str(wanted)], capture_output=True, text=True, timeout=400, check=False)
    assert final.returncode == 0, final.stderr
    assert_complete(study, wanted)
    for name, card in done_before.items():
        assert (members / name / "card.json").read_bytes() == card, f"member {name} was trained again"


def test_a_killed_training_actor_is_replaced_and_resumes(command, tmp_path):
    study = tmp_path / "study"
    driver = start([*command, "5"])
    try:
        wait_for(lambda: any((study / "running").glob("*.safetensors")))
        actors = [p for p in descendants(driver) if "ImplicitFunc" in " ".join(p.cmdline())]
        assert actors, "no training actor was found"
        actors[0].kill()
        output, _ = driver.communicate(timeout=400)
    finally:
        driver.kill()
    assert driver.returncode == 0, output
    assert_complete(study, 5)
