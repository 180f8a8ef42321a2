"""A cluster of several raylets on this machine that loses nodes, gains others, and loses its head."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from processes import answers, free_port, wait_for
from rookery.search.study import open_study

pytestmark = [pytest.mark.slow, pytest.mark.ray]
MANY = 1000  # no search of so many ends before a test has killed what it kills, however fast the machine
MORE = 4
FIXED = {"epochs": 200, "days_per_column": 8, "temporal_blocks": 1, "merged_blocks": 2, "patience": 200}
RAY = [sys.executable, "-m", "ray.scripts.scripts"]


class Nodes:
    """Raylets of this machine, each in a process group of its own that can be killed at once."""

    def __init__(self, folder):
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        self.environment |= {"RAY_AUTH_MODE": "disabled", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
        self.folder, self.running = folder, []

    def start(self, *options):
        words = [*RAY, "start", "--block", "--disable-usage-stats", *options]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        node = subprocess.Popen(words, env=self.environment, start_new_session=True, **silent)
        self.running.append(node)
        return node

    def head(self, cpus):
        port = free_port()
        temp = f"--temp-dir=/tmp/ray-nodes-{os.getpid()}-{port}"
        options = [f"--port={port}", f"--num-cpus={cpus}", "--include-dashboard=false", temp]
        head = self.start("--head", *options)

        def up():
            assert head.poll() is None, "ray start ended"
            return answers(port)

        wait_for(up, 90)
        time.sleep(2)  # the raylet follows its GCS
        return head, f"127.0.0.1:{port}"

    def kill(self, node):
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self.running.remove(node)


@pytest.fixture
def nodes(tmp_path):
    made = Nodes(tmp_path)
    yield made
    for node in [*made.running]:
        made.kill(node)


def search(survey, study, address, environment, trials=MANY):
    words = [sys.executable, "-m", "rookery", "search", "pelican", "--survey", str(survey.path)]
    words += ["--split", "half", "--study", str(study), "--trials", str(trials), "--pruner", "none"]
    words += ["--address", address, *(f"--set={name}={value}" for name, value in FIXED.items())]
    with Path(f"{study}.log").open("a") as log:
        pipes = {"stdout": log, "stderr": subprocess.STDOUT}
        return subprocess.Popen(words, env=environment, start_new_session=True, **pipes)


def output_of(driver, study, seconds):
    """Wait for the driver's end and return all that it said."""
    driver.wait(timeout=seconds)
    return Path(f"{study}.log").read_text()


def in_training(study):
    return {path.stem for path in (study / "running").glob("[0-9]*.safetensors")}


def finished(study):
    return {card.parent.name for card in (study / "members").glob("[0-9]*/card.json")}


def assert_goes_on_to_its_end(survey, study, address, environment):
    """Search for some more trials than are finished; all are then complete, and none was lost."""
    wanted = len(finished(study)) + MORE
    driver = search(survey, study, address, environment, wanted)
    try:
        output = output_of(driver, study, 300)
    finally:
        driver.kill()
    assert driver.returncode == 0, output
    waiting = optuna.trial.TrialState.WAITING
    trials = [trial for trial in open_study(study).optuna_study().trials if trial.state is not waiting]
    assert [t.state for t in trials] == [optuna.trial.TrialState.COMPLETE] * wanted
    assert sorted(p.name for p in (study / "members").iterdir()) == [f"{n:04d}" for n in range(wanted)]
    for trial in trials:
        assert sorted(trial.intermediate_values) == list(range(1, FIXED["epochs"] + 1))


def test_trials_of_a_node_that_is_removed_go_on_and_a_node_that_joins_is_used(survey, tmp_path, nodes):
    study = tmp_path / "study"
    _, address = nodes.head(1)
    join = [f"--address={address}", "--num-cpus=1"]
    driver = search(survey, study, address, nodes.environment)
    try:
        wait_for(lambda: in_training(study))
        removed = nodes.start(*join)
        wait_for(lambda: len(in_training(study)) == 2)  # one on each node
        nodes.kill(removed)
        interrupted = in_training(study)
        nodes.start(*join)
        wait_for(lambda: interrupted <= finished(study))
        wait_for(lambda: len(in_training(study)) == 2)
        driver.send_signal(signal.SIGTERM)
        output = output_of(driver, study, 120)
    finally:
        driver.kill()
    assert driver.returncode == 130, output
    assert "1 trial at once" in output
    assert_goes_on_to_its_end(survey, study, address, nodes.environment)


def test_a_study_whose_head_is_lost_goes_on_on_a_new_cluster(survey, tmp_path, nodes):
    study = tmp_path / "study"
    head, address = nodes.head(2)
    driver = search(survey, study, address, nodes.environment)
    try:
        wait_for(lambda: len(finished(study)) >= 2)
        done = {card: card.read_bytes() for card in (study / "members").glob("[0-9]*/card.json")}
        began = time.monotonic()
        nodes.kill(head)
        output = output_of(driver, study, 120)
    finally:
        driver.kill()
    assert time.monotonic() - began < 60
    assert driver.returncode == 2, output
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "the head of the Ray cluster has not answered" in errors[0]
    assert "Traceback" not in output

    _, address = nodes.head(2)
    assert_goes_on_to_its_end(survey, study, address, nodes.environment)
    for card, text in done.items():
        assert card.read_bytes() == text, f"{card.parent.name} was trained again"
