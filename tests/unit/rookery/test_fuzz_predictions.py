"""Damaged files of predictions in each of their forms, and of epochs: read, or one error of one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fuzzing import Target, fuzz
from rookery.campaigns.load import find_campaign
from rookery.campaigns.status import campaign_status
from rookery.training.epochs_file import SUFFIX
from rookery_ensembles import PredictionInfo, Predictions, RedshiftBins, read_predictions, write_predictions
from rookery_ensembles.partitions import MANIFEST, open_partitions, partition_name, write_manifest

FORMS = ("quantiles", "bins", "basis")
HEAD = {
    "member": "x", "family": "pelican", "seed": 1, "metric": "loss", "direction": "minimize", "epochs": 9,
    "device": "cpu", "host": "a", "process": 1, "began": 1000.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions in each compact form, in a folder of partitions, and a campaign whose network trains."""
    ground = tmp_path_factory.mktemp("ground")
    target = RedshiftBins.equal(0.0, 1.0, 40)
    mass = np.random.default_rng(1).dirichlet(np.ones(40), 12)
    density = (mass * 40).astype(np.float32)
    ids, truth = np.array([f"g{n}" for n in range(12)]), np.linspace(0.1, 0.9, 12)
    for form in FORMS:
        info = PredictionInfo(target, member="x", compact=form)
        write_predictions(Predictions(info, ids, truth, density), ground / f"{form}.parquet")
    folder = ground / "parts"
    folder.mkdir()
    info = PredictionInfo(target, bundle="b")
    for number, rows in enumerate((slice(0, 8), slice(8, 12))):
        part = Predictions(info, ids[rows], truth[rows], density[rows])
        write_predictions(part, folder / partition_name(number))
    write_manifest(folder, info, [8, 4], {"bundle": "b", "rows": 8}, out_of_domain=1)
    running = ground / "campaign" / "running"
    running.mkdir(parents=True)
    shutil.copy(find_campaign("tiny"), ground / "campaign" / "campaign.yaml")
    epochs = [{"epoch": n, "loss": 1 / n, "seconds": 2.0, "time": 1000.0 + n} for n in (1, 2, 3)]
    lines = "".join(json.dumps(line) + "\n" for line in (HEAD, *epochs))
    (running / f"x{SUFFIX}").write_text(lines)
    return ground


def look_at_campaign(ground: Path) -> None:
    json.dumps(campaign_status(ground / "campaign"))


TARGETS = {
    **{
        form: Target(f"{form}.parquet", lambda g, form=form: read_predictions(g / f"{form}.parquet"))
        for form in FORMS
    },
    "manifest": Target(f"parts/{MANIFEST}", lambda g: open_partitions(g / "parts"), 300),
    "epochs": Target(f"campaign/running/x{SUFFIX}", look_at_campaign, 400),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_file_is_read_or_is_one_error(name: str, ground: Path) -> None:
    fuzz(name, TARGETS[name], ground, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_damaged_files_are_read_or_are_one_error(name: str, ground: Path) -> None:
    fuzz(name, TARGETS[name], ground, TARGETS[name].inputs, first=1000)
