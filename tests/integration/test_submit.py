"""Commands sent to a real head with its job server and a token, as from a laptop."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from processes import free_port
from rookery.clusters.jobs import JobClient
from rookery.clusters.standing import cluster_standing
from rookery.search.study import open_study
from rookery_ensembles.errors import InputError

pytest.importorskip("aiohttp", reason="needs the extra `cluster`")
pytestmark = [pytest.mark.slow, pytest.mark.ray]
TOKEN = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def head():
    """The dashboard's address of a head that asks for a token."""
    port, dashboard = free_port(), free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    # As under an activated environment, which is how `python` is found there.
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    command += ["--num-cpus=2", "--disable-usage-stats", f"--dashboard-port={dashboard}"]
    command += [
        f"--temp-dir=/tmp/ray-submit-{os.getpid()}",
        "--dashboard-agent-listen-port",
        str(free_port()),
    ]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = subprocess.Popen(command, env=environment, **silent)
    address = f"http://127.0.0.1:{dashboard}"
    end = time.monotonic() + 120
    while not answers(address):
        assert started.poll() is None, "ray start ended"
        assert time.monotonic() < end, "the job server did not come up"
        time.sleep(0.3)
    yield address
    started.terminate()
    started.wait(timeout=60)


def answers(address):
    try:
        urllib.request.urlopen(f"{address}/api/version", timeout=5)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return True


def rookery(head, *arguments, token=TOKEN):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"RAY_AUTH_TOKEN": token, "RAY_API_SERVER_ADDRESS": head}
    return subprocess.run(
        [sys.executable, "-m", "rookery", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )


def test_a_search_is_sent_followed_and_listed(head, tiny_survey, tmp_path):
    search = ["search", "pelican", "--survey", tiny_survey.path, "--split", "half", "--study", "x"]
    search += ["--trials", 1, "--set=epochs=1", "--set=days_per_column=8", "--set=merged_blocks=2"]
    done = rookery(head, "submit", "--follow", "--folder", tmp_path, "--", *search)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 done" in done.stdout
    assert done.stdout.rstrip().endswith("SUCCEEDED")
    assert len(open_study(tmp_path / "x").complete_trials()) == 1
    listed = rookery(head, "jobs", "list").stdout
    assert "SUCCEEDED" in listed
    assert "search pelican" in listed


def test_a_running_job_is_stopped_and_a_failed_one_says_why(head, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    client = JobClient(head)
    long = client.submit(["demo", str(tmp_path / "demo")])
    bad = client.submit(["predict", "/none", "/none", "/none/x.parquet"])
    assert "error: /none" in "".join(client.follow(bad))
    assert client.job(bad).state == "FAILED"
    end = time.monotonic() + 60
    while client.job(long).state == "PENDING":
        assert time.monotonic() < end
        time.sleep(0.3)
    standing = cluster_standing(head)
    assert [(node.state, node.used["CPU"][1]) for node in standing.nodes] == [("alive, head", 2.0)]
    assert "JobSupervisor" in standing.actors.values()
    assert client.stop(long)
    assert list(client.follow(long)) is not None
    assert client.job(long).state == "STOPPED"
    with pytest.raises(InputError, match="has no job of that name"):
        client.job("raysubmit_none")


def test_a_wrong_token_is_refused_with_what_to_do(head):
    done = rookery(head, "jobs", "list", token="f" * 64)
    assert done.returncode == 2
    assert "refuses this user's token" in done.stderr
    assert "ray get-auth-token" in done.stderr
