"""The doctor on several raylets of this machine, and on this machine alone."""

import json
import os
import subprocess
import sys

import pytest

from rookery import api

pytestmark = [pytest.mark.slow, pytest.mark.ray]


def doctor(*arguments, **environment):
    command = [sys.executable, "-m", "rookery", "doctor", "--json", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | environment
    )
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture
def cluster():
    """The address of a cluster of three raylets; one claims a GPU that this machine may not have."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    started = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "num_gpus": 0,
            "include_dashboard": False,
            "object_store_memory": 10**8,
        },
    )
    for gpus in (0, 64):
        started.add_node(num_cpus=1, num_gpus=gpus, object_store_memory=10**8)
    yield started.address
    started.shutdown()


def test_every_node_is_examined_and_what_is_wrong_is_told(cluster, tiny_survey, tmp_path):
    study = tmp_path / "runs" / "x"
    status, report, errors = doctor("--address", cluster, "--survey", tiny_survey.path, "--study", study)
    assert status == 1, errors
    assert len(report["nodes"]) == 3
    found = {}
    for finding in report["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    (bad,) = [finding for finding in report["findings"] if finding["level"] == "FAIL"]
    assert "Ray hands out 64 GPUs, but torch sees" in bad["text"]
    assert len(bad["nodes"]) == 1
    for check in ("versions", "shared storage", "free disk", "survey", "clocks"):
        assert {finding["level"] for finding in found[check]} <= {"OK", "WARN"}
        assert sum(len(finding["nodes"]) for finding in found[check]) == 3
    assert found["versions"][0]["level"] == found["shared storage"][0]["level"] == "OK"
    assert "no token" in found["token"][0]["text"]
    assert not any(tmp_path.iterdir()), "the doctor leaves nothing behind"


def test_a_cluster_that_does_not_answer_is_a_finding():
    status, report, _ = doctor("--address", "127.0.0.1:9")
    assert (status, report["level"]) == (1, "FAIL")
    assert "no Ray cluster answers there" in report["findings"][0]["text"]


def test_this_machine_alone_is_examined_without_ray(tiny_survey, tmp_path):
    report = api.doctor(survey=tiny_survey.path, study=tmp_path / "x")
    checked = {finding.check for finding in report.findings}
    assert {"versions", "devices", "shared storage", "survey", "open files"} <= checked
    assert len(report.nodes) == 1
    (survey,) = [finding for finding in report.findings if finding.check == "survey"]
    assert survey.level == "OK"
