"""The doctor on several raylets of this machine, and on this machine alone."""

import json
import os
import subprocess
import sys

import pytest

from processes import LEAN_HEAD, wait_for
from rookery import api

pytestmark = [pytest.mark.slow, pytest.mark.ray]


def doctor(*arguments, **environment):
    command = [sys.executable, "-m", "rookery", "doctor", "--json", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | environment
    )
    return done.returncode, json.loads(done.stdout), done.stderr


# In a mount namespace of its own, with an empty folder where the others share one.
APART = ["unshare", "--mount", "bash", "-c", 'mount -t tmpfs none "$0" && exec "$@"']


def can_be_apart(folder):
    try:
        return subprocess.run([*APART, folder, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster of three raylets: its address, and whether the last has another `tmp_path` than the others.

    That one claims 64 GPUs, which this machine has not.
    """
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    memory = 10**8
    started = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": memory, **LEAN_HEAD},
    )
    started.add_node(num_cpus=1, num_gpus=0, object_store_memory=memory)
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--address", started.address]
    command += ["--num-cpus=1", "--num-gpus=64", f"--object-store-memory={memory}", "--disable-usage-stats"]
    apart = can_be_apart(tmp_path)
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    third = subprocess.Popen([*APART, tmp_path, *command] if apart else command, **silent)

    def all_joined():
        assert third.poll() is None, "ray start ended"
        return sum(node["Alive"] for node in started.global_state.node_table()) == 3

    wait_for(all_joined, 100)
    yield started.address, apart
    third.terminate()
    third.wait(timeout=60)
    started.shutdown()


def test_every_node_is_examined_and_what_is_wrong_is_told(cluster, tiny_survey, tmp_path):
    address, apart = cluster
    study = tmp_path / "runs" / "x"
    study.parent.mkdir()
    status, report, errors = doctor("--address", address, "--survey", tiny_survey.path, "--study", study)
    assert (status, len(report["nodes"])) == (1, 3), errors
    found = {}
    for finding in report["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    bad = {finding["check"]: finding for finding in report["findings"] if finding["level"] == "FAIL"}
    assert set(bad) == ({"devices", "shared storage"} if apart else {"devices"})
    assert all(len(finding["nodes"]) == 1 and finding["advice"] for finding in bad.values())
    assert "Ray hands out 64 GPUs, but torch sees" in bad["devices"]["text"]
    if apart:
        assert bad["shared storage"]["nodes"] == bad["devices"]["nodes"]
    for check in ("versions", "devices", "survey", "clocks", "open files"):
        assert sum(len(finding["nodes"]) for finding in found[check]) == 3
    assert found["versions"][0]["level"] == "OK"
    assert "no token" in found["token"][0]["text"]
    assert [*study.parent.iterdir()] == [], "the doctor leaves nothing behind"


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
