"""A process reads its survey once for all networks that want the same tensors of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rookery.networks.family import load_family
from rookery.training import member, members, trained
from rookery.training.card import Card, read_card
from rookery.training.data import load_data
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery.training.members import MemberTask, train_members
from rookery.training.resident import Resident

MakeJob = Callable[..., TrainingJob]


@pytest.fixture
def resident(monkeypatch: pytest.MonkeyPatch) -> Resident:
    fresh = Resident()
    for module in (member, members, trained):
        monkeypatch.setattr(module, "RESIDENT", fresh)
    return fresh


def test_networks_and_packs_of_one_process_share_one_load(
    make_job: MakeJob, tmp_path: Path, resident: Resident
) -> None:
    def job(number: int, **changes: object) -> TrainingJob:
        values = {"epochs": 1, **changes.pop("configuration", {})}  # type: ignore[dict-item]
        name = f"{number:04d}"
        return make_job(member=name, seed=number, split="folds", fold=number % 3, configuration=values)

    def train(job: TrainingJob) -> Card:
        checkpoint = tmp_path / f"{job.member}.safetensors"
        return train_member(job, tmp_path / job.member, checkpoint, lambda *_: None)

    cards = [train(job(number)) for number in range(2)]
    ended: list[object] = []
    tasks = [
        MemberTask(
            some, tmp_path / some.member, tmp_path / f"{some.member}.ckpt", lambda *_: None, ended.append
        )
        for some in (job(number) for number in range(2, 5))
    ]
    train_members(tasks)
    assert len(ended) == 3
    cards += [read_card(tmp_path / task.job.member) for task in tasks]
    told = [card.process for card in cards if card.process is not None]
    assert len({process.name for process in told}) == 1
    assert [process.survey_loads for process in told] == [1] * 5
    assert [process.networks for process in told] == [1, 2, 5, 5, 5]
    other = train(job(5, configuration={"days_per_column": 16}))
    assert other.process is not None
    assert (other.process.networks, other.process.survey_loads) == (6, 2)


def test_tensors_are_those_of_the_job_and_copies_are_nobody_elses(make_job: MakeJob) -> None:
    resident, cpu = Resident(), torch.device("cpu")

    def load(job: TrainingJob, held: Resident | None) -> dict[str, torch.Tensor]:
        family = load_family(job.family)
        data = load_data(job, family, family.configure(job.configuration), cpu, resident=held)
        assert len(data.target_n) == len(data.inputs["flux"])
        return data.inputs

    jobs = [make_job(configuration=values) for values in ({}, {"copies": 1}, {"days_per_column": 16}, {})]
    for job in jobs:
        mine, fresh = load(job, resident), load(job, None)
        assert all(torch.equal(mine[name], fresh[name]) for name in fresh)
    assert (resident.networks, resident.loads) == (4, 4)
    assert load(jobs[3], resident) is load(make_job(seed=8), resident)
