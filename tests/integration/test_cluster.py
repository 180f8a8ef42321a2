"""A search on a Ray cluster that runs by itself on this machine, with and without a token."""

import os
import subprocess
import sys
import time

import pytest

from processes import answers, free_port
from rookery.search.study import open_study

pytestmark = [pytest.mark.slow, pytest.mark.ray]


def search(survey, study, address, **options):
    command = [sys.executable, "-m", "rookery", "search", "pelican", "--split", "half", "--trials", "2"]
    command += ["--survey", str(survey.path), "--study", str(study), "--address", address]
    command += ["--set=epochs=1", "--set=days_per_column=8", "--set=merged_blocks=2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


@pytest.fixture(params=["token", "disabled"])
def cluster(request, tmp_path):
    """The address of a head that `ray start` made; it asks for a token in the first case."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"HOME": str(tmp_path), "RAY_AUTH_MODE": request.param}
    ray_cli = [sys.executable, "-m", "ray.scripts.scripts"]
    token = [*ray_cli, "get-auth-token", "--generate"]
    subprocess.run(token, env=environment, check=True, capture_output=True, timeout=60)
    start = [
        *ray_cli,
        "start",
        "--head",
        "--block",
        f"--port={port}",
        "--num-cpus=2",
        "--disable-usage-stats",
    ]
    start += ["--include-dashboard=false", f"--temp-dir=/tmp/ray-test-{os.getpid()}"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    head = subprocess.Popen(start, env=environment, **silent)
    end = time.monotonic() + 90
    while not answers(port):
        assert head.poll() is None, "ray start ended"
        assert time.monotonic() < end, "ray start did not come up"
        time.sleep(0.2)
    environment.pop("RAY_AUTH_MODE")  # what a user has who only knows the address
    yield f"127.0.0.1:{port}", environment
    head.terminate()
    head.wait(timeout=60)


def test_a_search_runs_on_a_cluster_given_by_its_address(cluster, tiny_survey, tmp_path):
    address, environment = cluster
    study = tmp_path / "study"
    done = search(tiny_survey, study, address, env=environment)
    assert done.returncode == 0, done.stderr
    states = [trial.state.name for trial in open_study(study).optuna_study().trials]
    # A starting point whose turn did not come waits for more trials.
    assert [state for state in states if state != "WAITING"] == ["COMPLETE"] * 2


def test_an_address_where_nobody_answers_is_one_error(tiny_survey, tmp_path):
    done = search(tiny_survey, tmp_path / "study", f"127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --address 127.0.0.1")
    assert "no Ray cluster answers there" in done.stderr
