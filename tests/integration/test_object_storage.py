"""Studies and campaigns on a real S3-compatible server: begun, continued elsewhere, a server that is away."""

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


CAMPAIGN = """\
name: far
surveys: {sky: {path: SKY}, other: {path: OTHER}}
defaults:
  family: pelican
  members: 2
  configuration: {days_per_column: 16, merged_blocks: 1, temporal_filters: 2, band_filters: 8, features: 8,
                  merged_filters: 2, batch_size: 32, learning_rate: 0.01, epochs: 4}
experiments:
  here: {survey: sky, split: half}
  there: {survey: sky, split: half, test_survey: other, rows: [plain, ensemble]}
rows:
  - {name: trees, baseline: binned-trees}
  - {name: plain, configuration: {}}
  - {name: ensemble, ensemble_of: [plain]}
table: {replicates: 20}
"""


def test_a_campaign_on_object_storage_goes_on_on_another_machine(
    survey, other_survey, tmp_path, place, monkeypatch
):
    from rookery import api
    from rookery.search.storage.remote_folder import RemoteFolder
    from rookery_ensembles import load_bundle

    file = tmp_path / "far.yaml"
    file.write_text(CAMPAIGN.replace("SKY", str(survey.path)).replace("OTHER", str(other_survey.path)))
    words = [sys.executable, "-m", "rookery", "campaign", str(file), "--out", place, "--processes", "1"]
    remote = RemoteFolder(place)
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
    try:
        limit = time.monotonic() + 120
        while not any("card.json" in remote.names(f"members/{name}") for name in remote.names("members")):
            assert driver.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < limit
            time.sleep(0.1)
    finally:
        driver.kill()
        driver.wait()
    finished = {
        name: remote.read(f"members/{name}/card.json")
        for name in remote.names("members")
        if "card.json" in remote.names(f"members/{name}")
    }

    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "another-machine"))
    with (tmp_path / "log").open("w") as log:
        end(subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT), tmp_path)
    assert len(remote.names("members")) == 2
    assert {name: remote.read(f"members/{name}/card.json") for name in finished} == finished
    assert remote.names("running") == remote.names("failed") == []
    assert len(remote.names("predictions")) == 3, "the baseline's, and two members' for the other survey"

    monkeypatch.setenv("ROOKERY_CACHE", str(tmp_path / "a-third-machine"))
    there = api.status(place)
    assert (there["networks"]["finished"], there["networks"]["missing"]) == (2, 0)
    rows = {(row["experiment"], row["row"]) for row in there["rows"]}
    assert rows >= {("here", "ensemble"), ("there", "plain")}
    with (tmp_path / "log").open("w") as log:
        end(subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT), tmp_path)
    mirror = RemoteFolder(place).mirror
    assert load_bundle(mirror / "ensembles" / "here" / "ensemble").members
    assert (mirror / "table.md").read_bytes() == remote.read("table.md")
