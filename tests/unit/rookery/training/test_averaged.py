"""Networks that validate and are kept with the mean of their weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rookery.networks.family import load_family
from rookery.training.averaged import Averaged
from rookery.training.checkpoint import load_checkpoint, save_checkpoint
from rookery.training.data import load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery.training.progress import Progress

MakeJob = Callable[..., TrainingJob]
AVERAGED = {"epochs": 3, "batch_size": 24, "average_epochs": 2.0, "dropout": 0.3}


def run(job: TrainingJob, report: Any = lambda *_: None, resume: Progress | None = None) -> Any:
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, torch.device("cpu"))
    return train(job, family, configuration, data, report, resume)


def test_means_move_by_a_part_of_the_way_and_counts_are_taken() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    averaged = Averaged(network)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(1)
        network(torch.randn(4, 2))
    averaged.move(0.25)
    found, now = averaged.network.state_dict(), network.state_dict()
    for name, value in before.items():
        wanted = now[name] if name.endswith("tracked") else 0.75 * value + 0.25 * now[name]
        torch.testing.assert_close(found[name], wanted)
    assert not averaged.network.training


def test_means_validate_and_are_kept_while_the_weights_train_on(make_job: MakeJob) -> None:
    plain, _ = run(make_job(configuration=AVERAGED | {"average_epochs": 0.0}, keep="last"))
    steps: list[dict[str, Tensor]] = []
    network, progress = run(
        make_job(configuration=AVERAGED, keep="last"), lambda _, progress: steps.append(progress.network)
    )
    assert all(torch.equal(value, steps[-1][name]) for name, value in plain.state_dict().items())
    kept = network.state_dict()
    assert any(not torch.equal(value, kept[name]) for name, value in steps[-1].items())
    assert all(torch.equal(progress.judged[name], value) for name, value in kept.items())


def test_one_that_goes_on_from_a_checkpoint_has_the_same_means(make_job: MakeJob, tmp_path: Path) -> None:
    job, place = make_job(configuration=AVERAGED), tmp_path / "running.safetensors"

    def report(metrics: dict[str, float], progress: Progress) -> None:
        if progress.epoch == 1:
            save_checkpoint(place, job, progress)

    network, progress = run(job, report)
    family = load_family(job.family)
    saved = load_checkpoint(place, job, family.build(family.configure(job.configuration), 4, 2))
    assert saved is not None
    resumed, again = run(job, resume=saved)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), resumed.parameters(), strict=True))
    assert [row["validation_log_loss"] for row in again.history] == [
        row["validation_log_loss"] for row in progress.history
    ]


def test_a_checkpoint_whose_means_do_not_fit_counts_as_none(
    make_job: MakeJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job, place = make_job(configuration=AVERAGED | {"epochs": 1}), tmp_path / "running.safetensors"
    network, progress = run(job)
    name = next(name for name in progress.optimizer if name.startswith("mean/"))
    progress.optimizer[name] = torch.zeros(3, 3, 3)
    save_checkpoint(place, job, progress)
    assert load_checkpoint(place, job, network) is None
    assert f"'optimizer/{name}' must be torch.float32 of the shape" in caplog.text


def test_networks_with_means_train_by_themselves() -> None:
    family = load_family("pelican")
    assert family.pack_key(family.configure({"average_epochs": 1.0})) is None
