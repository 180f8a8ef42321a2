import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from rookery.inference.write_ensemble import presumed_fractions
from rookery.networks.family import load_family
from rookery.surveys import Survey, open_split, open_survey
from rookery.surveys._split_file import write_split
from rookery.training.card import Card
from rookery.training.checkpoint import load_checkpoint
from rookery.training.data import load_data, predict_rows
from rookery.training.job import TrainingJob
from rookery.training.member import open_member, train_member
from rookery.training.progress import Progress
from rookery_ensembles import CandidateMember, choose, read_predictions
from rookery_ensembles.errors import InputError

MakeJob = Callable[..., TrainingJob]


def quiet(metrics: dict[str, float], progress: Progress) -> None:
    """Report to nobody."""


def refuse(metrics: dict[str, float], progress: Progress) -> None:
    pytest.fail("no epoch may be trained")


@pytest.fixture(scope="module")
def trained(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingJob, Path, Card]:
    job, runs = make_job(), tmp_path_factory.mktemp("runs")
    folder = runs / "members" / "0000"
    card = train_member(job, folder, runs / "running" / "0000.safetensors", quiet)
    return job, folder, card


@pytest.fixture
def member(trained: tuple[TrainingJob, Path, Card], tmp_path: Path) -> tuple[TrainingJob, Path, Card]:
    """A trained member in a folder of the test's own."""
    job, folder, card = trained
    return job, Path(shutil.copytree(folder, tmp_path / "0000")), card


def test_member_folder_holds_all_its_files_and_nothing_else(
    trained: tuple[TrainingJob, Path, Card],
) -> None:
    _, folder, _ = trained
    assert {file.name for file in folder.iterdir()} == {
        "weights.safetensors",
        "config.yaml",
        "history.parquet",
        "predictions-validation.parquet",
        "predictions-test.parquet",
        "card.json",
    }
    assert [path.name for path in folder.parent.iterdir()] == ["0000"], "no partial folder may stay"
    assert not list((folder.parents[1] / "running").iterdir()), "the checkpoint has served"


def test_card_tells_what_was_trained(member: tuple[TrainingJob, Path, Card], tiny_survey: Survey) -> None:
    job, folder, card = member
    history = pd.read_parquet(folder / "history.parquet")
    best = history.loc[history["validation_log_loss"].idxmin()]
    assert card == Card.model_validate_json((folder / "card.json").read_bytes())
    assert (card.value, card.best_epoch) == (best["validation_log_loss"], best["epoch"])
    assert (card.epochs, card.survey, card.bands) == (4, tiny_survey.checksum, tiny_survey.bands)
    assert card.device_seconds == pytest.approx(history["seconds"].sum())
    assert card.parameters == sum(p.numel() for p in open_member(folder).network.parameters())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert job.configuration.items() <= config.items(), "defaults are written out beside what was chosen"


@pytest.mark.parametrize("role", ["validation", "test"])
def test_opened_member_predicts_what_its_files_say(
    member: tuple[TrainingJob, Path, Card], tiny_survey: Survey, role: str
) -> None:
    job, folder, card = member
    opened = open_member(folder)
    data = load_data(job, opened.family, opened.configuration, torch.device("cpu"))
    saved = read_predictions(folder / f"predictions-{role}.parquet")
    np.testing.assert_array_equal(
        predict_rows(opened.network, opened.family, data.inputs, data.rows[role]), saved.values
    )
    rows = open_split(tiny_survey, "half").indices(role)
    objects = tiny_survey.objects.iloc[rows]
    assert saved.object_id.tolist() == objects["object_id"].tolist()
    assert saved.truth.tolist() == ["Ia" if kind == "Ia" else "non-Ia" for kind in objects["type"]]
    info = saved.info
    assert (info.member, info.role, info.fold, info.target.names) == ("0000", role, None, job.class_names)
    assert (info.configuration, info.survey) == (card.configuration, tiny_survey.checksum)
    if role == "validation":
        chosen = saved.values[np.arange(len(rows)), [info.target.names.index(t) for t in saved.truth]]
        assert -np.log(chosen.astype(float)).mean() == pytest.approx(card.value, rel=1e-6)


def test_finished_member_is_not_trained_again(member: tuple[TrainingJob, Path, Card], tmp_path: Path) -> None:
    job, folder, card = member
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert train_member(job, folder, tmp_path / "running" / "c", refuse) == card
    assert before == {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"configuration": {"features": 9}}, "configuration"),
        ({"seed": 4}, "seed"),
        ({"split": "folds", "fold": 0}, "split"),
        ({"survey_checksum": "0" * 64}, "survey"),
        ({"class_names": ("non-Ia", "Ia")}, "class_names"),
    ],
)
def test_finished_member_of_another_job_is_never_taken_for_this_one(
    member: tuple[TrainingJob, Path, Card], make_job: MakeJob, change: dict[str, Any], key: str
) -> None:
    _, folder, _ = member
    with pytest.raises(
        InputError, match=rf"card\.json: `{key}`: a member with .* is finished here, but one with"
    ):
        train_member(make_job(**change), folder, folder.parent / "c", refuse)


def test_report_comes_after_the_checkpoint_is_on_disk(make_job: MakeJob, tmp_path: Path) -> None:
    job, path, seen = make_job(), tmp_path / "running" / "0000.safetensors", []

    def report(metrics: dict[str, float], progress: Progress) -> None:
        saved = load_checkpoint(path, job)
        assert saved is not None
        assert saved.history == progress.history
        seen.append(metrics["epoch"])

    train_member(job, tmp_path / "0000", path, report)
    assert seen == [1, 2, 3, 4]


def test_killed_member_goes_on_from_its_checkpoint_and_ends_the_same(
    member: tuple[TrainingJob, Path, Card], tmp_path: Path
) -> None:
    job, folder, card = member
    again, path, epochs = tmp_path / "again", tmp_path / "running" / "again.safetensors", []

    def report(metrics: dict[str, float], progress: Progress) -> None:
        epochs.append(metrics["epoch"])
        if epochs == [1, 2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_member(job, again, path, report)
    assert not again.exists()
    resumed = train_member(job, again, path, report)
    assert epochs == [1, 2, 1, 2, 3, 4], "what was trained is told again: the driver may not have heard of it"
    assert (resumed.value, resumed.best_epoch, resumed.epochs) == (card.value, card.best_epoch, card.epochs)
    assert (again / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()


def test_damaged_checkpoint_costs_only_its_epochs(
    member: tuple[TrainingJob, Path, Card], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job, folder, _ = member
    path = tmp_path / "again.safetensors"
    path.write_bytes(b"half a checkp")
    with caplog.at_level(logging.WARNING):
        train_member(job, tmp_path / "again", path, quiet)
    assert "again.safetensors: is no readable checkpoint" in caplog.text
    assert (tmp_path / "again/weights.safetensors").read_bytes() == (
        folder / "weights.safetensors"
    ).read_bytes()


def break_weights(folder: Path) -> None:
    tensors = load_file(folder / "weights.safetensors")
    tensors["classifier.1.bias"] = tensors["classifier.1.bias"].repeat(2)
    save_file(tensors, folder / "weights.safetensors")


def alter_json(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))


def alter_config(folder: Path, **changes: Any) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))


def cut_weights(folder: Path) -> None:
    whole = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(whole[:-8])


WEIGHTS, CONFIG, CARD = (
    r"weights\.safetensors: does not fit the network of config\.yaml",
    "config.yaml",
    "card.json",
)

ALTERED = r"weights\.safetensors: must have the SHA-256 that card\.json names, .* was altered"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "weights.safetensors").unlink(), f"{WEIGHTS} .*No such file"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b""), ALTERED),
        (cut_weights, ALTERED),
        (break_weights, ALTERED),
        (lambda folder: alter_config(folder, features=9), f"{WEIGHTS} .*must have the shape"),
        (lambda folder: alter_config(folder, autoencoder=True), f"{WEIGHTS} .*is missing"),
        (lambda folder: alter_json(folder, bands=["g"]), WEIGHTS),
        (lambda folder: alter_config(folder, features=1), rf"{CONFIG}, line \d+: `features`: .*but found 1"),
        (
            lambda folder: alter_config(folder, feature=9),
            rf"{CONFIG}, line \d+: `feature`: is not a known key",
        ),
        (lambda folder: (folder / CONFIG).write_text("[1]"), f"{CONFIG}: must be YAML that maps keys"),
        (lambda folder: (folder / CONFIG).write_text("a: ["), f"{CONFIG}.*is not valid YAML"),
        (lambda folder: (folder / CONFIG).unlink(), rf"{CONFIG}: cannot be read \(No such file"),
        (lambda folder: (folder / CARD).unlink(), rf"{CARD}: cannot be read \(No such file"),
        (lambda folder: (folder / CARD).write_text("{"), f"{CARD}: .*JSON"),
        (lambda folder: alter_json(folder, family="penguin"), f"{CARD}: `family`: .*pelican.*'penguin'"),
        (lambda folder: alter_json(folder, epochs="many"), f"{CARD}: `epochs`: .*integer"),
        (lambda folder: alter_json(folder, surprise=1), f"{CARD}: `surprise`: is not a known key"),
    ],
)
def test_damaged_member_is_refused_with_the_name_of_the_file(
    member: tuple[TrainingJob, Path, Card], damage: Callable[[Path], None], message: str
) -> None:
    _, folder, _ = member
    damage(folder)
    with pytest.raises(InputError, match=message):
        open_member(folder)


def altered_split(survey: Survey, target: Path, **roles: np.ndarray) -> Survey:
    """Copy the survey with a split `odd` in which the objects marked have the role named."""
    target.mkdir()
    for file in survey.path.iterdir():
        if file.is_file():
            (target / file.name).write_bytes(file.read_bytes())
    split = open_split(survey, "half")
    role = split.role.copy()
    for name, marked in roles.items():
        role[marked] = name
    write_split(target / "splits" / "odd.parquet", survey, role, split.fold, {})
    return open_survey(target)


@pytest.mark.parametrize(
    ("moved", "to", "message"),
    [
        (("Ia", "train"), "test", "every class needs training objects, but there are none of Ia"),
        ((None, "train"), "test", "has no object to take for the train role"),
        ((None, "validation"), "test", "has no object to take for the validation role"),
    ],
)
def test_split_that_cannot_teach_is_refused(
    tiny_survey: Survey,
    make_job: MakeJob,
    tmp_path: Path,
    moved: tuple[str | None, str],
    to: str,
    message: str,
) -> None:
    kind, role = moved
    marked = open_split(tiny_survey, "half").role == role
    if kind is not None:
        marked &= (tiny_survey.objects["type"] == kind).to_numpy()
    survey = altered_split(tiny_survey, tmp_path / "s", **{to: marked})
    with pytest.raises(InputError, match=rf"split `odd` of .*: {message}"):
        train_member(make_job(survey=str(survey.path), split="odd"), tmp_path / "m", tmp_path / "c", refuse)
    assert not (tmp_path / "m").exists()


def test_member_of_a_split_without_test_objects_has_no_test_predictions(
    tiny_survey: Survey, make_job: MakeJob, tmp_path: Path
) -> None:
    marked = open_split(tiny_survey, "half").role == "test"
    survey = altered_split(tiny_survey, tmp_path / "s", unlabelled=marked)
    train_member(make_job(survey=str(survey.path), split="odd"), tmp_path / "m", tmp_path / "c", quiet)
    assert sorted(file.name for file in (tmp_path / "m").glob("predictions-*")) == [
        "predictions-validation.parquet"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"survey_checksum": "f" * 64},
            "is not the survey that the study was made for: its checksum is .*, not f{12}",
        ),
        ({"split": "third"}, r"third\.parquet: no such split; the survey's splits are: folds, half"),
        ({"split": "folds", "fold": 3}, "split folds: has folds 0 to 2, but fold 3 was asked for"),
        ({"survey": "/nowhere"}, "/nowhere"),
        ({"class_names": ("Ia", "II")}, "every type must be one of the classes Ia, II"),
        ({"family": "penguin"}, "`penguin` is no family of networks; those are .*pelican"),
    ],
)
def test_job_that_fits_no_data_is_refused(
    make_job: MakeJob, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_member(make_job(**change), tmp_path / "m", tmp_path / "c", refuse)
    assert not list(tmp_path.iterdir())


def test_full_disk_is_named_and_keeps_the_checkpoint(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    job, path = make_job(), tmp_path / "running.safetensors"
    with pytest.raises(InputError, match=r"0000: cannot be written \(No space left on device\)"):
        train_member(job, tmp_path / "0000", path, quiet)
    assert {file.name for file in tmp_path.iterdir()} == {"running.safetensors", "running.epochs.jsonl"}
    monkeypatch.undo()
    reported: list[int] = []
    card = train_member(job, tmp_path / "0000", path, lambda row, _: reported.append(row["epoch"]))
    assert reported == [1, 2, 3, 4], "what was trained is told again"
    assert card.epochs == 4


class Lossy(type(load_family("pelican"))):  # type: ignore[misc]
    """Its copies are three of each Ia and none of any other, as if those were too faint to be detected."""

    def copies(
        self, survey: Survey, configuration: Any, bands: tuple[str, ...], rows: Any, seed: int
    ) -> tuple[dict[str, torch.Tensor], np.ndarray]:
        train = rows["train"]
        source = np.repeat(train[(survey.objects["type"] == "Ia").to_numpy()[train]], 3)
        inputs = self.encode(survey, configuration, bands)
        return {name: values[torch.from_numpy(source)] for name, values in inputs.items()}, source


def test_an_ensemble_presumes_the_classes_of_what_trained_lost_copies_not_counted(
    tiny_survey: Survey, make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(configuration={"epochs": 1})
    plain = train_member(job, tmp_path / "plain", tmp_path / "c", quiet)
    monkeypatch.setattr("rookery.training.member.load_family", lambda name: Lossy())
    lossy = train_member(job, tmp_path / "lossy", tmp_path / "c", quiet)
    train = open_split(tiny_survey, "half").indices("train")
    n_ia = int((tiny_survey.objects["type"] == "Ia").to_numpy()[train].sum())
    assert plain.training_fractions == pytest.approx(
        {"Ia": n_ia / len(train), "non-Ia": 1 - n_ia / len(train)}
    )
    assert lossy.training_fractions["Ia"] == pytest.approx(4 * n_ia / (3 * n_ia + len(train)))
    found = read_predictions(tmp_path / "lossy" / "predictions-validation.parquet")
    choice = choose([CandidateMember("lossy", tmp_path / "lossy", "c", found)])
    assert presumed_fractions(choice) == pytest.approx(lossy.training_fractions)
    assert choice.class_fractions["Ia"] < 0.8 * lossy.training_fractions["Ia"]
    card = json.loads((tmp_path / "lossy" / "card.json").read_text())
    del card["training_fractions"]  # as cards were
    (tmp_path / "lossy" / "card.json").write_text(json.dumps(card))
    assert presumed_fractions(choice) == choice.class_fractions
