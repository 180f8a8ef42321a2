"""What a step of each family asks of a GPU, counted on the fake device: it may not grow unseen."""

from dataclasses import replace
from pathlib import Path

import pytest

from rookery.testing.fake_device import Spy, pretended_device
from rookery.training.alone import AloneNetwork
from rookery.training.arithmetic import arithmetic
from rookery.training.speed import Bench, Case
from rookery.training.team import ALONE
from rookery.training.trainee import Trainee

MLP = Case("photoz_mlp", "photoz_mlp", {"batch_size": 64}, 128)
CNN = Case(
    "photoz_cnn", "photoz_cnn", {"image_size": 16, "width": 0.1, "units": 32, "batch_size": 32}, 64, 16
)
PELICAN = Case(
    "pelican",
    "pelican",
    {
        **{"days_per_column": 8, "features": 8, "batch_size": 32, "feature_activation": "sigmoid"},
        **{"autoencoder": True, "contrastive": True, "kl": True},
    },
    64,
)
MOST = {
    ("photoz_mlp", "float32"): (256, 14.03),
    ("photoz_cnn", "float32"): (176, 20.89),
    ("pelican", "float32"): (493, 37.38),
    ("photoz_cnn", "bf16"): (198, 12.66),
    ("pelican", "bf16"): (528, 22.56),
}
"""Kernels, and MB read and written."""
ROOM = 1.05


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("name", "precision"), MOST)
def test_a_step_takes_no_more_kernels_and_bytes_than_it_did(
    name: str, precision: str, tmp_path: Path
) -> None:
    case = {"photoz_mlp": MLP, "photoz_cnn": CNN, "pelican": PELICAN}[name]
    case = replace(case, values={**case.values, "precision": precision})
    with pretended_device() as device, arithmetic(precision, device):
        bench = Bench(case, tmp_path, device)
        trainee = Trainee.begin(bench.job, bench.family, bench.configuration, bench.data, lambda *_: None)
        alone = AloneNetwork(bench.family, trainee, ALONE)
        epoch = trainee.next_epoch(2)
        spies = []
        for step in range(2):  # the first one makes what all others use
            rows, key = epoch.batch(step)
            with Spy() as spy:
                alone.step([0], rows[None], key[None], [1e-3], [0.0])
            spies.append(spy)
    kernels, megabytes = MOST[name, precision]
    found = spies[1].kernels, spies[1].traffic / 1e6
    assert kernels / ROOM < found[0] <= kernels * ROOM, found
    assert megabytes / ROOM < found[1] <= megabytes * ROOM, found
    assert not spies[1].of("sync")
    assert not spies[1].of("copy")
    assert not spies[1].of("host")
