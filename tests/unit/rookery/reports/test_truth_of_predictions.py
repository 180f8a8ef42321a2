"""Predictions whose own truth contradicts the survey's are of other objects: they are not judged."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import api, cli
from rookery.reports import assess, assess_redshifts
from rookery.surveys import Survey, new_galaxy_survey, open_survey, split_survey
from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    write_predictions,
)
from rookery_ensembles.object_types import class_of_types

CLASSES = ("Ia", "non-Ia")
EDGES = tuple(np.linspace(0, 0.4, 41).tolist())


def of_classes(survey: Survey, truth: object = None) -> Predictions:
    """Coin tosses for every object, with the survey's own truth unless another is given."""
    index = class_of_types(survey.objects["type"], CLASSES)
    return Predictions(
        PredictionInfo(Classes(CLASSES), member="coin"),
        survey.objects["object_id"].to_numpy(str),
        np.array([*CLASSES, None], dtype=object)[index] if truth is None else truth,
        np.full((len(survey), 2), 0.5, np.float32),
    )


def of_redshifts(survey: Survey) -> Predictions:
    return Predictions(
        PredictionInfo(RedshiftBins(EDGES), member="flat"),
        survey.objects["object_id"].to_numpy(str),
        survey.objects["redshift"].to_numpy(),
        np.full((len(survey), len(EDGES) - 1), 2.5, np.float32),
    )


def shifted(predictions: Predictions) -> Predictions:
    """Give every object the id of the next."""
    return replace(predictions, object_id=np.roll(predictions.object_id, -1))


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    n = 1000
    z = np.random.default_rng(1).uniform(0.01, 0.39, n)
    names = [f"g{i}" for i in range(n)]
    frame = pd.DataFrame({"object_id": names, "redshift": z, "mag_r": 20 + z, "mag_err_r": 0.1})
    path = tmp_path_factory.mktemp("surveys") / "galaxies"
    with new_galaxy_survey(path, name="many", bands=("r",)) as writer:
        writer.finish(objects=frame)
    split_survey(open_survey(path), "half", train_fraction=0.5, seed=1)
    return open_survey(path)


def test_shifted_ids_are_refused_with_counts_and_examples(galaxies: Survey, tmp_path: Path) -> None:
    file = tmp_path / "net.parquet"
    write_predictions(shifted(of_redshifts(galaxies)), file)
    with pytest.raises(
        InputError, match=r"but differs for 1,000 of 1,000 objects: g1 0\.\d+ here and 0\.\d+"
    ):
        api.evaluate(file, galaxies.path, report=tmp_path / "report", replicates=0)
    assert not (tmp_path / "report").exists()


def test_every_file_to_compare_with_is_held_to_the_survey_too(galaxies: Survey, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    write_predictions(of_redshifts(galaxies), good)
    write_predictions(shifted(of_redshifts(galaxies)), bad)
    with pytest.raises(InputError, match=r"bad\.parquet: the predictions' own truth must be that of"):
        api.evaluate(good, galaxies.path, report=tmp_path / "report", against=[bad], replicates=0)


def test_every_file_of_partial_light_curves_is_held_to_the_survey_too(
    tiny_survey: Survey, tmp_path: Path
) -> None:
    whole, early = tmp_path / "whole.parquet", tmp_path / "early.parquet"
    made = of_classes(tiny_survey)
    write_predictions(made, whole)
    write_predictions(replace(shifted(made), info=replace(made.info, days=400.0, since="detection")), early)
    with pytest.raises(InputError, match=r"early\.parquet: .*own truth"):
        api.evaluate(whole, tiny_survey.path, report=tmp_path / "report", partial=[early], replicates=0)


def test_types_are_compared_as_the_classes_that_they_belong_to(tiny_survey: Survey) -> None:
    found = assess(of_classes(tiny_survey), tiny_survey).matched
    assert (found.compared, found.contradicted) == (len(tiny_survey), 0)
    with pytest.raises(InputError, match=r"Ia here and non-Ia there|non-Ia here and Ia there"):
        assess(shifted(of_classes(tiny_survey)), tiny_survey)


@pytest.mark.parametrize("changed", [1, 50])
def test_even_one_contradiction_is_refused_and_counted_when_asked_to_go_on(
    tiny_survey: Survey, changed: int
) -> None:
    made = of_classes(tiny_survey)
    assert made.truth is not None
    truth = made.truth.copy()
    truth[:changed] = [CLASSES[name == "Ia"] for name in truth[:changed]]
    with pytest.raises(InputError, match=f"differs for {changed} of 200 objects"):
        assess(replace(made, truth=truth), tiny_survey)
    found = assess(replace(made, truth=truth), tiny_survey, truth="survey")
    assert found.matched.contradicted == changed
    assert found.metrics == assess(made, tiny_survey).metrics


def test_rounded_redshifts_are_no_contradiction(galaxies: Survey) -> None:
    made = of_redshifts(galaxies)
    assert made.truth is not None
    single = made.truth.astype(np.float32).astype(float)
    for truth in (single, made.truth.round(5)):
        assert assess_redshifts(replace(made, truth=truth), galaxies).matched.contradicted == 0
    with pytest.raises(InputError, match="own truth"):
        assess_redshifts(replace(made, truth=made.truth + 1e-4), galaxies)


def test_objects_whose_truth_only_one_side_knows_are_not_compared(galaxies: Survey) -> None:
    made = of_redshifts(galaxies)
    assert made.truth is not None
    known = np.where(np.arange(len(galaxies)) < 300, made.truth, np.nan)
    assert assess_redshifts(replace(made, truth=known), galaxies).matched.compared == 300
    assert assess_redshifts(replace(made, truth=None), galaxies).matched.compared == 0


@pytest.mark.parametrize("contradict", [False, True])
def test_terminal_page_and_metrics_say_how_many_objects_matched(
    galaxies: Survey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    contradict: bool,
) -> None:
    def touch(chart: object, folder: Path, name: str) -> None:
        for suffix in ("png", "pdf"):
            (folder / f"{name}.{suffix}").touch()

    monkeypatch.setattr("rookery.reports.draw.paper.save_chart", touch)
    monkeypatch.setenv("COLUMNS", "400")
    made = of_redshifts(galaxies)
    made = shifted(made) if contradict else made
    some = Predictions(made.info, made.object_id[:900], made.truth[:900], made.values[:900])
    write_predictions(some, tmp_path / "net.parquet")
    report = tmp_path / "report"
    words = f"evaluate {tmp_path / 'net.parquet'} {galaxies.path} --split half --report {report}"
    more = "--replicates 0" + (" --truth survey" if contradict else "")
    monkeypatch.setattr(sys, "argv", ["rookery", *words.split(), *more.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    found = json.loads((report / "metrics.json").read_text())["matched"]["net"]
    assert found["in_file"] == found["compared"] == 900
    assert (found["in_survey"], found["in_role"]) == (1000, 500)
    assert found["contradicted"] == (900 if contradict else 0)
    role = f"{found['predicted']} of the 500 test objects of the split half are predicted"
    text = "CONTRADICTS the survey's for 900" if contradict else "agrees for all 900 compared"
    printed, page = capsys.readouterr().out, (report / "index.html").read_text().replace("&#39;", "'")
    for place in (printed, page):
        assert "All 900 predicted objects are among the survey's 1,000" in place
        assert role in place
        assert text in place


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("predict /no/bundle /no/survey {out}", "the name must end in .csv (csv), .fits or .fit (fits)"),
        ("baseline b16 {out} --survey /no/survey --split half", "predictions are written as Parquet"),
    ],
)
def test_a_name_of_another_format_is_refused_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, rule: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["rookery", *words.format(out=tmp_path / "OUT.xlsx").split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert f"OUT.xlsx: {rule}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
