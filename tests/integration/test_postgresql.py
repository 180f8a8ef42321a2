"""Studies on a real PostgreSQL server: several drivers at once, one that dies, a server that goes away."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
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


def members(study):
    return len(list((study / "members").glob("[0-9]*/card.json")))


def test_two_drivers_share_a_study_and_one_takes_up_what_the_other_left(survey, tmp_path, server):
    study = tmp_path / "study"
    first = start(survey, study, server, 8, "first")
    second = start(survey, study, server, 8, "second")
    try:
        wait_for(lambda: members(study) >= 2)
        wait_for(lambda: len({t.user_attrs.get(DRIVER) for t in begun(study, server)}) == 2)
        wait_for(lambda: len(list((study / "running").glob("[0-9]*.safetensors"))) == 2)
        os.kill(first.pid, signal.SIGKILL)
        end(second, study, "second")
    finally:
        first.kill()
        second.kill()
    trials = assert_complete(study, server, 8)
    owners = Counter(trial.user_attrs[DRIVER] for trial in trials)
    assert len(owners) == 2
    text = (study / "study.yaml").read_text()
    assert "secret" not in text
    assert "postgresql://rookery@127.0.0.1" in text


def test_a_server_that_is_away_for_twenty_seconds_costs_no_trial(survey, tmp_path, server):
    study = tmp_path / "study"
    driver = start(survey, study, server, 5, "only")
    try:
        wait_for(lambda: members(study) >= 1)
        server.stop()
        time.sleep(20)
        server.start()
        output = end(driver, study, "only")
    finally:
        driver.kill()
    assert "tried again in" in output
    assert_complete(study, server, 5)


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
