"""Full and read-only disks: real ones (tmpfs), one clear error each, and nothing finished is lost."""

import subprocess
import sys

import numpy as np
import optuna
import pytest

from disks import fill, mount, mounted
from rookery.search.study import open_study
from rookery.surveys import open_survey, split_survey
from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.files import atomic_folder, write_text


@pytest.fixture
def disk(tmp_path):
    """An empty disk of 2 MiB."""
    with mounted(tmp_path / "disk", "2m") as folder:
        yield folder


def predictions(n):
    info = PredictionInfo(Classes(("Ia", "non-Ia")), member="m")
    ids = np.array([f"object-{i}" for i in range(n)])
    return Predictions(info, ids, None, np.full((n, 2), 0.5, np.float32))


def test_a_full_disk_leaves_the_former_file_and_no_other(disk):
    write_predictions(predictions(10), disk / "p.parquet")
    fill(disk)
    with pytest.raises(InputError, match=r"p\.parquet: cannot be written .*No space left"):
        write_predictions(predictions(100_000), disk / "p.parquet")
    assert len(read_predictions(disk / "p.parquet").object_id) == 10
    assert sorted(p.name for p in disk.iterdir()) == ["filler", "p.parquet"]


def test_a_full_disk_leaves_no_half_folder(disk):
    def write():
        with atomic_folder(disk / "report") as partial:
            (partial / "a").write_bytes(b"0" * 10_000_000)

    with pytest.raises(InputError, match=r"report: cannot be written .*No space left"):
        write()
    assert list(disk.iterdir()) == []


def test_a_read_only_disk_is_named(disk):
    mount("-o", "remount,ro", str(disk))
    with pytest.raises(InputError, match=r"note\.txt: cannot be written \(Read-only file system\)"):
        write_text(disk / "note.txt", "text")


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "supernovae", "{disk}/survey", "--n", "5"],
        ["split", "{disk}/survey", "other", "--train-fraction", "0.5"],
        [
            "search",
            "pelican",
            "--survey",
            "{survey}",
            "--split",
            "half",
            "--study",
            "{disk}/study",
            "--trials",
            "1",
        ],
    ],
    ids=lambda arguments: arguments[0],
)
def test_each_verb_says_in_one_line_that_a_disk_is_read_only(arguments, tiny_survey, tmp_path):
    with mounted(tmp_path / "disk", "20m") as disk:
        if arguments[0] == "split":
            subprocess.run(["cp", "-r", str(tiny_survey.path), str(disk / "survey")], check=True)
        mount("-o", "remount,ro", str(disk))
        words = [word.format(disk=disk, survey=tiny_survey.path) for word in arguments]
        done = subprocess.run(
            [sys.executable, "-m", "rookery", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert "Read-only file system" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.ray
def test_a_search_on_a_full_disk_stops_and_goes_on_when_there_is_room(tiny_survey, tmp_path):
    with mounted(tmp_path / "disk", "12m") as disk:
        study = disk / "study"
        command = [
            sys.executable, "-m", "rookery", "search", "pelican", "--survey", str(tiny_survey.path),
            "--split", "half", "--study", str(study), "--pruner", "none", "--set", "epochs=2",
            "--set", "days_per_column=8", "--set", "merged_blocks=2", "--concurrent", "1", "--trials",
        ]  # fmt: skip
        subprocess.run([*command, "1"], check=True, capture_output=True, timeout=200)
        fill(disk)
        full = subprocess.run([*command, "3"], capture_output=True, text=True, timeout=200, check=False)
        assert full.returncode == 2, full.stderr
        errors = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert "Traceback" not in full.stderr

        (disk / "filler").unlink()
        done = subprocess.run([*command, "3"], capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        states = [trial.state for trial in open_study(study).optuna_study().trials]
        assert states == [optuna.trial.TrialState.COMPLETE] * 3


def test_a_split_on_a_full_disk_leaves_the_survey_usable(tiny_survey, tmp_path):
    with mounted(tmp_path / "disk", "8m") as disk:
        subprocess.run(["cp", "-r", str(tiny_survey.path), str(disk / "survey")], check=True)
        fill(disk)
        survey = open_survey(disk / "survey")
        with pytest.raises(InputError, match="cannot be written"):
            split_survey(survey, "another", train_fraction=0.5)
        assert len(open_survey(disk / "survey")) == len(tiny_survey)
