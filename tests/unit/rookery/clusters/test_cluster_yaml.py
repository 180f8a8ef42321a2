import copy
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

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
