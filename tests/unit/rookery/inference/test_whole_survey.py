"""A folder of predictions: the same as one file, whoever dies whenever, and never complete before it is."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rookery import api
from rookery.inference import predict_whole_survey, whole_survey
from rookery.inference.partition import PartitionMaker
from rookery.surveys import Survey
from rookery.surveys._tables import TableRows
from rookery.surveys.blocks import SurveyBlocks
from rookery_ensembles import Bundle, Classes, InputError, Predictions, read_predictions
from rookery_ensembles.predictions import read_info


def assert_alike(found: Predictions, expected: Predictions) -> None:
    assert found.info == expected.info
    np.testing.assert_array_equal(found.object_id, expected.object_id)
    np.testing.assert_allclose(found.values, expected.values, rtol=2e-5, atol=1e-6)
    for name in ("truth", "out_of_domain"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
    assert set(found.columns) == set(expected.columns)
    for name, values in expected.columns.items():
        np.testing.assert_allclose(found.columns[name], values, rtol=2e-4, atol=1e-6, err_msg=name)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def dies_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the run end, as by Ctrl-C, when it begins this partition."""
    whole = PartitionMaker.__call__

    def make(self: PartitionMaker, wanted: int) -> int:
        if wanted == number:
            raise KeyboardInterrupt
        return whole(self, wanted)

    monkeypatch.setattr(PartitionMaker, "__call__", make)


@pytest.mark.parametrize("rows", [1000, 64, 7])
def test_a_folder_of_redshifts_is_the_file_in_parts(
    rows: int, redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path
) -> None:
    whole = api.predict(redshift_bundle.path, galaxies.path, tmp_path / "whole.parquet")
    made = api.predict(redshift_bundle.path, galaxies.path, tmp_path / "parts", rows=rows)
    assert made.objects == len(galaxies)
    assert len(made.files) == -(-len(galaxies) // rows)
    assert made.out_of_domain == whole.out_of_domain.sum() > 0
    assert_alike(read_predictions(tmp_path / "parts"), whole)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.parquet", "parts"}
    every = pd.read_parquet(tmp_path / "parts")  # any program reads the folder
    assert every["object_id"].tolist() == whole.object_id.tolist()


def test_a_folder_of_classes_is_the_file_in_parts(
    class_bundle: Bundle, tiny_survey: Survey, tmp_path: Path
) -> None:
    whole = api.predict(class_bundle.path, tiny_survey.path, tmp_path / "whole.parquet")
    api.predict(class_bundle.path, tiny_survey.path, tmp_path / "parts", rows=30)
    assert_alike(read_predictions(tmp_path / "parts"), whole)


@pytest.mark.parametrize("correct", [False, True])
@pytest.mark.parametrize(("days", "since", "rows"), [(0.0, "detection", 30), (-12.0, "peak", 3)])
def test_partial_light_curves_come_in_parts_too(
    days: float, since: Any, rows: int, correct: bool, class_bundle: Bundle, tiny_survey: Survey,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Before the peak some objects were not observed yet: they are in no part, and some parts have none."""
    how: dict[str, Any] = {"days": days, "since": since, "correct_priors": correct}
    whole = api.predict(class_bundle.path, tiny_survey.path, tmp_path / "whole.parquet", **how)
    made = api.predict(class_bundle.path, tiny_survey.path, tmp_path / "parts", rows=rows, **how)
    found = read_predictions(tmp_path / "parts")
    assert made.objects == len(whole.object_id)
    if since == "peak":
        assert made.objects < len(tiny_survey)
        assert len(made.files) < -(-len(tiny_survey) // rows)
    assert {entry.suffix for entry in (tmp_path / "parts").iterdir()} == {".parquet", ".json"}
    assert (found.info.days, found.info.since) == (days, since)
    if correct:
        np.testing.assert_allclose(found.values, whole.values, rtol=1e-3, atol=1e-5)
    else:
        assert_alike(found, whole)
    assert api.predict(class_bundle.path, tiny_survey.path, tmp_path / "parts", rows=rows, **how) == made
    with pytest.raises(InputError, match=f"of the days {days}, not None"):
        api.predict(
            class_bundle.path, tiny_survey.path, tmp_path / "parts", rows=rows, correct_priors=correct
        )


@pytest.mark.parametrize("correct", [False, True])
def test_a_day_on_which_nothing_was_observed_is_one_error(
    correct: bool, class_bundle: Bundle, tiny_survey: Survey, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"days": -1e4, "since": "peak", "correct_priors": correct}
    with pytest.raises(InputError, match="no object has an observation up to -10000 days since peak"):
        api.predict(class_bundle.path, tiny_survey.path, tmp_path / "parts", rows=100, **how)
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize("split", [None, "half"])
def test_priors_are_corrected_by_all_partitions_together(
    split: str | None, class_bundle: Bundle, tiny_survey: Survey, tmp_path: Path
) -> None:
    how = {"correct_priors": True, "split": split}
    whole = api.predict(class_bundle.path, tiny_survey.path, tmp_path / "whole.parquet", **how)
    api.predict(class_bundle.path, tiny_survey.path, tmp_path / "parts", rows=30, **how)
    found = read_predictions(tmp_path / "parts")
    one, other = found.info.prior_correction, whole.info.prior_correction
    assert one is not None
    assert other is not None
    assert one.n_objects == other.n_objects
    np.testing.assert_allclose(one.estimated, other.estimated, rtol=1e-4)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("correct", [False, True])
def test_a_run_that_died_keeps_its_partitions_and_ends_as_one_that_did_not(
    correct: bool,
    class_bundle: Bundle,
    tiny_survey: Survey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = class_bundle.path, tiny_survey.path
    how: dict[str, Any] = {"rows": 40, "correct_priors": correct}
    api.predict(*call, tmp_path / "straight", **how)
    for number in (2, 4):
        with monkeypatch.context() as patch:
            dies_at(patch, number)
            with pytest.raises(KeyboardInterrupt):
                api.predict(*call, tmp_path / "died", **how)
        assert not (tmp_path / "died").exists()
        kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "died.unfinished").glob("part-*.parquet")}
        assert len(kept) == number
        with pytest.raises(InputError, match="is no finished folder of predictions"):
            read_predictions(tmp_path / "died.unfinished")
    if correct:
        with monkeypatch.context() as patch:
            patch.setattr("rookery.inference.partition_priors.write_predictions", _interrupt_at_second())
            with pytest.raises(KeyboardInterrupt):
                api.predict(*call, tmp_path / "died", **how)
        assert not (tmp_path / "died").exists()
    api.predict(*call, tmp_path / "died", **how)
    assert files(tmp_path / "died") == files(tmp_path / "straight")
    if not correct:  # else all were replaced
        for path, changed in kept.items():
            assert (tmp_path / "died" / path.name).stat().st_mtime_ns == changed


def _interrupt_at_second() -> Any:
    from rookery_ensembles.predictions import write_predictions

    calls = []

    def write(predictions: Predictions, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write_predictions(predictions, path)

    return write


def test_a_finished_folder_is_returned_as_it_is(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = redshift_bundle.path, galaxies.path, tmp_path / "parts"
    api.predict(*call, rows=100)
    before = files(tmp_path / "parts")
    dies_at(monkeypatch, 0)
    assert api.predict(*call, rows=100).objects == len(galaxies)
    assert files(tmp_path / "parts") == before


def test_one_that_died_before_it_took_its_name_is_published(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = redshift_bundle.path, galaxies.path, tmp_path / "parts"
    api.predict(*call, rows=100)
    (tmp_path / "parts").rename(tmp_path / "parts.unfinished")
    dies_at(monkeypatch, 0)
    assert api.predict(*call, rows=100).path == tmp_path / "parts"


@pytest.mark.parametrize("state", ["finished", "unfinished"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 99}, "of the rows 100, not 99"),
        ({"compact": "quantiles"}, "of the compact None, not 'quantiles'"),
        ({"survey": True}, "of the survey "),
    ],
)
def test_partitions_of_something_else_are_refused(
    state: str,
    change: dict[str, Any],
    message: str,
    redshift_bundle: Bundle,
    galaxies: Survey,
    tiny_galaxies: Survey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "parts"
    if state == "finished":
        api.predict(redshift_bundle.path, galaxies.path, out, rows=100)
    else:
        with monkeypatch.context() as patch:
            dies_at(patch, 1)
            with pytest.raises(KeyboardInterrupt):
                api.predict(redshift_bundle.path, galaxies.path, out, rows=100)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    other = tiny_galaxies if change.get("survey") else galaxies
    options = {"rows": 100, "allow_missing_bands": True, **change}
    options.pop("survey", None)
    with pytest.raises(InputError, match=message):
        api.predict(redshift_bundle.path, other.path, out, **options)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == before


def test_two_processes_do_not_write_one_folder(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path
) -> None:
    from rookery_ensembles._replace import locked

    (tmp_path / "parts.unfinished").mkdir()
    with (
        locked(tmp_path / "parts.unfinished"),
        pytest.raises(InputError, match="another process is writing there"),
    ):
        api.predict(redshift_bundle.path, galaxies.path, tmp_path / "parts")


def test_compact_pdfs_are_written_in_parts_too(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path
) -> None:
    api.predict(redshift_bundle.path, galaxies.path, tmp_path / "whole.parquet", compact="bins")
    api.predict(redshift_bundle.path, galaxies.path, tmp_path / "parts", rows=128, compact="bins")
    found = read_predictions(tmp_path / "parts")
    np.testing.assert_allclose(found.values, read_predictions(tmp_path / "whole.parquet").values, atol=0.1)
    assert read_info(tmp_path / "parts").compact == "bins"


def test_a_survey_of_other_types_has_no_truth_in_any_part(
    class_bundle: Bundle, tiny_survey: Survey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One object of a strange type takes the truth of all away, in whatever block it stands."""
    blocks = SurveyBlocks(tiny_survey.path)
    blocks.info.counts["by_type"] = {"Ia": 100, "II": 100}
    strange = replace(class_bundle, target=Classes(("Ia", "Ibc")))
    assert not whole_survey._with_truth(strange, blocks)
    assert "its types are not those of the ensemble" in caplog.text
    assert whole_survey._with_truth(class_bundle, blocks)


def test_progress_tells_the_speed_and_the_time_left(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rookery.compute.progress._EVERY", 0.0)
    told = io.StringIO()
    console = Console(file=told, width=200)
    predict_whole_survey(redshift_bundle.path, galaxies.path, tmp_path / "parts", rows=100, console=console)
    lines = told.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "objects 100/300",
        "objects 200/300",
        "objects 300/300",
    ]
    assert "objects/s, about" in lines[0] or "objects/s, longer" in lines[0]


def test_what_makes_no_sense_is_one_error(redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path) -> None:
    call = redshift_bundle.path, galaxies.path
    (tmp_path / "file").write_text("x")
    for out, how, message in (
        (tmp_path / "file", {}, "must be a folder of predictions to make, but is a file"),
        (tmp_path / "parts", {"rows": 0}, "a partition must have at least 1 object, but was to have 0"),
        (tmp_path / "parts", {"days": -1.0}, "days since detection must be 0 or more, but are -1"),
        (tmp_path / "p.parquet", {"rows": 5}, "is of a folder of files"),
        (tmp_path / "parts", {"correct_priors": True}, "need class probabilities"),
    ):
        with pytest.raises(InputError, match=message):
            api.predict(*call, out, **how)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_shown(redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path) -> None:
    api.predict(redshift_bundle.path, galaxies.path, tmp_path / "parts", rows=100)
    told = api.show(str(tmp_path / "parts"))
    assert (told["kind"], told["objects"], told["files"]) == ("predictions", 300, 3)


def test_an_unfinished_folder_is_one_error_of_every_verb(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "parts"
    with monkeypatch.context() as patch:
        dies_at(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            api.predict(redshift_bundle.path, galaxies.path, parts, rows=100)
    (tmp_path / "parts.unfinished").rename(tmp_path / "left")
    for path, message in (
        (tmp_path / "left", "left: is no finished folder of predictions: it has no _predictions.json"),
        (parts, "parts: must be predictions, but does not exist yet: parts.unfinished is"),
    ):
        if path == parts:
            (tmp_path / "left").rename(tmp_path / "parts.unfinished")
        for verb in (
            lambda given=path: api.evaluate(given, galaxies.path, report=tmp_path / "report"),
            lambda given=path: api.compare(given, given, survey=galaxies.path),
            lambda given=path: api.export(given, tmp_path / "table.csv"),
            lambda given=path: api.combine([given], truth=galaxies.path, out=tmp_path / "combined"),
        ):
            with pytest.raises(InputError, match=f"/{message}"):
                verb()
    assert {entry.name for entry in tmp_path.iterdir()} == {"parts.unfinished"}


@pytest.mark.slow
def test_a_folder_is_judged_like_the_file(redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path) -> None:
    api.predict(redshift_bundle.path, galaxies.path, tmp_path / "whole.parquet")
    api.predict(redshift_bundle.path, galaxies.path, tmp_path / "parts", rows=100)
    found = [
        api.evaluate(tmp_path / name, galaxies.path, report=tmp_path / f"report-{name}", replicates=0)
        for name in ("parts", "whole.parquet")
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-4, nan_ok=True)


def test_the_survey_is_read_once_for_all_networks(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two networks, several blocks and partitions: each row comes from the disk once."""
    read: list[int] = []
    begin = TableRows._begin

    def counted(self: TableRows, group: int) -> None:
        begin(self, group)
        stream = self._stream
        assert stream is not None
        self._stream = (read.append(len(batch)) or batch for batch in stream)

    monkeypatch.setattr(TableRows, "_begin", counted)
    monkeypatch.setattr("rookery.inference.partition._LARGEST", 256)
    assert len(redshift_bundle.members) == 2
    api.predict(redshift_bundle.path, galaxies.path, tmp_path / "parts", rows=290)
    assert sum(read) == len(galaxies)


def test_a_folder_of_something_else_is_made_anew_when_asked(
    redshift_bundle: Bundle, galaxies: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = redshift_bundle.path, galaxies.path, tmp_path / "parts"
    api.predict(*call, rows=100)
    with monkeypatch.context() as patch:
        dies_at(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            api.predict(*call, rows=120, overwrite=True)
    assert api.show(tmp_path / "parts")["files"] == 3
    with pytest.raises(InputError, match="--overwrite replaces it, or give another name"):
        api.predict(*call, rows=150)
    assert api.predict(*call, rows=150, overwrite=True).rows == (150, 150)
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
