"""Networks that start from a finished member: what they take, what is fresh, what stays as it is."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from rookery.networks.family import load_family
from rookery.surveys import Survey, split_survey, write_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.training.card import Card, read_card
from rookery.training.checkpoint import load_checkpoint, save_checkpoint
from rookery.training.data import load_data
from rookery.training.job import StartFrom, TrainingJob
from rookery.training.loop import train, train_pack
from rookery.training.member import train_member
from rookery.training.progress import Progress
from rookery.training.trainee import Trainee
from rookery_ensembles.errors import InputError

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")


def silent(*_: Any) -> None:
    pass


@pytest.fixture(scope="module")
def source(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member of two epochs."""
    folder = tmp_path_factory.mktemp("source") / "0007"
    job = make_job(member="0007", configuration={"epochs": 2})
    train_member(job, folder, folder.parent / "running", silent, device="cpu")
    return folder


@pytest.fixture
def job_from(make_job: MakeJob, source: Path) -> MakeJob:
    """Return a function that makes a job of one epoch which starts from the source."""
    start = StartFrom(folder=str(source), weights=read_card(source).weights)

    def make(**changes: Any) -> TrainingJob:
        configuration = {"epochs": 1, **changes.pop("configuration", {})}
        return make_job(**{"start": start, "seed": 9, **changes, "configuration": configuration})

    return make


def trained(job: TrainingJob, folder: Path) -> tuple[Card, dict[str, torch.Tensor]]:
    card = train_member(job, folder, folder.parent / "running", silent, device="cpu")
    return card, load_file(folder / "weights.safetensors")


def test_frozen_parts_stay_as_they_were_with_their_running_means(
    job_from: MakeJob, source: Path, tmp_path: Path
) -> None:
    frozen = "encoder.temporal, encoder.across_bands"
    card, after = trained(job_from(configuration={"freeze": frozen}), tmp_path / "m")
    before = load_file(source / "weights.safetensors")
    still = [name for name in before if name.startswith(("encoder.temporal.", "encoder.across_bands."))]
    assert any("running_mean" in name for name in still)
    assert all(torch.equal(before[name], after[name]) for name in still)
    moved = [name for name in before if name not in still and before[name].is_floating_point()]
    assert all(not torch.equal(before[name], after[name]) for name in moved)
    assert card.start is not None
    assert (card.start.member, card.start.fresh) == ("0007", ())
    assert card.start.survey == read_card(source).survey


def test_weights_that_were_given_go_on_at_their_own_rate_and_fresh_ones_at_the_full_one(
    job_from: MakeJob, source: Path, tmp_path: Path
) -> None:
    classes = {"class_names": ("Ia", "IIP", "non-Ia")}
    before = load_file(source / "weights.safetensors")

    def step(ratio: float) -> dict[str, float]:
        job = job_from(**classes, configuration={"rate_ratio": ratio, "weight_decay": 0.0})
        _, after = trained(job, tmp_path / f"m{ratio}")
        return {
            name: float((after[name] - value).norm())
            for name, value in before.items()
            if after[name].shape == value.shape and "running" not in name and value.is_floating_point()
        }

    slow, full = step(1e-4), step(1.0)
    assert slow.keys() == full.keys()
    assert not any(name.startswith("classifier") for name in slow)
    assert all(slow[name] < 1e-2 * full[name] for name in slow)


def test_other_classes_get_a_fresh_head_and_the_message_and_card_say_so(
    job_from: MakeJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        card, after = trained(job_from(class_names=("Ia", "IIP", "non-Ia")), tmp_path / "m")
    assert after["classifier.1.weight"].shape[0] == 3
    assert card.start is not None
    assert card.start.fresh == ("classifier.1.bias", "classifier.1.weight")
    assert "fresh weights for classifier.1.bias, classifier.1.weight" in caplog.text


def test_other_bins_get_a_fresh_last_layer(make_job: MakeJob, tiny_galaxies: Survey, tmp_path: Path) -> None:
    def job(number: int, start: StartFrom | None) -> TrainingJob:
        fields = make_job(
            family="photoz_mlp", survey=str(tiny_galaxies.path), survey_checksum=tiny_galaxies.checksum,
            class_names=None, redshift_bins=EqualBins(low=0, high=0.4, number=number), start=start,
        )  # fmt: skip
        small = {"epochs": 1, "batch_size": 16, "width": 8, "hidden_layers": 1}
        return fields.model_copy(update={"configuration": small})

    first, before = trained(job(12, None), tmp_path / "first")
    start = StartFrom(folder=str(tmp_path / "first"), weights=first.weights)
    card, after = trained(job(9, start), tmp_path / "other")
    assert card.start is not None
    assert card.start.fresh
    assert {name for name in after if before[name].shape != after[name].shape} <= set(card.start.fresh)
    same = trained(job(12, start), tmp_path / "same")[0]
    assert same.start is not None
    assert same.start.fresh == ()


def test_other_bands_get_fresh_layers_across_them(
    job_from: MakeJob, tiny_survey: Survey, source: Path, tmp_path: Path
) -> None:
    arrays, ids = tiny_survey.observation_arrays(), tiny_survey.objects["object_id"].to_numpy()
    rows = pd.DataFrame(
        {
            "object_id": ids[arrays.object_index],
            "mjd": arrays.mjd,
            "band": [("G", "R", "I", "z")[band] for band in arrays.band_index],
            "flux": arrays.flux,
            "flux_err": arrays.flux_err,
        }
    )
    other = write_survey(
        tmp_path / "s",
        name="s",
        bands=["G", "R", "I", "z"],
        objects=tiny_survey.objects,
        observations=rows,
    )
    split_survey(other, "half", train_fraction=0.5, seed=1)
    job = job_from(survey=str(other.path), survey_checksum=other.checksum)
    card, _ = trained(job, tmp_path / "m")
    assert card.start is not None
    assert card.start.fresh == ("encoder.across_bands.0.weight",)


def test_a_decoder_that_the_source_had_not_is_fresh(job_from: MakeJob, tmp_path: Path) -> None:
    _, after = trained(job_from(configuration={"autoencoder": True}), tmp_path / "m")
    assert any(name.startswith("decoder.") for name in after)


def test_a_training_that_was_interrupted_goes_on_as_one_that_was_not(
    job_from: MakeJob, tmp_path: Path
) -> None:
    job = job_from(configuration={"epochs": 3, "freeze": "encoder.temporal", "rate_ratio": 0.3})
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, CPU)
    place = tmp_path / "running.safetensors"

    def keep(_: Any, progress: Progress) -> None:
        if progress.epoch == 1:
            save_checkpoint(place, job, progress)

    whole, _ = train(job, family, configuration, data, keep)
    saved = load_checkpoint(place, job, whole)
    assert saved is not None
    resumed, _ = train(job, family, configuration, data, silent, saved)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_networks_of_a_pack_start_from_a_member_too(job_from: MakeJob) -> None:
    jobs = [job_from(member=f"{seed}", seed=seed) for seed in (1, 2)]
    family = load_family("pelican")
    configuration = family.configure(jobs[0].configuration)
    assert family.pack_key(configuration) is not None
    assert family.pack_key(configuration.model_copy(update={"freeze": "encoder"})) is None
    assert family.pack_key(configuration.model_copy(update={"rate_ratio": 0.1})) is None
    data = [load_data(job, family, configuration, CPU) for job in jobs]
    together = [
        Trainee.begin(job, family, configuration, some, silent) for job, some in zip(jobs, data, strict=True)
    ]
    train_pack(family, together)
    for job, some, trainee in zip(jobs, data, together, strict=True):
        _, alone = train(job, family, configuration, some, silent)
        for name in ("train_loss", "validation_log_loss"):
            assert trainee.progress.history[0][name] == pytest.approx(alone.history[0][name], rel=2e-3)


def refused(job: TrainingJob, match: str) -> None:
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, CPU)
    with pytest.raises(InputError, match=match):
        Trainee.begin(job, family, configuration, data, silent)


def test_parts_that_cannot_stay_frozen_are_refused(job_from: MakeJob) -> None:
    refused(job_from(configuration={"freeze": "stem"}), "`stem` is no part of the network; those are encoder")
    refused(job_from(configuration={"freeze": "encoder,classifier"}), "nothing is left to train")
    other = job_from(class_names=("Ia", "IIP", "non-Ia"), configuration={"freeze": "classifier"})
    refused(other, "`classifier` cannot keep weights that it does not have: classifier.1.bias is fresh")
    afresh = job_from(start=None, configuration={"freeze": "encoder"})
    refused(afresh, "`freeze`: encoder cannot stay frozen: this network starts afresh")


def test_a_source_of_another_shape_altered_or_gone_is_refused(
    job_from: MakeJob, source: Path, tmp_path: Path
) -> None:
    other = job_from(configuration={"features": 4})
    refused(other, r"config.yaml: `encoder.features.*the configurations differ")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in source.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    start = StartFrom(folder=str(copy), weights=read_card(source).weights)
    weights = bytearray((copy / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "weights.safetensors").write_bytes(weights)
    refused(job_from(start=start), r"weights.safetensors: must have the SHA-256 .* it was altered")
    gone = StartFrom(folder=str(tmp_path / "gone"), weights="")
    refused(job_from(start=gone), r"gone: is no member to start from: it has no card.json")
    text = (copy / "card.json").read_text()
    (copy / "card.json").write_text(text.replace('"family": "pelican"', '"family": "photoz_mlp"'))
    refused(job_from(start=start), "a network of `pelican` cannot start from one of `photoz_mlp`")


def test_a_finished_member_is_not_taken_for_one_of_another_start(
    job_from: MakeJob, source: Path, tmp_path: Path
) -> None:
    trained(job_from(), tmp_path / "m")
    with pytest.raises(InputError, match=r"`start`: a member that started from .* is finished here"):
        trained(job_from(start=None), tmp_path / "m")
