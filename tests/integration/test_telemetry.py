"""What Prometheus reads while a search runs on a real Ray."""

import re
import time
import urllib.request

import pytest

from rookery import api
from rookery.search.listeners import Telemetry
from rookery.search.trial_counts import TrialCounts

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]


def scrape(ray):
    """Return the lines with values that this node's metrics port serves."""
    (node,) = [node for node in ray.nodes() if node["Alive"]]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode().splitlines()


def value(lines, name, **labels):
    """Return the value of a metric with these labels, or None."""
    for line in lines:
        found = re.match(rf"{name}\{{(.*)\}} (\S+)$", line)
        if found and all(f'{key}="{text}"' in found[1] for key, text in labels.items()):
            return float(found[2])
    return None


def test_prometheus_reads_how_a_study_stands(survey, ray_session, tmp_path):
    study = tmp_path / "watched"
    fixed = {"epochs": 3, "days_per_column": 8, "temporal_blocks": 1, "merged_blocks": 2}
    options = {"survey": survey.path, "split": "half", "pruner": "none", "fixed": fixed}
    api.search("pelican", study=study, trials=2, **options)
    end = time.monotonic() + 60
    wanted = {
        "ray_rookery_epochs_total": 6,
        "ray_rookery_epoch_seconds_count": 6,
        "ray_rookery_trials_wanted": 2,  # Ray exports each on its own time
    }
    while {name: value(lines := scrape(ray_session), name, study="watched") for name in wanted} != wanted:
        assert time.monotonic() < end, [line for line in lines if "rookery" in line]
        time.sleep(1)
    assert value(lines, "ray_rookery_trials_wanted", study="watched", family="pelican") == 2
    spent = value(lines, "ray_rookery_device_seconds_total", study="watched")
    assert spent == pytest.approx(3600 * api.status(study)["device_hours"], rel=1e-3)
    assert value(lines, "ray_rookery_trials", study="watched", state="failed") == 0


def test_prometheus_keeps_reading_how_many_trials_a_study_shall_have(ray_session):
    telemetry = Telemetry("long", "pelican", 7)
    end = time.monotonic() + 10  # what is set once Ray forgets within three times its interval, here a second
    while time.monotonic() < end:
        telemetry.update(TrialCounts(running=1))
        time.sleep(1)
    lines = scrape(ray_session)
    assert value(lines, "ray_rookery_trials_wanted", study="long", family="pelican") == 7
    assert value(lines, "ray_rookery_trials", study="long", state="running") == 1
