"""What a report tells beyond single numbers: intervals, classes, bins, days."""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rookery import api, cli
from rookery.inference import predict_partial
from rookery.reports import assess, evaluate
from rookery.reports.assess.class_results import details_document, make_details
from rookery.reports.assess.covariates import covariate_table
from rookery.reports.assess.curves import make_curves
from rookery.reports.assess.days import days_curve
from rookery.reports.charts.against import _is_skewed, binned_chart
from rookery.reports.charts.model import Bars, Line
from rookery.reports.draw.page import page_figure
from rookery.reports.draw.paper import save_chart
from rookery.reports.page.class_report import notices
from rookery.reports.page.csv_tables import slugs
from rookery.reports.page.folder import write_report
from rookery.surveys import Survey, object_properties, open_split
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import (
    Bundle,
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    WeightedSample,
    binned_scores,
    classification_metrics,
    load_bundle,
    read_predictions,
    write_bundle,
    write_predictions,
)
from rookery_ensembles.bundle import BundleMember
from rookery_ensembles.metric import CLASS_METRICS

METRIC_KEYS = tuple(metric.name for metric in CLASS_METRICS)
TYPES = ("Ia", "IIP", "IIL", "IIn", "Ib", "Ic")


def made_up(survey: Survey, names: tuple[str, ...], sharp: float = 2.0, **info: Any) -> Predictions:
    """Predictions that know the type as well as `sharp` says."""
    rng = np.random.default_rng(0)
    types = survey.objects["type"].to_numpy()
    truth = np.array([names.index(kind) if kind in names else len(names) - 1 for kind in types])
    logit = rng.normal(size=(len(survey), len(names))) + sharp * np.eye(len(names))[truth]
    p = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    fields = {"target": Classes(names), "member": "guess"} | info
    described = PredictionInfo(**fields, survey=survey.checksum)
    return Predictions(
        described, survey.objects["object_id"].to_numpy().astype(str), None, p.astype(np.float32)
    )


def touch(chart: object, folder: Path, name: str) -> None:
    """Make files in place of pictures, which take seconds to draw."""
    for suffix in ("png", "pdf"):
        (folder / f"{name}.{suffix}").touch()


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rookery.reports.draw.paper.save_chart", touch)


@pytest.fixture(scope="module")
def six_classes(tiny_survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of six classes with bins of its own, an empty one among them."""
    folder = tmp_path_factory.mktemp("six")
    write_predictions(made_up(tiny_survey, TYPES), folder / "p.parquet")
    bins: dict[str, Any] = {"redshift": [0.0, 0.3, 0.6, 3.0, 4.0], "peak_flux": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rookery.reports.draw.paper.save_chart", touch)
        evaluate(folder / "p.parquet", tiny_survey, folder / "report", by=["mwebv"], bins=bins, replicates=40)
    return folder / "report"


@pytest.fixture(scope="module")
def document(six_classes: Path) -> dict[str, Any]:
    return json.loads((six_classes / "metrics.json").read_text())


@pytest.fixture(scope="module")
def bundle(make_job: Callable[..., TrainingJob], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An ensemble of one small network."""
    folder = tmp_path_factory.mktemp("bundles")
    train_member(make_job(), folder / "0000", folder / "checkpoint", lambda *_: None)
    members = [BundleMember("0000", folder / "0000", 1.0)]
    write_bundle(folder / "b", members=members, target=Classes(("Ia", "non-Ia")), scores={}, provenance={})
    return load_bundle(folder / "b")


def test_document_has_an_interval_for_every_metric(document: dict[str, Any]) -> None:
    assert document["bootstrap"] == {"over": "objects", "replicates": 40, "seed": 0, "levels": [0.68, 0.95]}
    assert tuple(document["intervals"]) == METRIC_KEYS
    for key, ends in document["intervals"].items():
        assert ends["95"][0] <= ends["68"][0] <= document["metrics"][key] <= ends["68"][1] <= ends["95"][1]


def test_document_scores_every_class(document: dict[str, Any], tiny_survey: Survey) -> None:
    per_class, confusion = document["per_class"], np.array(document["confusion"])
    assert tuple(per_class) == TYPES
    counts = tiny_survey.objects["type"].value_counts()
    assert {name: found["n"] for name, found in per_class.items()} == counts.to_dict()
    np.testing.assert_array_equal(
        [found["n_predicted"] for found in per_class.values()], confusion.sum(axis=0)
    )
    assert per_class["Ia"]["recall"]["value"] == pytest.approx(confusion[0, 0] / confusion[0].sum())


def test_document_has_the_metrics_of_the_objects_in_each_bin(
    document: dict[str, Any], tiny_survey: Survey
) -> None:
    assert list(document["bins"]) == ["redshift", "peak_snr", "n_observations", "mwebv", "peak_flux"]
    redshift = tiny_survey.objects["redshift"].to_numpy()
    found = document["bins"]["redshift"]
    assert found["edges"] == [0.0, 0.3, 0.6, 3.0, 4.0]
    assert found["bins"][-1] | {"median": None} == found["bins"][-1]
    assert found["bins"][-1]["n"] == 0
    assert found["bins"][-1]["metrics"] is None
    inside = (redshift >= 0.3) & (redshift < 0.6)
    p = made_up(tiny_survey, TYPES).values[inside]
    expected = classification_metrics(TYPES, tiny_survey.objects["type"][inside].to_list(), p)
    assert found["bins"][1]["n"] == inside.sum()
    for key in METRIC_KEYS:
        assert found["bins"][1]["metrics"][key]["value"] == pytest.approx(expected[key], abs=1e-6)
    assert [entry["n"] for entry in document["bins"]["peak_flux"]["bins"]] == [100, 100]


def test_tables_say_what_the_document_says(six_classes: Path, document: dict[str, Any]) -> None:
    with (six_classes / "tables" / "by_redshift.csv").open() as file:
        rows = list(csv.DictReader(file))
    bins = document["bins"]["redshift"]["bins"]
    assert [int(row["n"]) for row in rows] == [entry["n"] for entry in bins]
    assert float(rows[1]["accuracy"]) == bins[1]["metrics"]["accuracy"]["value"]
    assert float(rows[1]["auc_low_68"]) == bins[1]["metrics"]["auc"]["68"][0]
    assert rows[-1]["accuracy"] == ""
    names = {file.stem for file in (six_classes / "tables").iterdir()}
    assert names >= {"metrics", "per_class", "purity_efficiency", "by_peak_snr", "by_mwebv"}
    assert "days" not in names


def test_page_shows_a_curve_per_class_and_a_figure_per_covariate(six_classes: Path) -> None:
    page = (six_classes / "index.html").read_text()
    figures = json.loads(page.split('id="figures">')[1].split("</script>")[0])
    assert [trace["name"].split()[0] for trace in figures["roc"]["data"][1:]] == list(TYPES)
    assert {"by_redshift", "by_peak_snr", "by_n_observations", "by_mwebv", "purity_efficiency"} <= set(
        figures
    )
    assert all(f'id="plot-{name}"' in page for name in figures)
    pictures = {file.name for file in (six_classes / "figures").iterdir()}
    assert {"by_redshift.png", "by_redshift.pdf", "purity_efficiency.png"} <= pictures
    assert "Ia against IIP, IIL, IIn, Ib and Ic" in page
    assert "1 empty and not drawn" in page


def test_an_earlier_report_with_tables_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("by_mwebv", "by_redshift"):
        write_report(tmp_path / "r", "page", {}, {}, {f"{name}.csv": "n\n1\n"})
    assert [file.name for file in (tmp_path / "r" / "tables").iterdir()] == ["by_redshift.csv"]


def test_without_replicates_there_are_no_intervals(tiny_survey: Survey) -> None:
    assessment = assess(made_up(tiny_survey, ("Ia", "non-Ia")), tiny_survey)
    details = make_details(assessment, replicates=0, seed=0)
    document = details_document(details, make_curves(assessment), assessment.class_names)
    assert document["intervals"] == {key: {} for key in METRIC_KEYS}
    assert document["bootstrap"]["levels"] == []


def test_covariates_are_every_number_that_a_survey_knows(tiny_survey: Survey) -> None:
    table = covariate_table(tiny_survey)
    assert {"redshift", "mwebv", "host_photo_z", "peak_snr", "duration", "sim_peak_mjd"} <= set(table)
    np.testing.assert_array_equal(table["peak_snr"], object_properties(tiny_survey)["peak_snr"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": ["colour"]}, "has no number 'colour' to bin by; those are redshift, "),
        (
            {"bins": {"redshift": [1.0, 0.5]}},
            "bins of redshift: edges must be finite and increase, but found 1, 0.5",
        ),
        ({"bins": {"mwebv": 0}}, "bins of mwebv: there must be at least 1, but there are 0"),
        ({"replicates": 3}, "at least 20, but are 3"),
    ],
)
def test_details_that_cannot_be_are_refused(
    tiny_survey: Survey, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    write_predictions(made_up(tiny_survey, ("Ia", "non-Ia")), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=message):
        evaluate(tmp_path / "p.parquet", tiny_survey, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


@pytest.mark.usefixtures("no_pictures")
def test_an_ensemble_is_judged_on_partial_light_curves(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, survey, report = tmp_path / "all.parquet", tiny_survey.path, tmp_path / "report"
    api.predict(bundle.path, survey, whole)
    words = f"evaluate {whole} {survey} --split half --report {report} --bundle {bundle.path}"
    more = "--days=-15,0,400 --since peak --replicates 20 --bins redshift=2"
    monkeypatch.setattr(sys, "argv", ["rookery", *words.split(), *more.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    document = json.loads((report / "metrics.json").read_text())
    assert "sim_peak_mjd" in document["days"]["reference"]
    points = document["days"]["points"]
    assert [point["days"] for point in points] == [-15.0, 0.0, 400.0]
    n = len(open_split(tiny_survey, "half").indices("test"))
    assert [point["n"] + point["n_without_observation"] for point in points] == [n] * 3
    assert points[0]["n"] < points[2]["n"] == n
    assert points[0]["median_observations"] < points[1]["median_observations"]
    for key in METRIC_KEYS:  # 400 days after peak every light curve is whole
        assert points[2]["metrics"][key]["value"] == pytest.approx(document["metrics"][key], abs=1e-6)
    assert (report / "tables" / "days.csv").is_file()


def test_files_of_partial_predictions_say_so_and_make_the_same_curve(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path
) -> None:
    whole, early = tmp_path / "all.parquet", tmp_path / "early.parquet"
    api.predict(bundle.path, tiny_survey.path, whole)
    api.predict(bundle.path, tiny_survey.path, early, days=3)
    info = read_predictions(early).info
    assert (info.days, info.since) == (3.0, "detection")
    assert read_predictions(whole).info == replace(info, days=None, since=None)
    assessment = assess(whole, tiny_survey, split="half")
    made = predict_partial(bundle, tiny_survey, [3], rows=assessment.row)
    from_file, from_bundle = (
        days_curve(assessment, partial, replicates=20, seed=0) for partial in ([early], made)
    )
    assert from_file == from_bundle
    assert from_file is not None
    assert "first observation with a signal-to-noise ratio of 5" in from_file.reference
    assert "The light curves were cut 3 days after detection" in notices(assess(early, tiny_survey))[0]


def test_partial_predictions_that_make_no_curve_are_refused(tiny_survey: Survey, tmp_path: Path) -> None:
    names = ("Ia", "non-Ia")
    write_predictions(made_up(tiny_survey, names), tmp_path / "whole.parquet")
    day = made_up(tiny_survey, names, days=1.0, since="detection")
    other = replace(day, info=replace(day.info, member="other"))
    peak = replace(day, info=replace(day.info, days=2.0, since="peak"))
    for partial, message in (
        ([made_up(tiny_survey, names)], "must be of partial light curves"),
        ([other], r"made those of whole light curves \(maker guess\), but has other"),
        ([day, day], "one prediction for each day, but 1 is that of"),
        ([day, peak], "must count from one date, but count from detection and peak"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate(tmp_path / "whole.parquet", tiny_survey, tmp_path / "r", partial=partial, replicates=0)
    with pytest.raises(InputError, match="needs both a bundle and days"):
        api.evaluate(tmp_path / "whole.parquet", tiny_survey.path, report=tmp_path / "r", days=[1])


def test_partial_predictions_are_refused_where_nothing_was_observed(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no object has an observation up to -5000 days since peak"):
        api.predict(bundle.path, tiny_survey.path, tmp_path / "p.parquet", days=-5000, since="peak")
    with pytest.raises(InputError, match="days since detection must be 0 or more, but are -1"):
        api.predict(bundle.path, tiny_survey.path, tmp_path / "p.parquet", days=-1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"days": 1.0}, "`days` and `since` must be given together"),
        ({"days": 1.0, "since": "monday"}, "`since` must be one of detection, peak, but found 'monday'"),
        ({"days": float("inf"), "since": "peak"}, "`days` must be finite, but found inf"),
    ],
)
def test_predictions_of_no_sensible_day_are_refused(
    tiny_survey: Survey, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        PredictionInfo(Classes(("Ia", "non-Ia")), member="m", **changes).check("p")
    assert assess(made_up(tiny_survey, ("Ia", "non-Ia")), tiny_survey).info.days is None


def test_stacked_panels_are_drawn_with_gaps_where_metrics_are_undefined(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values, truth = np.repeat([1.0, 5.0, 20.0, 90.0], 30), rng.integers(0, 2, 120)
    truth[30:60] = 0  # a bin of one class has no AUC
    score = rng.uniform(size=120)
    p = np.column_stack([score, 1 - score])
    edges = [0.5, 2, 10, 40, 60, 300]
    sample = WeightedSample(("Ia", "non-Ia"), truth, p)
    binned = binned_scores("peak_snr", values, edges, sample, replicates=20)
    chart = binned_chart(binned, "Ia")
    auc = chart.panels[0].marks[1]
    assert isinstance(auc, Line)
    assert np.isnan(auc.y).tolist() == [False, True, False, False]
    assert chart.panels[0].x.log
    drawn = page_figure(chart).data
    counts = [mark for mark in chart.panels[-1].marks if isinstance(mark, Bars)]
    assert [mark.high[-1] for mark in counts] == [truth[90:].tolist().count(0), 30]
    around = drawn.index(next(trace for trace in drawn if trace.name == "AUC"))
    assert [len(band.x) for band in drawn[around - 2 : around]] == [2, 4]
    save_chart(chart, tmp_path, "by")
    assert (tmp_path / "by.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "by.pdf").read_bytes().startswith(b"%PDF")


def test_names_of_covariates_make_different_file_names() -> None:
    assert slugs(["z", "a/b", "a b", "é"]) == {"z": "z", "a/b": "a_b", "a b": "a_b_2", "é": "_"}


def test_axes_are_logarithmic_where_values_crowd_at_the_low_end() -> None:
    assert _is_skewed(np.array([5, 8, 12, 30, 200.0]))
    assert not _is_skewed(np.array([0.0, 8, 12, 30, 200]))
    assert not _is_skewed(np.linspace(0.1, 1.5, 8))
