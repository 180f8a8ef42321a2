import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.compute.resources import live_nodes, plan_resources
from rookery_ensembles.errors import InputError

LAPTOP = [{"CPU": 2.0}]
GPU_NODES = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 16.0, "GPU": 2.0}]


@pytest.mark.parametrize(
    ("nodes", "execution", "gpus_per_trial", "in_worker_group", "gpus"),
    [
        (LAPTOP, "auto", None, False, 0),
        (LAPTOP, "train", None, True, 0),
        (LAPTOP, "actor", None, False, 0),
        (GPU_NODES, "auto", None, True, 1),
        (GPU_NODES, "train", 0.5, True, 0.5),
        (GPU_NODES, "actor", None, False, 1),
        (GPU_NODES, "auto", 0, False, 0),
    ],
)
def test_worker_groups_are_the_default_where_a_network_takes_a_gpu(
    nodes: list, execution: str, gpus_per_trial: float | None, in_worker_group: bool, gpus: float
) -> None:
    plan = plan_resources(nodes, execution, gpus_per_trial=gpus_per_trial)
    assert (plan.in_worker_group, plan.gpus) == (in_worker_group, gpus)


@pytest.mark.parametrize(
    ("nodes", "asked", "concurrent"),
    [
        (LAPTOP, {}, 2),
        ([{"CPU": 1.0}, {"CPU": 1.0}], {}, 2),
        ([{"CPU": 3.0}, {"CPU": 3.0}], {"cpus_per_trial": 2}, 2),  # not 6 / 2 = 3: no trial spans nodes
        (GPU_NODES, {}, 6),
        (GPU_NODES, {"cpus_per_trial": 8}, 4),
        (GPU_NODES, {"gpus_per_trial": 0.5}, 12),
        (GPU_NODES, {"gpus_per_trial": 0, "cpus_per_trial": 4}, 8),
        (LAPTOP, {"cpus_per_trial": 0.1}, 20),
        ([{"CPU": 0.3}], {"cpus_per_trial": 0.1}, 3),  # 0.3 / 0.1 is 2.9999999999999996
        ([{"GPU": 1.0}, {"CPU": 2.0}], {"gpus_per_trial": 0}, 2),
        (LAPTOP, {"concurrent": 1}, 1),
    ],
)
def test_as_many_trials_run_at_once_as_fit_node_by_node(nodes: list, asked: dict, concurrent: int) -> None:
    assert plan_resources(nodes, "auto", **asked).concurrent == concurrent


@pytest.mark.parametrize(
    ("nodes", "asked", "message"),
    [
        (
            [{"CPU": 1.0}] * 2,
            {"cpus_per_trial": 2},
            r"needs 2 CPU on one node.*2 nodes: 2 x \(1 CPU / 0 GPU\).*never",
        ),
        (
            LAPTOP,
            {"gpus_per_trial": 1},
            r"needs 1 CPU and 1 GPU on one node.*2 CPU / 0 GPU\): it can never be placed",
        ),
        ([{"CPU": 4.0}, {"GPU": 1.0}], {}, r"needs 1 CPU and 1 GPU on one node"),
        ([], {}, r"the cluster has no node"),
        (
            LAPTOP,
            {"concurrent": 3},
            r"3 trials at once of 1 CPU each were asked for, but only 2 fit on .*2 CPU",
        ),
        (LAPTOP, {"concurrent": 0}, r"`concurrent` must be at least 1, but is 0"),
        (LAPTOP, {"cpus_per_trial": 0}, r"`cpus_per_trial` must be above 0, but is 0"),
        (LAPTOP, {"cpus_per_trial": -1}, r"`cpus_per_trial` must be above 0, but is -1"),
        (LAPTOP, {"cpus_per_trial": math.nan}, r"`cpus_per_trial` must be above 0, but is nan"),
        (GPU_NODES, {"gpus_per_trial": -1}, r"`gpus_per_trial` must be at least 0, but is -1"),
        (GPU_NODES, {"gpus_per_trial": 1.5}, r"`gpus_per_trial` above 1 must be a whole number, but is 1.5"),
        (GPU_NODES, {"workers_per_network": 7}, r"7 workers x .*but only 6 such workers fit"),
        (GPU_NODES, {"workers_per_network": 2, "gpus_per_trial": 0.5}, r"must be whole GPUs, but is 0.5"),
        (LAPTOP, {"workers_per_network": 0}, r"`workers_per_network` must be at least 1, but is 0"),
    ],
)
def test_plan_that_cannot_run_is_refused_with_what_is_asked_and_what_there_is(
    nodes: list, asked: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        plan_resources(nodes, "auto", **asked)


def test_trial_that_waits_for_its_worker_group_holds_no_cpu() -> None:
    held = plan_resources(GPU_NODES, "train").tune_resources()
    assert held["cpu"] == 0
    assert "gpu" not in held
    assert any(amount > 0 for amount in held.values()), "Ray refuses a demand for nothing at all"


@pytest.mark.parametrize(("gpus", "held"), [(0, {"cpu": 0.5}), (0.25, {"cpu": 0.5, "gpu": 0.25})])
def test_trial_that_trains_in_its_actor_holds_what_it_needs(gpus: float, held: dict[str, float]) -> None:
    plan = plan_resources(GPU_NODES, "actor", cpus_per_trial=0.5, gpus_per_trial=gpus)
    assert plan.tune_resources() == held


def test_dead_nodes_do_not_count() -> None:
    nodes: list[dict[str, Any]] = [
        {"Alive": True, "Resources": {"CPU": 2.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    assert live_nodes(nodes) == [{"CPU": 2.0}]


@given(
    nodes=st.lists(st.fixed_dictionaries({"CPU": st.integers(0, 9), "GPU": st.integers(0, 3)}), max_size=4),
    cpus=st.sampled_from([0.25, 0.5, 1, 2, 3]),
    gpus=st.sampled_from([0, 0.5, 1]),
)
def test_no_plan_asks_for_more_than_the_nodes_have(nodes: list, cpus: float, gpus: float) -> None:
    try:
        plan = plan_resources(nodes, "actor", cpus_per_trial=cpus, gpus_per_trial=gpus)
    except InputError:
        assert all(node["CPU"] < cpus or node["GPU"] < gpus for node in nodes)
        return
    assert 1 <= plan.concurrent <= sum(node["CPU"] for node in nodes) / cpus
    assert plan.concurrent * gpus <= sum(node["GPU"] for node in nodes)


def test_a_part_of_a_gpu_never_spans_two_devices() -> None:
    plan = plan_resources([{"CPU": 99.0, "GPU": 4.0}], "auto", gpus_per_trial=0.3)
    assert plan.concurrent == 4 * 3  # not 4 / 0.3 = 13


def test_several_workers_make_worker_groups_that_may_spread_over_nodes() -> None:
    plan = plan_resources([{"CPU": 3.0}] * 3, "auto", cpus_per_trial=1, workers_per_network=2)
    assert (plan.in_worker_group, plan.workers, plan.concurrent) == (True, 2, 4)
    with pytest.raises(InputError, match="`execution` actor trains in one process"):
        plan_resources(LAPTOP, "actor", workers_per_network=2)


def test_a_plan_of_packs_trains_several_trials_in_a_process() -> None:
    plan = plan_resources(LAPTOP, "pack", pack=8, concurrent=2, trials=40)
    assert (plan.in_worker_group, plan.pack) == (False, 8)
    assert plan.text.startswith("2 packs of up to 8 trials at once of 1 CPU in reused Tune actors")
    assert plan.text.endswith("40 trials in about 3 rounds")
    assert plan_resources(LAPTOP, "actor", pack=8).pack == 1
    with pytest.raises(InputError, match=r"`execution` pack trains in one process, but"):
        plan_resources(LAPTOP, "pack", workers_per_network=2)


def test_plan_says_how_many_nodes_of_each_kind_and_how_many_rounds() -> None:
    plan = plan_resources([{"CPU": 16.0, "GPU": 4.0}] * 6, "auto", trials=100)
    assert plan.text == (
        "24 trials at once of 1 CPU and 1 GPU in Ray Train worker groups, on 6 nodes: "
        "6 x (16 CPU / 4 GPU); 100 trials in about 5 rounds"
    )
    assert plan.warnings == ()


def test_plan_warns_of_gpus_that_nobody_can_use() -> None:
    plan = plan_resources([{"CPU": 16.0, "GPU": 4.0}], "auto", cpus_per_trial=8)
    assert plan.concurrent == 2
    assert "CPUs suffice for 2 workers of 8 CPU and 1 GPU, their GPUs for 4" in plan.warnings[0]
    assert plan_resources(GPU_NODES, "auto", gpus_per_trial=0).warnings == (
        "6 GPUs stay idle: trials take none",
    )
    assert plan_resources(GPU_NODES, "auto", concurrent=2).warnings == ("4 of 6 GPUs stay idle",)


def test_room_follows_the_nodes_unless_a_number_was_asked_for() -> None:
    plan = plan_resources(LAPTOP, "auto")
    assert [plan.room(LAPTOP * n) for n in (0, 1, 3)] == [0, 2, 6]
    plan = plan_resources(LAPTOP, "auto", concurrent=1)
    assert [plan.room(LAPTOP * n) for n in (0, 1, 3)] == [0, 1, 1]


def _most_groups(slots: list[int], workers: int) -> int:
    """Place worker after worker, group after group, wherever there is room: no cleverness at all."""
    slots, groups = list(slots), 0
    while True:
        for _ in range(workers):
            free = next((index for index, left in enumerate(slots) if left), None)
            if free is None:
                return groups
            slots[free] -= 1
        groups += 1


@given(
    cpus=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    each=st.integers(1, 3),
    workers=st.integers(1, 4),
)
def test_as_many_worker_groups_run_as_can_be_placed(cpus: list[int], each: int, workers: int) -> None:
    most = _most_groups([count // each for count in cpus], workers)
    nodes = [{"CPU": float(count)} for count in cpus]
    try:
        plan = plan_resources(nodes, "train", cpus_per_trial=each, workers_per_network=workers)
    except InputError:
        assert most == 0
    else:
        assert plan.concurrent == most


def test_an_autoscaling_cluster_is_asked_for_more_than_fits_now() -> None:
    plan = plan_resources([{"CPU": 4.0}], "auto", gpus_per_trial=1, concurrent=8, autoscaling=True)
    assert (plan.concurrent, plan.room([]), plan.in_worker_group) == (8, 8, True)
    assert "0 fit now (1 node: (4 CPU / 0 GPU)), nodes may join" in plan.text
    with pytest.raises(InputError, match="`autoscaling` needs `concurrent`"):
        plan_resources(LAPTOP, "auto", autoscaling=True)


def test_no_more_trials_at_once_than_a_study_allows_and_the_plan_says_so() -> None:
    plan = plan_resources(LAPTOP, "auto", at_most=1, trials=4)
    assert (plan.concurrent, plan.room(LAPTOP * 3)) == (1, 1)
    assert plan.text.startswith("1 trial at once of 1 CPU")
    assert "4 trials in about 4 rounds" in plan.text
    assert plan_resources(LAPTOP, "auto", at_most=9).concurrent == 2


def test_gpus_that_a_worker_cannot_use_are_named() -> None:
    plan = plan_resources([{"CPU": 8, "GPU": 4}], "auto", gpus_per_trial=2)
    assert plan.warnings == (
        "each worker trains on 1 of its 2 GPUs; `workers_per_network` uses more for a network",
    )
    assert not plan_resources([{"CPU": 8, "GPU": 4}], "auto", gpus_per_trial=1).warnings
