"""The machines' page: what Ray's dashboard answers, what networks' files tell, and nothing that waits."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dash", reason="needs the extra `dashboard`")
from rookery.clusters.standing import Gpu, cluster_standing
from rookery.dashboard.cluster import Answer, RayWatch, machine_rows, this_machine
from rookery.dashboard.pages import cluster
from rookery.dashboard.viewer import Viewer
from rookery_ensembles.errors import InputError

# Two nodes as Ray 2.60 answers, without what is not read; the GPU by the names of its `GpuUtilizationInfo`.
SUMMARY = [
    {
        "hostname": "head-1", "cpu": 71.5, "cpus": [8, 4], "mem": [16e9, 4e9, 75.0, 12e9], "gpus": [],
        "raylet": {"nodeId": "aa", "state": "ALIVE", "isHeadNode": True, "resourcesTotal": {"CPU": 8.0}},
    },
    {
        "hostname": "gpu-7", "cpu": 9.0, "cpus": [64, 32], "mem": [256e9, 200e9, 22.0, 56e9],
        "gpus": [{"name": "H100", "utilizationGpu": 93, "memoryUsed": 40000, "memoryTotal": 81920}],
        "raylet": {"nodeId": "bb", "state": "ALIVE", "resourcesTotal": {"CPU": 64.0, "GPU": 1.0}},
    },
]  # fmt: skip
LOAD = {
    "usageByNode": {"aa": {"CPU": [3.0, 8.0]}, "bb": {"CPU": [4.0, 64.0], "GPU": [1.0, 1.0]}},
    "resourceDemand": [[{"CPU": 1.0, "GPU": 1.0}, 5]],
    "pgDemand": [[{"bundles": [[{"GPU": 1.0}, 2]], "strategy": "PACK"}, 1]],
}
ACTORS = [{"node_id": "bb", "pid": 4242, "class_name": "TrialActor", "state": "ALIVE"}]
ANSWERS: dict[str, Any] = {
    "/api/version": {"version": "4"},
    "/nodes": {"data": {"summary": SUMMARY}},
    "/api/cluster_status": {"data": {"clusterStatus": {"loadMetricsReport": LOAD}}},
    "/api/v0/actors": {"data": {"result": {"result": ACTORS}}},
}
HEAD = {
    "member": "0003-f1", "family": "photoz_cnn", "fold": 1, "seed": 1, "metric": "validation_crps",
    "direction": "minimize", "epochs": 30, "device": "NVIDIA H100", "host": "gpu-7", "process": 4242,
}  # fmt: skip


class Ray:
    """A server that answers as the dashboard of a head does, once it is let."""

    def __init__(self) -> None:
        self.let, self.answers = threading.Event(), dict(ANSWERS)
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told.let.wait(30)
                content = json.dumps(told.answers[self.path.partition("?")[0]]).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def ray() -> Iterator[Ray]:
    found = Ray()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.let.set()
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose network trains on a GPU of another machine."""
    space = "space:\n  objective: {metric: validation_crps, direction: minimize}\n  parameters: {}\n"
    (tmp_path / "s" / "running").mkdir(parents=True)
    (tmp_path / "s" / "study.yaml").write_text(f"family: photoz_cnn\n{space}")
    now = time.time()
    last = {"epoch": 1, "validation_crps": 0.1, "seconds": 60.0, "time": now - 5}
    rows = [HEAD | {"began": now - 99}, last | {"memory_bytes": 31_000_000_000, "utilisation": 88.0}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "s" / "running" / "0003-f1.epochs.jsonl").write_text(text)
    return tmp_path


def test_a_cluster_tells_its_nodes_devices_queue_and_actors(ray: Ray) -> None:
    ray.let.set()
    told = cluster_standing(ray.address)
    head, gpu = told.nodes
    assert (head.state, head.cpu, head.memory, head.used) == ("alive, head", 71.5, 12.0, {"CPU": (3.0, 8.0)})
    assert gpu.used == {"CPU": (4.0, 64.0), "GPU": (1.0, 1.0)}
    assert gpu.gpus == (Gpu("H100", 93, 40000 * 2**20 / 1e9, 81920 * 2**20 / 1e9),)
    assert told.waiting == (("1 CPU, 1 GPU", 5), ("worker group of 2 × 1 GPU", 1))
    assert told.actors == {("gpu-7", 4242): "TrialActor"}
    ray.answers["/nodes"] = {"data": {}}
    with pytest.raises(InputError, match="no Ray dashboard known here"):
        cluster_standing(ray.address)


def test_no_page_waits_for_a_cluster_that_does_not_answer(ray: Ray, study: Path) -> None:
    viewer = Viewer([study], ray.address)  # nobody is let in yet: whoever asked would hang
    told = str(cluster.layout(viewer, {}))
    assert "Ray is being asked" in told
    assert viewer.machines.ray.look() == Answer()
    ray.let.set()
    end = time.monotonic() + 30
    while (found := viewer.machines.ray.look()).standing is None:
        assert time.monotonic() < end, found
        time.sleep(0.01)
    told = str(cluster.layout(viewer, {}))
    for words in ("7 of 72", "1 of 1", "worker group of 2", "H100 93 %, 41.9 of 86 GB", "TrialActor"):
        assert words in told


def test_where_no_ray_is_the_networks_own_files_tell(study: Path) -> None:
    viewer = Viewer([study])
    rows = viewer.fleet.refresh()
    (one,) = viewer.machines.networks(rows, Answer())
    assert (one["network"], one["epoch"], one["host"]) == ("0003-f1", [1, 30], "gpu-7")
    assert (one["memory"], one["utilisation"], one["actor"]) == (31.0, 88.0, None)
    one["state"] = "running"
    here = this_machine()
    nodes = machine_rows(Answer(error="nobody"), [one], here)
    hosts = {row["host"]: row for row in nodes}
    assert set(hosts) == {socket.gethostname(), "gpu-7"}
    assert (hosts["gpu-7"]["networks"], hosts["gpu-7"]["devices"]) == (1, "NVIDIA H100")


def test_an_address_that_is_none_is_told_on_the_page(tmp_path: Path) -> None:
    watch = RayWatch("head:8265")
    end = time.monotonic() + 30
    while (found := watch.look()).error is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "must be the address of the head's dashboard" in found.error
