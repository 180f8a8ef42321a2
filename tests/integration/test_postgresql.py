"""Studies on a real PostgreSQL server: several drivers at once, one that dies, a server that goes away."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from postgresql import PostgreSQL, find
from processes import wait_for
from rookery import api
from rookery.compute.session import ray_session as session
from rookery.dashboard.optuna_pages import open_storage
from rookery.search.storage.drivers import DRIVER
from rookery.search.study import open_study
from rookery_ensembles import InputError

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("postgresql")]
MANY = 1000  # no search of so many ends before what a test waits for, however fast the machine
FIXED = {"epochs": 60, "days_per_column": 8, "temporal_blocks": 1, "merged_blocks": 2, "patience": 60}


@pytest.fixture(scope="module")
def server():
    if find("initdb") is None:
        pytest.skip("no PostgreSQL server is installed here (apt-get install postgresql)")
    made = PostgreSQL()
    yield made
    made.remove()


def start(survey, study, server, trials, name):
    words = [sys.executable, "-m", "rookery", "search", "pelican", "--survey", str(survey.path)]
    words += ["--split", "half", "--study", str(study), "--trials", str(trials), "--pruner", "none"]
    words += ["--storage", server.url, "--concurrent", "1"]
    words += [f"--set={key}={value}" for key, value in FIXED.items()]
    with Path(f"{study}-{name}.log").open("w") as log:
        return subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def end(driver, study, name, seconds=300):
    try:
        driver.wait(timeout=seconds)
    finally:
        driver.kill()
    output = Path(f"{study}-{name}.log").read_text()
    assert driver.returncode == 0, output
    return output


def begun(study, server):
    trials = open_study(study, server.url).optuna_study().trials
    return [trial for trial in trials if trial.state is not optuna.trial.TrialState.WAITING]


def assert_complete(study, server, number):
    trials = begun(study, server)
    assert [trial.state for trial in trials] == [optuna.trial.TrialState.COMPLETE] * number
    assert sorted(p.name for p in (study / "members").iterdir()) == [f"{t.number:04d}" for t in trials]
    for trial in trials:
        assert sorted(trial.intermediate_values) == list(range(1, 61))
    return trials


def owners(trials):
    return {trial.user_attrs[DRIVER] for trial in trials if DRIVER in trial.user_attrs}


def finished(study):
    return {card.parent.name for card in (study / "members").glob("[0-9]*/card.json")}


def in_training(study):
    return {path.stem for path in (study / "running").glob("[0-9]*.safetensors")} - finished(study)


def stop(driver, study, name):
    """Stop a search as a user does; return what it said."""
    driver.send_signal(signal.SIGTERM)
    driver.wait(timeout=120)
    output = Path(f"{study}-{name}.log").read_text()
    assert driver.returncode == 130, output
    return output


def go_on(survey, study, server):
    """Search for some more trials than are finished; return all, which are then complete."""
    wanted = len(finished(study)) + 3
    end(start(survey, study, server, wanted, "last"), study, "last")
    return assert_complete(study, server, wanted)


def test_two_drivers_share_a_study_and_one_takes_up_what_the_other_left(survey, tmp_path, server):
    study = tmp_path / "study"
    first = start(survey, study, server, MANY, "first")
    second = None
    try:
        wait_for(lambda: len(finished(study)) >= 2 and in_training(study))
        first.send_signal(signal.SIGSTOP)  # it keeps its lock, and begins nothing more
        mine = owners(begun(study, server))
        assert len(mine) == 1
        wanted = len(begun(study, server)) + 6
        second = start(survey, study, server, wanted, "second")
        wait_for(lambda: owners(begun(study, server)) - mine)
        first.kill()
        first.wait()
        running = optuna.trial.TrialState.RUNNING
        left = [t.number for t in begun(study, server) if t.state is running and owners([t]) <= mine]
        end(second, study, "second")
    finally:
        for driver in (first, second):
            if driver is not None:
                driver.kill()
    trials = assert_complete(study, server, wanted)
    assert left
    assert not owners([trials[number] for number in left]) & mine
    assert len(owners(trials)) == 2
    text = (study / "study.yaml").read_text()
    assert "secret" not in text
    assert "postgresql://rookery@127.0.0.1" in text


def test_a_server_that_is_away_for_twenty_seconds_costs_no_trial(survey, tmp_path, server):
    study = tmp_path / "study"
    driver = start(survey, study, server, MANY, "only")
    try:
        wait_for(lambda: finished(study))
        server.stop()
        time.sleep(20)
        server.start()
        before = finished(study)
        wait_for(lambda: finished(study) > before)
        output = stop(driver, study, "only")
    finally:
        driver.kill()
    assert "tried again in" in output
    go_on(survey, study, server)


def test_several_studies_share_a_database(survey, tmp_path, server):
    options = {"split": "half", "trials": 1, "pruner": "none", "storage": server.url, "fixed": FIXED}
    with session(None):  # one Ray for both
        for name in ("a", "b"):
            api.search("pelican", survey=survey.path, study=tmp_path / name, **options)
    for name in ("a", "b"):
        assert_complete(tmp_path / name, server, 1)
        assert api.status(tmp_path / name)["trials"]["complete"] == 1
        names = [study.study_name for study in open_storage(tmp_path / name).get_all_studies()]
        assert open_study(tmp_path / name).document.storage_name in names


def test_a_server_that_does_not_answer_is_one_error(tmp_path, survey, server):
    url = server.url.replace(str(server.port), "1")
    with pytest.raises(InputError, match=r":\*\*\*@127.0.0.1:1/.*cannot be used as a database") as told:
        api.search("pelican", survey=survey.path, split="half", study=tmp_path / "s", trials=1, storage=url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("storage", "message"),
    [("nonsense", "must be the URL of a database"), ("mysql://u@h/d", "one of sqlite, postgresql")],
)
def test_a_storage_of_another_kind_is_refused(tmp_path, survey, storage, message):
    with pytest.raises(InputError, match=message):
        api.search(
            "pelican", survey=survey.path, split="half", study=tmp_path / "s", trials=1, storage=storage
        )
    assert not (tmp_path / "s").exists()
