"""Which device a worker takes: the one that was asked for, never the one that happens to be visible."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rookery.campaigns.plan import Folders, NetworkTask
from rookery.campaigns.train import NetworkQueue
from rookery.compute.energy import EnergyMeter
from rookery.compute.memory import CONTEXT_BYTES, NoDeviceError, is_out_of_memory, memory_fraction
from rookery.search import worker as trial_module
from rookery.search.trial_plan import FINISHED, HALTED, TrialPlan
from rookery.search.worker import run_plan, run_trial
from rookery.training import loop, member
from rookery.training.data import find_device
from rookery.training.job import TrainingJob
from rookery.training.member import train_member

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")
GIB = 2**30
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")


@pytest.fixture
def visible_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that would see a GPU, did it ask for one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def plan(job: TrainingJob, study: Path, gpus: float) -> dict[str, Any]:
    whole = {"trial": 0, "jobs": [job], "study": str(study), "in_worker_group": False, "cpus": 1}
    return TrialPlan.model_validate({**whole, "gpus": gpus}).model_dump(mode="json")


def test_who_asked_for_no_gpu_computes_on_the_cpu_though_one_is_visible(visible_gpu: None) -> None:
    assert find_device(gpus=0) == CPU


@without_cuda
@pytest.mark.parametrize("gpus", [0.25, 1, 2])
def test_who_asked_for_a_gpu_where_there_is_none_is_refused(gpus: float) -> None:
    with pytest.raises(NoDeviceError, match=rf"{gpus:g} GPU was asked for, but torch .* sees none here"):
        find_device(gpus=gpus)


@without_cuda
def test_who_asked_for_nothing_takes_what_there_is() -> None:
    assert find_device() == CPU


@without_cuda
def test_a_trial_that_asked_for_a_gpu_halts_the_study_instead_of_training_on_the_cpu(
    make_job: MakeJob, tmp_path: Path
) -> None:
    sent: list[dict[str, Any]] = []
    run_plan(TrialPlan.model_validate(plan(make_job(), tmp_path, 1)), sent.append)
    (last,) = sent
    assert "1 GPU was asked for, but torch" in last[HALTED]
    assert "\n" not in last[HALTED]
    assert not (tmp_path / "members").exists()


def test_a_trial_that_asked_for_no_gpu_sees_none(
    make_job: MakeJob, tmp_path: Path, visible_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray.tune

    seen: list[tuple[dict[str, Any], str]] = []
    monkeypatch.setattr(
        ray.tune, "report", lambda row: seen.append((row, os.environ["CUDA_VISIBLE_DEVICES"]))
    )
    run_trial({"plan": plan(make_job(configuration={"epochs": 1}), tmp_path, 0)})
    assert FINISHED in seen[-1][0]
    assert {visible for _, visible in seen} == {""}


def test_a_trial_whose_worker_group_trains_sees_no_gpu_itself(
    make_job: MakeJob, tmp_path: Path, visible_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        trial_module, "_run_in_worker_group", lambda plan: seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    )
    run_trial({"plan": {**plan(make_job(), tmp_path, 1), "in_worker_group": True}})
    assert seen == [""]


def campaign(job: TrainingJob, out: Path) -> tuple[NetworkQueue, list[str | None]]:
    """A campaign's queue of one network, and what it says of those that ended."""
    said: list[str | None] = []
    task = NetworkTask(job=job, surveys={}, size=1)
    return NetworkQueue([task], Folders(out), lambda task, error: said.append(error)), said


def run(queue: NetworkQueue, gpus: float) -> dict[str, Any]:
    """The last report of the queue's next network, with its key `only`."""
    sent: list[dict[str, Any]] = []
    resources = {"study": str(queue.folder), "in_worker_group": False, "cpus": 1, "gpus": gpus}
    run_plan(TrialPlan.model_validate({**queue.suggest("only"), **resources}), sent.append)  # type: ignore[dict-item]
    return sent[-1]


@without_cuda
def test_a_campaign_whose_networks_asked_for_a_gpu_stops_with_one_error(
    make_job: MakeJob, tmp_path: Path
) -> None:
    queue, said = campaign(make_job(), tmp_path)
    queue.halt("only", run(queue, 0.5)[HALTED])
    assert queue.halted is not None
    assert "0.5 GPU was asked for, but torch" in queue.halted
    assert (said, queue.errors, queue.suggest("next")) == ([], {}, None)
    assert not (tmp_path / "members").exists()


@pytest.mark.parametrize(("gpus", "part"), [(0, 1.0), (0.25, 0.25), (1, 1.0), (2, 1.0)])
def test_a_campaigns_network_is_charged_the_energy_of_its_part_of_the_device(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: float, part: float
) -> None:
    parts = []

    class Meter(EnergyMeter):
        def __init__(self, device: torch.device, part: float = 1.0) -> None:
            super().__init__(device, part)
            parts.append(self._part)

    monkeypatch.setattr(loop, "EnergyMeter", Meter)
    monkeypatch.setattr(member, "find_device", lambda name, gpus: CPU)
    queue, said = campaign(make_job(configuration={"epochs": 1}), tmp_path)
    queue.finish("only", value=run(queue, gpus)[FINISHED])
    assert parts == [part]
    assert said == [None]


@without_cuda
def test_a_member_that_shall_train_on_a_gpu_leaves_nothing_without_one(
    make_job: MakeJob, tmp_path: Path
) -> None:
    with pytest.raises(NoDeviceError):
        train_member(make_job(), tmp_path / "m", tmp_path / "c", lambda *_: None, gpus=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("total", [16 * GIB, 80 * GIB])
@pytest.mark.parametrize("processes", [2, 4, 7])
def test_processes_that_share_a_gpu_and_their_contexts_fit_into_it(total: int, processes: int) -> None:
    fraction = memory_fraction(1 / processes, total)
    assert fraction is not None
    assert processes * (fraction * total + CONTEXT_BYTES) <= total * (1 + 1e-9)
    assert processes * fraction * total > 0.6 * total, "most of it stays for the networks"


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_a_process_with_a_gpu_of_its_own_has_no_limit(gpus: float) -> None:
    assert memory_fraction(gpus, 80 * GIB) is None


def test_a_part_that_cuda_itself_would_fill_is_refused() -> None:
    with pytest.raises(NoDeviceError, match=r"must be more than CUDA itself takes, 0\.75 GiB, but"):
        memory_fraction(0.05, 8 * GIB)


@pytest.mark.parametrize(
    "text", ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"]
)
def test_memory_that_libraries_lack_counts_as_out_of_memory(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
