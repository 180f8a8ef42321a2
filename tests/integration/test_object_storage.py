"""Studies on a real S3-compatible server: made, continued and read elsewhere, and a server that goes away."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from s3_server import BUCKET, PYTHON, S3Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("object-storage"),
]
FIXED = {"epochs": 25, "days_per_column": 8, "temporal_blocks": 1, "merged_blocks": 2, "patience": 25}


@pytest.fixture(scope="module")
def server():
    if not PYTHON.is_file():
        pytest.skip("no S3 server is installed here (.ci/run says how)")
    made = S3Server()
    yield made
    made.remove()


@pytest.fixture
def place(server, tmp_path, monkeypatch):
    for key, value in {**server.environment, "ROOKERY_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(key, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


def start(survey, place, tmp_path, trials):
    words = [sys.executable, "-m", "rookery", "search", "pelican", "--survey", str(survey.path)]
    words += ["--split", "half", "--study", place, "--trials", str(trials), "--pruner", "none"]
    words += ["--storage", f"sqlite:///{tmp_path / 'study.db'}", "--concurrent", "1"]
    words += [f"--set={key}={value}" for key, value in FIXED.items()]
    with (tmp_path / "log").open("w") as log:
        return subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)


def end(driver, tmp_path):
    try:
        driver.wait(timeout=240)
    finally:
        driver.kill()
    output = (tmp_path / "log").read_text()
    assert driver.returncode == 0, output
    return output


def test_a_study_on_object_storage_outlives_the_server_away_for_twenty_seconds(
    survey, tmp_path, place, server, monkeypatch
):
    from rookery import api
    from rookery.search.storage.remote_folder import RemoteFolder
    from rookery.search.study import open_study

    driver = start(survey, place, tmp_path, 2)
    remote = RemoteFolder(place)
    try:
        limit = time.monotonic() + 120
        while not list((remote.mirror / "members").glob("[0-9]*/card.json")):
            assert driver.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < limit
            time.sleep(0.1)
        server.stop()
        time.sleep(20)
        server.start()
        end(driver, tmp_path)
    finally:
        driver.kill()
    assert remote.names("members") == ["0000", "0001"]
    assert all("card.json" in remote.names(f"members/{name}") for name in remote.names("members"))
    assert remote.names("running") == []
    text = remote.read("study.yaml")
    assert not any(value.encode() in text for value in ("secret", os.environ["AWS_ENDPOINT_URL"]))

    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "another-machine"))
    study = open_study(place)
    begun = [trial for trial in study.optuna_study().trials if trial.state.name != "WAITING"]
    assert [trial.state.name for trial in begun] == ["COMPLETE"] * 2
    assert sorted(study.complete_trials()) == [0, 1]
    assert api.status(place)["networks"] == 2
    assert Path(api.ensemble(place, out=tmp_path / "bundle").bundle.path).is_dir()
    end(start(survey, place, tmp_path, 3), tmp_path)
    assert remote.names("members") == ["0000", "0001", "0002"]
