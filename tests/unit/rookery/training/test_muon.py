"""Networks whose matrices Muon steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rookery.networks.family import load_family
from rookery.networks.precision import LastLinear
from rookery.training.checkpoint import load_checkpoint, save_checkpoint
from rookery.training.data import load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery.training.muon import Muon, orthogonal, with_matrices
from rookery.training.progress import Progress

MakeJob = Callable[..., TrainingJob]
CONFIGURATION = {"epochs": 3, "batch_size": 24, "optimizer": "muon", "dropout": 0.3}


def run(job: TrainingJob, report: Any = lambda *_: None, resume: Progress | None = None) -> Any:
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, torch.device("cpu"))
    return train(job, family, configuration, data, report, resume)


@pytest.mark.parametrize("shape", [(8, 20), (20, 8)])
def test_all_directions_of_a_matrix_come_to_count_about_alike(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonal(matrix) @ v.T
    assert values.max() / values.min() > 2
    assert (found.diagonal() > 0.6).all()
    assert (found.diagonal() < 1.3).all()
    torch.testing.assert_close(found - found.diagonal().diag(), torch.zeros_like(found), atol=1e-4, rtol=0)


def test_steps_are_those_of_torch_to_bfloat16() -> None:
    ours = nn.Parameter(torch.randn(12, 30, generator=torch.Generator().manual_seed(2)))
    theirs = nn.Parameter(ours.detach().clone())
    start = ours.detach().clone()
    muon = Muon([{"params": [ours], "matrices": True}], lr=0.01, weight_decay=0.1, fused=True)
    torchs = torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        gradient = torch.randn(12, 30, generator=torch.Generator().manual_seed(10 + seed))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        torchs.step()
    assert (ours - theirs).norm() < 0.03 * (theirs - start).norm()


def test_convolutions_are_matrices_and_last_layers_are_not() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), LastLinear(3, 4))
    groups = with_matrices([{"params": list(network.parameters()), "ratio": 0.5}], network)
    sizes = {group["matrices"]: [tuple(p.shape) for p in group["params"]] for group in groups}
    assert sizes == {True: [(3, 2, 3, 3)], False: [(3,), (3,), (3,), (4, 3), (4,)]}
    assert [group["ratio"] for group in groups] == [0.5, 0.5]


def test_one_that_goes_on_from_a_checkpoint_has_the_same_weights(make_job: MakeJob, tmp_path: Path) -> None:
    job, place = make_job(configuration=CONFIGURATION), tmp_path / "running.safetensors"

    def report(metrics: dict[str, float], progress: Progress) -> None:
        if progress.epoch == 1:
            save_checkpoint(place, job, progress)

    network, progress = run(job, report)
    family = load_family(job.family)
    saved = load_checkpoint(place, job, family.build(family.configure(job.configuration), 4, 2))
    assert saved is not None
    assert {name.partition(".")[2] for name in saved.optimizer} == {
        *("step", "momentum", "exp_avg", "exp_avg_sq"),
    }
    resumed, again = run(job, resume=saved)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), resumed.parameters(), strict=True))
    assert again.history[-1]["validation_log_loss"] == progress.history[-1]["validation_log_loss"]


@pytest.mark.parametrize(("given", "asked"), [("adamw", "muon"), ("muon", "adamw")])
def test_a_checkpoint_of_another_optimizer_is_of_another_network(
    make_job: MakeJob, tmp_path: Path, given: str, asked: str
) -> None:
    place = tmp_path / "running.safetensors"
    job = make_job(configuration=CONFIGURATION | {"optimizer": given, "epochs": 1})
    network, progress = run(job)
    save_checkpoint(place, job, progress)
    other = make_job(configuration=CONFIGURATION | {"optimizer": asked, "epochs": 1})
    assert load_checkpoint(place, other, network) is None


def test_networks_of_muon_train_by_themselves() -> None:
    family = load_family("photoz_mlp")
    assert family.pack_key(family.configure({"optimizer": "muon"})) is None
    assert family.pack_key(family.configure({"optimizer": "adamw"})) is not None
