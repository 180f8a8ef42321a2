"""Drivers whose Ray dies under them: the raylet of their node, or the head. One error, and they go on."""

import subprocess
import sys
import time

import optuna
import psutil
import pytest

from processes import wait_for, wait_until_gone
from rookery.search.study import open_study

pytestmark = [pytest.mark.slow, pytest.mark.ray]
MANY = 1000  # none ends within the watchdog's patience, in which workers go on without their raylet
FIXED = {"epochs": 120, "patience": 120, "hidden_layers": 2, "width": 8, "batch_size": 32}
WITHIN = 20.0


def rookery(*words):
    return [sys.executable, "-m", "rookery", *map(str, words)]


def start(words):
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def kill_and_wait(driver, program):
    """Kill a process of a driver's own Ray; return what the driver said and how long it took to end."""
    everyone = psutil.Process(driver.pid).children(recursive=True)
    (victim,) = [process for process in everyone if process.name() == program]
    began = time.monotonic()
    victim.kill()
    output, _ = driver.communicate(timeout=100)
    seconds = time.monotonic() - began
    wait_until_gone(everyone)
    return output, seconds


def assert_one_error(driver, output, seconds, name):
    assert driver.returncode == 2, output
    (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert name in error
    assert "the same command goes on" in error
    assert "Traceback" not in output
    assert seconds < WITHIN, output


LOST = pytest.mark.parametrize(
    ("program", "name"), [("raylet", "the raylet of this node"), ("gcs_server", "the head of this machine")]
)


@LOST
def test_a_search_whose_ray_dies_ends_soon_with_one_error_and_goes_on(tiny_galaxies, tmp_path, program, name):
    study = tmp_path / "study"
    command = rookery(
        "search", "photoz_mlp", "--survey", tiny_galaxies.path, "--split", "half", "--study", study,
        "--bins", "0,0.5,25", "--pruner", "none", *(f"--set={key}={value}" for key, value in FIXED.items()),
    )  # fmt: skip
    driver = start([*command, "--trials", str(MANY)])
    try:
        wait_for(lambda: any((study / "members").glob("[0-9]*/card.json")))
        cards = {card: card.read_bytes() for card in (study / "members").glob("[0-9]*/card.json")}
        output, seconds = kill_and_wait(driver, program)
    finally:
        driver.kill()
    assert_one_error(driver, output, seconds, name)

    wanted = len(list((study / "members").glob("[0-9]*/card.json"))) + 4
    going_on = [*command, "--trials", str(wanted)]
    done = subprocess.run(going_on, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    trials = open_study(study).optuna_study().trials
    states = [trial.state for trial in trials if trial.state is not optuna.trial.TrialState.WAITING]
    assert states == [optuna.trial.TrialState.COMPLETE] * wanted
    for card, text in cards.items():
        assert card.read_bytes() == text, f"{card.parent.name} was trained again"


def test_a_ray_that_does_not_come_up_in_time_is_started_again():
    program = """
import logging
import signal

from ray._private import services

start_process, halted = services.start_ray_process, []


def start(command, process_type, *rest, **options):
    made = start_process(command, process_type, *rest, **options)
    if process_type == "raylet" and not halted:
        made.process.send_signal(signal.SIGSTOP)
        halted.append(made.process.pid)
    return made


services.start_ray_process = start
from rookery.compute.session import ray_session

logging.basicConfig(format="%(message)s")
with ray_session(None) as nodes:
    print("nodes:", len(nodes))
print("halted:", *halted)
"""
    driver = start([sys.executable, "-c", program])
    output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, output
    assert "did not come up on this machine" in output
    assert "nodes: 1" in output
    first = int(output.rpartition("halted:")[2])
    wait_for(lambda: not psutil.pid_exists(first), 30)
