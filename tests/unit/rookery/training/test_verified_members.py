"""What an ensemble takes is what was trained, and what happens to files while a verb runs does no harm."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rookery import cli
from rookery.inference import build_ensemble, predict_partial, predict_survey
from rookery.search.ask_tell import open_ask_tell
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace
from rookery.search.study import Study
from rookery.search.trial_plan import FINISHED, TrialPlan
from rookery.search.worker import run_plan
from rookery.surveys import Survey, open_survey, simulate_supernovae, split_survey
from rookery.training.card import read_card
from rookery.training.member import train_member
from rookery_ensembles import Classes, InputError, load_bundle, read_predictions
from rookery_ensembles.files import sha256

SPACE = {
    "family": "pelican",
    "objective": {"metric": "validation_log_loss", "direction": "minimize"},
    "parameters": {
        name: {"value": value}
        for name, value in {
            "window_days": 128, "days_per_column": 8, "temporal_filters": 2, "band_filters": 8,
            "merged_blocks": 1, "merged_filters": 2, "features": 8, "epochs": 1, "batch_size": 32,
        }.items()
    } | {"learning_rate": {"type": "float", "low": 0.001, "high": 0.01}},
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(one_thread: None, tiny_survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two finished trials."""
    folder = tmp_path_factory.mktemp("study") / "study"
    study = create_or_open_study(
        folder, SearchSpace.model_validate(SPACE), tiny_survey, "half", target=Classes(("Ia", "non-Ia"))
    )
    ask_tell = open_ask_tell(study, n_trials=2)
    for key in ("a", "b"):
        sent: list[dict[str, Any]] = []
        place = {"study": str(study.path), "in_worker_group": False, "cpus": 1, "gpus": 0}
        run_plan(TrialPlan.model_validate({**ask_tell.suggest(key), **place}), sent.append)
        ask_tell.finish(key, value=sent[-1][FINISHED])
    return folder


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Study:
    from rookery.search.study import open_study

    shutil.copytree(whole, tmp_path / "study")
    return open_study(tmp_path / "study")


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_card_has_the_digests_of_the_files_of_predictions(whole: Path) -> None:
    folder = whole / "members" / "0000"
    card = read_card(folder)
    assert card.predictions == {
        name: sha256(folder / name) for name in ("predictions-validation.parquet", "predictions-test.parquet")
    }


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "predictions-validation.parquet", "predictions-test.parquet"]
)
def test_an_ensemble_takes_no_member_whose_files_are_not_those_of_its_card(
    study: Study, tmp_path: Path, name: str
) -> None:
    flip_a_bit(study.members_folder / "0001" / name)
    flip_a_bit(study.members_folder / "0000" / name)  # either may be chosen
    with pytest.raises(InputError, match=rf"000[01]/{name}: must have the SHA-256 .* was altered"):
        build_ensemble(study, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_member_whose_card_is_missing_is_named(
    study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (study.members_folder / "0001" / "card.json").unlink()
    with caplog.at_level(logging.WARNING):
        found = build_ensemble(study, tmp_path / "bundle")
    assert "1 members of complete trials have no card.json and are left out: 0001" in caplog.text
    assert list(found.choice.weights) == ["0000"]


def test_members_of_older_versions_have_no_digests_of_predictions(study: Study, tmp_path: Path) -> None:
    for name in ("0000", "0001"):
        card = study.members_folder / name / "card.json"
        digests = read_card(card.parent).predictions
        text = card.read_text()
        start, end = text.index('  "predictions"'), text.index('  "device"')
        card.write_text(text[:start] + text[end:])
        assert digests
        assert read_card(card.parent).predictions == {}
    assert build_ensemble(study, tmp_path / "bundle").bundle.members


@pytest.mark.slow
def test_two_predictions_of_one_output_at_the_same_time_leave_one_whole(
    study: Study, tiny_survey: Survey, tmp_path: Path
) -> None:
    build_ensemble(study, tmp_path / "bundle")
    out = tmp_path / "p.parquet"
    words = ["predict", str(tmp_path / "bundle"), str(tiny_survey.path), str(out)]
    command = [sys.executable, "-m", "rookery", *words]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    said = [run.communicate()[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    predict_survey(tmp_path / "bundle", tiny_survey.path, tmp_path / "alone.parquet")
    alone = read_predictions(tmp_path / "alone.parquet").values
    np.testing.assert_array_equal(read_predictions(out).values, alone)
    assert not list(tmp_path.glob(".p.parquet*"))


def test_a_survey_that_is_deleted_or_replaced_while_a_bundle_predicts_changes_nothing(
    study: Study, tiny_survey: Survey, tmp_path: Path
) -> None:
    bundle = build_ensemble(study, tmp_path / "bundle").bundle
    shutil.copytree(tiny_survey.path, tmp_path / "survey")
    opened = open_survey(tmp_path / "survey")
    (before,) = predict_partial(load_bundle(bundle.path), opened, [30.0])
    shutil.rmtree(tmp_path / "survey")
    (deleted,) = predict_partial(bundle, opened, [30.0])
    simulate_supernovae(tmp_path / "survey", n=30, seed=9)
    (replaced,) = predict_partial(bundle, opened, [30.0])
    for found in (deleted, replaced):
        np.testing.assert_array_equal(found.values, before.values)


def test_images_that_are_replaced_stay_those_that_were_opened(tiny_galaxies: Survey, tmp_path: Path) -> None:
    shutil.copytree(tiny_galaxies.path, tmp_path / "survey")
    opened = open_survey(tmp_path / "survey")
    (tmp_path / "survey" / "images.npy").unlink()
    other = np.zeros_like(tiny_galaxies.image_array())
    np.save(tmp_path / "survey" / "images.npy", other)
    np.testing.assert_array_equal(opened.image_array(), tiny_galaxies.image_array())


def test_a_survey_that_is_deleted_or_changed_while_a_search_runs_is_one_clear_error(
    make_job, tiny_survey: Survey, tmp_path: Path
) -> None:
    survey = tmp_path / "survey"
    shutil.copytree(tiny_survey.path, survey)
    job = make_job(survey=str(survey), configuration={"epochs": 1})
    shutil.rmtree(survey)
    with pytest.raises(InputError, match=r"survey: is not a survey"):
        train_member(job, tmp_path / "0000", tmp_path / "checkpoint", lambda *_: None)
    split_survey(simulate_supernovae(survey, n=60, seed=2), "half", train_fraction=0.5)
    with pytest.raises(InputError, match="is not the survey that the study was made for: its checksum is"):
        train_member(job, tmp_path / "0000", tmp_path / "checkpoint", lambda *_: None)
    shutil.rmtree(survey)
    shutil.copytree(tiny_survey.path, survey)
    train_member(job, tmp_path / "0000", tmp_path / "checkpoint", lambda *_: None)
    assert (tmp_path / "0000" / "card.json").is_file()


@pytest.mark.parametrize("name", ["two\nlines", "x" * 1000], ids=["a line break", "1,000 characters"])
@pytest.mark.parametrize(
    "words",
    [
        "split {survey} {name} --train-fraction 0.5",
        "simulate supernovae {new} --n 5",
        "ingest table {survey}/observations.parquet {new}",
        "search pelican --survey {survey} --split half --study {new} --trials 1",
        "search pelican --survey {survey} --split {name} --study {study} --trials 1",
        "ensemble {study} --out {new}",
        "ensemble {new} --out {study}-bundle",
        "predict {new} {survey} {study}-p.parquet",
        "predict {study} {survey} {new}.parquet",
        "predict {study} {new} {study}-p.parquet",
        "evaluate {study} {survey} --report {new}",
        "status {new}",
        "campaign {new} --out {study}",
        "demo {new}",
    ],
)
def test_names_that_nothing_may_have_are_one_line_whatever_the_verb(
    words: str, name: str, whole: Path, tiny_survey: Survey, tmp_path: Path, monkeypatch, capsys
) -> None:
    given = {"survey": tiny_survey.path, "study": whole, "new": tmp_path / name, "name": name}
    argv = [word.format(**given) for word in words.split(" ")]
    monkeypatch.setattr(sys, "argv", ["rookery", *argv])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    (line,) = said.splitlines()
    assert line.startswith("error: ")
    assert len(line) < 1500
    assert list(tmp_path.iterdir()) == []
