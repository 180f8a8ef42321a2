import copy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cluster() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


def prepared(cluster: dict[str, Any]) -> dict[str, Any]:
    """What `ray up` makes of the file before it speaks to a cloud."""
    util = pytest.importorskip("ray.autoscaler._private.util", reason="needs the extra rookery[search]")
    config = util.prepare_config(copy.deepcopy(cluster))
    util.validate_config(config)
    return config


def test_ray_accepts_cluster_yaml(cluster: dict[str, Any]) -> None:
    config = prepared(cluster)
    assert config["head_node_type"] == "head"
    assert config["available_node_types"]["gpu"]["resources"]["GPU"] == 1


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


def test_machines_of_ones_own_need_only_the_documented_changes(cluster: dict[str, Any]) -> None:
    cluster["provider"] = {
        "type": "local",
        "head_ip": "192.168.0.10",
        "worker_ips": ["192.168.0.11", "192.168.0.12"],
    }
    for key in ("metadata", "available_node_types", "head_node_type", "docker", "initialization_commands"):
        del cluster[key]
    config = prepared(cluster | {"max_workers": 2, "min_workers": 2})
    assert config["provider"]["worker_ips"] == ["192.168.0.11", "192.168.0.12"]
