"""What the doctor makes of facts: one finding a fault, with what to do about it. No Ray."""

from typing import Any

import pytest

from rookery.clusters import checks
from rookery.clusters.findings import Finding, Level, merge, node_list, worst

GIB = 1 << 30
HERE = {
    "python": "3.11.7", "rookery-astro": "0.1.0", "ray": "2.60.0", "torch": "2.13.0", "optuna": "5.0.0",
}  # fmt: skip


def node(**changes: Any) -> dict[str, Any]:
    facts = {
        "versions": dict(HERE),
        "torch_devices": {"devices": [], "error": None},
        "driver_gpus": 0,
        "ray_gpus": 0.0,
        "shm_bytes": 64 * GIB,
        "object_store_bytes": 32 * GIB,
        "open_files": {"soft": 65536, "hard": 1048576},
        "scratch": {"path": "/tmp", "total": 500 * GIB, "free": 200 * GIB, "free_inodes": 10**7},
    }
    return facts | changes


def gpus(*names: str, error: str | None = None) -> dict[str, Any]:
    return {"devices": [{"name": name, "error": error} for name in names], "error": None}


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_equal_versions_are_one_good_finding():
    finding = only(checks.check_versions({"a": node(), "b": node()}, HERE))
    assert finding.level is Level.OK
    assert "ray 2.60.0" in finding.text
    assert finding.nodes == ("a", "b")


@pytest.mark.parametrize(
    ("package", "theirs", "level"),
    [
        ("torch", "2.12.0", Level.FAIL),
        ("rookery-astro", "0.0.9", Level.FAIL),
        ("rookery-astro", None, Level.FAIL),
        ("optuna", None, Level.FAIL),
        ("python", "3.12.1", Level.FAIL),
        ("python", "3.11.9", Level.WARN),
    ],
)
def test_another_version_on_a_node_is_named(package: str, theirs: str | None, level: Level):
    other = node(versions=HERE | {package: theirs})
    finding = only(checks.check_versions({"a": node(), "b": other}, HERE))
    assert (finding.level, finding.nodes) == (level, ("b",))
    assert package in finding.text
    assert finding.advice


def test_a_checkout_that_is_not_installed_is_no_other_version():
    bare = HERE | {"rookery-astro": None}
    assert worst(checks.check_versions({"a": node(versions=bare)}, bare)) is Level.OK


def test_a_plain_install_is_one_finding_that_names_the_extra():
    bare = HERE | dict.fromkeys(("ray", "torch", "optuna"))
    facts = node(versions=bare, torch_devices={"devices": [], "error": "No module named 'torch'"})
    finding = only(checks.check_versions({"a": facts}, bare))
    assert finding.level is Level.FAIL
    assert finding.text == "not installed: ray, torch, optuna (the extra `search`)"
    assert "'.[search]'" in finding.advice
    assert "None" not in finding.advice
    assert checks.check_devices({"a": facts}) == []


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        ({}, Level.OK, "no GPU"),
        ({"torch_devices": gpus("H100", "H100"), "ray_gpus": 2.0, "driver_gpus": 2}, Level.OK, "2 x H100"),
        ({"ray_gpus": 4.0, "driver_gpus": 4}, Level.FAIL, "Ray hands out 4 GPUs, but torch sees 0"),
        ({"torch_devices": gpus("H100", "H100"), "ray_gpus": 1.0}, Level.WARN, "torch sees 2 GPUs, but Ray"),
        ({"driver_gpus": 2}, Level.WARN, "the node has 2 GPUs, but torch sees 0"),
        ({"torch_devices": {"devices": [], "error": "no module"}}, Level.FAIL, "no module"),
        ({"torch_devices": gpus("K80", error="no kernel image"), "ray_gpus": 1.0}, Level.FAIL, "no kernel"),
        ({"torch_devices": gpus("H100"), "ray_gpus": None}, Level.OK, "1 x H100"),
    ],
)
def test_gpus_of_ray_torch_and_the_driver_are_compared(facts: dict[str, Any], level: Level, words: str):
    finding = only(checks.check_devices({"a": node(**facts)}))
    assert finding.level is level
    assert words in finding.text
    assert bool(finding.advice) is (level is not Level.OK)


@pytest.mark.parametrize(
    ("skew", "uncertainty", "level"),
    [(0.2, 0.1, Level.OK), (-30.0, 0.1, Level.WARN), (3600.0, 0.1, Level.FAIL), (5.0, 6.0, Level.OK)],
)
def test_a_clock_is_judged_by_what_is_certain(skew: float, uncertainty: float, level: Level):
    assert only(checks.check_clocks({"a": (skew, uncertainty)})).level is level


@pytest.mark.parametrize(("soft", "level"), [(256, Level.FAIL), (1024, Level.WARN), (65536, Level.OK)])
def test_the_limit_of_open_files_is_judged(soft: int, level: Level):
    finding = only(checks.check_open_files({"a": node(open_files={"soft": soft, "hard": 4096})}))
    assert finding.level is level
    assert ("hard limit is 4096" in finding.advice) is (level is not Level.OK)


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"shm_bytes": 64 << 20}, Level.WARN),
        ({"shm_bytes": None}, Level.WARN),
        ({"shm_bytes": 64 << 20, "object_store_bytes": None}, Level.WARN),
        ({"shm_bytes": 3 * GIB, "object_store_bytes": None}, Level.OK),
    ],
)
def test_shared_memory_must_hold_rays_objects(facts: dict[str, Any], level: Level):
    finding = only(checks.check_shared_memory({"a": node(**facts)}))
    assert finding.level is level
    assert ("--shm-size" in finding.advice) is (level is Level.WARN)


@pytest.mark.parametrize(
    ("total", "free", "level"),
    [(500, 200, Level.OK), (500, 20, Level.WARN), (60, 5, Level.WARN), (500, 5, Level.FAIL)],
)
def test_the_disk_of_rays_own_files_must_not_be_full(total: int, free: int, level: Level):
    disk = {"path": "/tmp", "total": total * GIB, "free": free * GIB, "free_inodes": None}
    assert only(checks.check_scratch({"a": node(scratch=disk)})).level is level


@pytest.mark.parametrize(
    ("free", "inodes", "level"),
    [
        (50 * GIB, 10**7, Level.OK),
        (5 * GIB, None, Level.WARN),
        (GIB // 2, None, Level.FAIL),
        (50 * GIB, 5000, Level.WARN),
        (50 * GIB, 10, Level.FAIL),
    ],
)
def test_a_study_needs_room_for_bytes_and_files(free: int, inodes: int | None, level: Level):
    disk = {"path": "/s", "total": 100 * GIB, "free": free, "free_inodes": inodes}
    assert only(checks.check_free_space({"a": disk}, "/s")).level is level


def test_a_folder_that_all_nodes_share_is_one_good_finding():
    finding = only(checks.check_shared_folder("/s", {"a": None, "b": None}, {"a": {}, "b": {}}))
    assert (finding.level, finding.nodes) == (Level.OK, ("a", "b"))


def test_a_folder_of_a_nodes_own_is_found_out():
    unread = {"a": {"b": "No such file or directory"}, "b": {"a": "No such file or directory"}}
    findings = checks.check_shared_folder("/s", {"a": None, "b": None}, unread)
    assert [finding.level for finding in findings] == [Level.FAIL] * 2
    assert "files of 1 of 2 nodes are not seen here" in findings[0].text


@pytest.mark.parametrize("error", ["No such file or directory", "Permission denied"])
def test_a_node_that_cannot_write_is_named_once(error: str):
    finding = only(checks.check_shared_folder("/s", {"a": None, "b": error}, {"a": {}}))
    assert (finding.level, finding.nodes) == (Level.FAIL, ("b",))
    assert ("mount" in finding.advice) is error.startswith("No such")


SURVEY = {"checksum": "c" * 64, "document": "d" * 64, "tables": {"objects.parquet": [10, "e"]}}


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (SURVEY, None),
        (SURVEY | {"checksum": "f" * 64}, "another survey"),
        (SURVEY | {"tables": {"objects.parquet": [9, "e"]}}, "objects.parquet differs"),
        ({"error": "/s/survey.json: No such file or directory"}, "No such file"),
    ],
)
def test_a_survey_must_be_the_same_on_every_node(there: dict[str, Any], words: str | None):
    finding = only(checks.check_survey("/s", {"a": there}, SURVEY))
    assert finding.level is (Level.OK if words is None else Level.FAIL)
    assert words is None or words in finding.text


def test_a_survey_that_the_driver_refuses_is_told_once():
    finding = only(checks.check_survey("/s", {}, {"error": "/s: is not a survey"}))
    assert (finding.level, finding.nodes) == (Level.FAIL, ())


def test_findings_that_say_the_same_are_joined_and_the_worst_comes_first():
    ok = [Finding("x", Level.OK, "fine", nodes=(name,)) for name in "ab"]
    bad = Finding("x", Level.FAIL, "broken", "mend it", ("c",))
    merged = merge([*ok, bad, Finding("y", Level.WARN, "hm")])
    assert [(f.check, f.level, f.nodes) for f in merged] == [
        ("x", Level.FAIL, ("c",)),
        ("x", Level.OK, ("a", "b")),
        ("y", Level.WARN, ()),
    ]
    assert worst(merged) is Level.FAIL


def test_many_nodes_are_named_in_short():
    assert node_list(("a", "b"), 2) == "all 2 nodes"
    assert node_list(("a", "b", "c", "d", "e"), 9) == "a, b, c and 2 more"
