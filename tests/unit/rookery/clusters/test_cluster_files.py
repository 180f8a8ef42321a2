"""The files that make a cluster: accepted by Ray's and Kubernetes' own schemas, few lines to change."""

import copy
import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from rookery import api
from rookery.clusters.files import cluster_file
from rookery_ensembles.errors import InputError

KUBERNETES = "1.31"
# The fields of KubeRay 1.6's RayCluster that the manifest uses, by its reference
# (docs.ray.io/en/master/cluster/kubernetes/references/api.html): no package registry ships the schema
# itself. Pod templates are judged by Kubernetes' own.
COUNT = {"type": "integer", "minimum": 0}
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
RAY_CLUSTER = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["headGroupSpec"],
            "additionalProperties": False,
            "properties": {
                "rayVersion": {"type": "string"},
                "authOptions": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"mode": {"enum": ["disabled", "token"]}},
                },
                "enableInTreeAutoscaling": {"type": "boolean"},
                "autoscalerOptions": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"idleTimeoutSeconds": COUNT},
                },
                "headGroupSpec": {
                    "type": "object",
                    "required": ["template"],
                    "additionalProperties": False,
                    "properties": {"rayStartParams": STRINGS, "template": {"type": "object"}},
                },
                "workerGroupSpecs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["groupName", "template", "minReplicas", "maxReplicas"],
                        "additionalProperties": False,
                        "properties": {
                            "groupName": {"type": "string"},
                            "replicas": COUNT,
                            "minReplicas": COUNT,
                            "maxReplicas": COUNT,
                            "rayStartParams": STRINGS,
                            "template": {"type": "object"},
                        },
                    },
                },
            },
        },
    },
}


def pods(ray_cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The pod templates of a cluster as pods, by name."""
    spec = ray_cluster["spec"]
    groups = {"head": spec["headGroupSpec"], **{g["groupName"]: g for g in spec["workerGroupSpecs"]}}
    head = {"apiVersion": "v1", "kind": "Pod"}
    return {name: head | {"metadata": {"name": name}} | g["template"] for name, g in groups.items()}


@pytest.fixture
def manifest() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(api.cluster("kubernetes")))


def test_the_manifest_is_valid_for_kubernetes_and_kuberay(manifest):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    jsonschema = pytest.importorskip("jsonschema")
    claim, cluster = manifest
    kubernetes_validate.validate(claim, KUBERNETES, strict=True)
    jsonschema.validate(cluster, RAY_CLUSTER)
    for pod in pods(cluster).values():
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_a_misspelt_field_of_a_pod_would_be_found(manifest):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    pod = pods(manifest[1])["gpu"]
    pod["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_every_pod_has_the_shared_folder_and_the_ray_that_is_tested_here(manifest):
    claim, cluster = manifest
    assert cluster["spec"]["rayVersion"] == version("ray")
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    for pod in pods(cluster).values():
        volumes = {item["name"]: item for item in pod["spec"]["volumes"]}
        assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (container,) = pod["spec"]["containers"]
        assert {"name": "shared", "mountPath": "/shared"} in container["volumeMounts"]


def test_ray_accepts_machines_of_ones_own():
    util = pytest.importorskip("ray.autoscaler._private.util", reason="needs the extra `search`")
    config = util.prepare_config(yaml.safe_load(api.cluster("local")))
    util.validate_config(config)
    assert config["provider"]["worker_ips"] == ["192.168.0.11", "192.168.0.12"]
    (node_type,) = config["available_node_types"].values()
    assert node_type["min_workers"] == node_type["max_workers"] == 2


def test_the_slurm_script_is_bash_and_runs_what_is_typed_after_it():
    path = cluster_file("slurm")
    subprocess.run(["bash", "-n", path], check=True, timeout=30)
    without = subprocess.run(["bash", path], capture_output=True, text=True, check=False, timeout=30)
    assert without.returncode == 2
    assert without.stderr.startswith("usage: sbatch")
    directives = re.findall(r"^#SBATCH --([a-z-]+)", path.read_text(), re.M)
    assert {"nodes", "exclusive", "signal", "requeue", "open-mode"} <= set(directives)


@pytest.mark.parametrize("kind", ["local", "slurm", "kubernetes"])
def test_at_most_five_lines_are_marked_to_change(kind):
    marks = [line for line in api.cluster(kind).splitlines() if re.search(r"#.*\bCHANGE( \d|,)", line)]
    assert 1 <= len(marks) <= 5


def test_a_file_is_written_once_and_never_over_another(tmp_path):
    out = tmp_path / "job.sh"
    assert api.cluster("slurm", out=out) == out.read_text()
    assert out.stat().st_mode & 0o111
    with pytest.raises(InputError, match="must not exist yet"):
        api.cluster("local", out=out)
    with pytest.raises(InputError, match="local, slurm, kubernetes"):
        api.cluster("pbs")


def test_every_metric_of_the_board_is_one_that_a_search_tells_and_expressions_are_closed() -> None:
    from rookery.search import listeners

    board = json.loads(cluster_file("grafana").read_text())
    told = {*listeners.GAUGES, *listeners.COUNTERS}
    told |= {f"{name}_{part}" for name in listeners.HISTOGRAMS for part in ("bucket", "count", "sum")}
    used = set()
    for panel in board["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            used |= set(re.findall(r"ray_(rookery_\w+)", expression))
            assert all(expression.count(a) == expression.count(b) for a, b in ("()", "{}", "[]"))
            assert set(re.findall(r"(\w+)=~?\"", expression)) <= {*listeners.LABELS, "state"}
    assert used
    assert used <= told
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def cluster() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


def prepared(cluster: dict[str, Any]) -> dict[str, Any]:
    """What `ray up` makes of the file before it speaks to a cloud."""
    util = pytest.importorskip("ray.autoscaler._private.util", reason="needs the extra `search`")
    config = util.prepare_config(copy.deepcopy(cluster))
    util.validate_config(config)
    return config


def test_ray_accepts_cluster_yaml(cluster: dict[str, Any]) -> None:
    config = prepared(cluster)
    assert config["head_node_type"] == "head"
    assert config["available_node_types"]["gpu"]["min_workers"] == 2


def test_ray_refuses_a_misspelt_key(cluster: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        prepared(cluster | {"max_worker": 4})


def test_cluster_runs_the_ray_that_is_tested_here(cluster: dict[str, Any]) -> None:
    assert f":{version('ray')}-py311" in cluster["docker"]["image"]


def test_cluster_installs_rookery_from_the_copied_tree(cluster: dict[str, Any]) -> None:
    (target,) = (remote for remote, local in cluster["file_mounts"].items() if local == ".")
    assert any(f"{target}[search]" in command for command in cluster["setup_commands"])


def test_worker_nodes_never_exceed_the_cluster_limit(cluster: dict[str, Any]) -> None:
    assert cluster["available_node_types"]["gpu"]["max_workers"] <= cluster["max_workers"]


def test_five_marked_lines_at_the_top_are_all_that_a_newcomer_changes(cluster: dict[str, Any]) -> None:
    lines = (ROOT / "cluster.yaml").read_text().splitlines()
    marked = [number for number, line in enumerate(lines) if re.search(r"# CHANGE \d", line)]
    top = next(number for number, line in enumerate(lines) if line.startswith("cluster_name:"))
    assert [int(re.findall(r"CHANGE (\d)", lines[number])[0]) for number in marked] == [1, 2, 3, 4, 5]
    assert max(marked) < top, "the rest of the file takes these values by reference"
    # Changed there, they reach every place that needs them.
    text = "\n".join(lines)
    for old, new in (("us-west-2 ", "eu-north-1 "), ("ami-0000", "ami-1111"), ("g5.xlarge", "p5.48xlarge")):
        text = text.replace(old, new)
    text = text.replace("min_workers: 2, max_workers: 8", "min_workers: 4, max_workers: 4")
    changed = prepared(yaml.safe_load(text))
    gpu = changed["available_node_types"]["gpu"]
    assert changed["provider"]["region"] == "eu-north-1"
    assert (gpu["min_workers"], gpu["max_workers"]) == (4, 4)
    assert gpu["node_config"]["InstanceType"] == "p5.48xlarge"
    for node_type in changed["available_node_types"].values():
        assert node_type["node_config"]["ImageId"].startswith("ami-1111")


def test_the_shared_folder_is_mounted_on_every_machine(cluster: dict[str, Any]) -> None:
    assert any(":/ /shared" in command for command in cluster["initialization_commands"])
    assert "--volume /shared:/shared" in cluster["docker"]["run_options"]


def test_the_cluster_asks_for_a_token(cluster: dict[str, Any]) -> None:
    assert cluster["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token ray start" in cluster[key][-1]
