"""Reports of redshift PDFs: known numbers, the paper's rows, other methods beside, one clear error each."""

import contextlib
import csv
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rookery import api, cli
from rookery.reports import assess_redshifts, evaluate_redshifts
from rookery.reports.assess.examples import RULES, choose_examples, second_peak
from rookery.reports.assess.pit import coverage_curve, pit_histogram, quantile_curve
from rookery.reports.assess.redshift_results import Results, make_results
from rookery.reports.assess.redshifts import assess_methods, method_names
from rookery.reports.assess.rows import published
from rookery.reports.assess.trends import running_trends
from rookery.reports.charts.redshifts import density_chart, errors_chart, examples_chart, pit_chart
from rookery.reports.draw.paper import paper_figure, paper_style
from rookery.reports.page.redshift_values import notices
from rookery.surveys import Survey, new_galaxy_survey, open_survey, split_survey
from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    write_predictions,
)
from rookery_ensembles.metric import REDSHIFT_METRICS
from rookery_ensembles.photoz_metrics import photoz_metrics
from rookery_ensembles.redshift_pdf import bin_centres

N, K, EDGES = 200, 60, np.linspace(0.0, 0.6, 61)
SHIFT, DEEP, WIDE, FAR = 0.02, slice(0, 50), slice(160, 200), slice(190, 200)
CENTRES = bin_centres(EDGES)
BINS = np.arange(N) % 40 + 10
# z_mean is a bin's centre, and every error is SHIFT; but ten of the widest PDFs are 0.1 off.
DZ = np.full(N, SHIFT)
DZ[FAR] = 0.1
Z_SPEC = (CENTRES[BINS] - DZ) / (1 + DZ)


def catalogue(folder: Path, **columns: Any) -> Survey:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"object_id": [f"g{i}" for i in range(N)], "redshift": Z_SPEC})
    frame["mag_r"], frame["mag_err_r"] = np.linspace(14, 18, N), 0.02
    frame["index"] = np.arange(N, dtype=float)
    frame["mwebv"], frame["stripe82"] = rng.uniform(0, 0.2, N), 0.0
    frame.loc[: DEEP.stop - 1, "stripe82"] = 1.0
    frame = frame.assign(**columns)
    with new_galaxy_survey(folder, name="tiny galaxies", bands=["r"]) as writer:
        writer.finish(objects=frame[[name for name in frame if frame[name].notna().any()]])
    return open_survey(folder)


def spikes(bins: np.ndarray) -> np.ndarray:
    """PDFs of one bin; the `WIDE` ones of that and the two at its sides."""
    pdf = np.zeros((N, K))
    pdf[np.arange(N), bins] = 1.0
    rows = np.arange(N)[WIDE]
    pdf[rows, bins[WIDE]] = 0.5
    for side in (-1, 1):
        pdf[rows, bins[WIDE] + side] = 0.25
    return (pdf / np.diff(EDGES)).astype(np.float32)


def predictions(pdf: np.ndarray, survey: Survey | None = None, **info: Any) -> Predictions:
    fields = {"target": RedshiftBins(tuple(EDGES)), "member": "0007"} | info
    described = PredictionInfo(**fields, survey=None if survey is None else survey.checksum)
    return Predictions(described, np.array([f"g{i}" for i in range(len(pdf))]), None, pdf)


def save(path: Path, pdf: np.ndarray, survey: Survey | None = None, **info: Any) -> Path:
    write_predictions(predictions(pdf, survey, **info), path)
    return path


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    made = catalogue(tmp_path_factory.mktemp("surveys") / "tiny")
    split_survey(made, "half", train_fraction=0.5, validation_fraction=0.0)
    split_survey(made, "cv", folds=4)
    return made


@pytest.fixture(scope="module")
def net(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("files") / "net.parquet", spikes(BINS), survey)


@pytest.fixture(scope="module")
def results(survey: Survey, net: Path) -> Results:
    return make_results(assess_methods([net], survey), replicates=40, seed=0)


@pytest.fixture(scope="module")
def printed(survey: Survey, net: Path) -> str:
    """What the command line says of two methods, one of which lacks ten objects.

    The pictures of its report are drawn, but not saved.
    """
    noisy = BINS + np.random.default_rng(1).integers(-2, 3, N)
    other = save(net.parent / "b16 <i>[b].parquet", spikes(noisy)[:-10], survey, member=None, bundle="b")
    words = ["--against", str(other), "--by", "index", "--bins", "mwebv=0,0.1,0.2", "--bins", "z_phot=3"]
    words += ["--replicates", "20", "--published", "pasquet2019"]
    words = [str(net), str(survey.path), "--report", str(net.parent / "report"), *words]
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text):
        patch.setattr("rookery.reports.draw.paper.save_chart", touch)
        patch.setattr(sys, "argv", ["rookery", "evaluate", *words])
        patch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert stop.value.code == 0
    return text.getvalue()


@pytest.fixture(scope="module")
def report(printed: str, net: Path) -> Path:
    return net.parent / "report"


def touch(chart: object, folder: Path, name: str) -> None:
    """Make files in place of pictures, which take seconds to draw."""
    for suffix in ("png", "pdf"):
        (folder / f"{name}.{suffix}").touch()


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rookery.reports.draw.paper.save_chart", touch)


@pytest.fixture(scope="module")
def document(report: Path) -> dict[str, Any]:
    return json.loads((report / "metrics.json").read_text())


def row(results: Results, key: str) -> Any:
    return next(found for found in results.rows if found.key == key)


def test_metrics_have_their_known_values(results: Results) -> None:
    assert results.metrics["n"] == N
    assert results.metrics["bias"] == pytest.approx(DZ.mean(), abs=1e-7)
    assert results.metrics["sigma_mad"] == pytest.approx(0.0, abs=1e-6)  # all but ten errors are equal
    assert results.metrics["eta"] == pytest.approx(100 * 10 / N)
    assert set(results.metrics) == set(photoz_metrics(spikes(BINS), EDGES, Z_SPEC, unseen=True))
    assert set(results.metrics) == {"n", *(entry.name for entry in REDSHIFT_METRICS)}


def test_widest_fifth_is_removed_by_the_width_of_the_pdf(results: Results) -> None:
    kept = row(results, "narrowest").scores
    assert kept.n == round(0.8 * N)
    assert kept.metrics["eta"].value == 0.0
    assert kept.metrics["bias"].value == pytest.approx(SHIFT, abs=1e-7)


def test_deep_field_has_rows_of_its_own_where_the_survey_knows_it(results: Results, tmp_path: Path) -> None:
    assert row(results, "stripe82").scores.n == DEEP.stop
    assert row(results, "stripe82_narrowest").scores.n == round(0.8 * DEEP.stop)
    plain = catalogue(tmp_path / "plain", stripe82=np.nan)
    methods = [assess_redshifts(predictions(spikes(BINS)), plain)]
    assert [found.key for found in make_results(methods, replicates=0, seed=0).rows] == ["all", "narrowest"]


def test_mean_median_and_mode_are_judged_each(survey: Survey) -> None:
    pdf = np.zeros((N, K), np.float32)  # mode 0.205, median 0.355, mean 0.315
    for start, part in ((20, 0.3), (35, 0.21), (36, 0.2), (37, 0.2), (38, 0.09)):
        pdf[:, start] = part / 0.01
    points = row(
        make_results([assess_redshifts(predictions(pdf), survey)], replicates=0, seed=0), "all"
    ).points
    mean = 0.3 * 0.205 + 0.21 * 0.355 + 0.2 * (0.365 + 0.375) + 0.09 * 0.385
    for point, z in (("mean", mean), ("median", 0.35 + 0.01 * 0.2 / 0.21), ("mode", 0.205)):
        expected = ((z - Z_SPEC) / (1 + Z_SPEC)).mean()
        assert points[point]["bias"].value == pytest.approx(expected, abs=1e-6)


def test_methods_are_compared_on_the_objects_that_all_of_them_have(document: dict[str, Any]) -> None:
    assert document["methods"] == ["net", "b16 <i>[b]"]
    assert {found["n"] for found in document["rows"] if found["row"] == "all"} == {N - 10}
    assert document["counts"]["left out: another method does not have them"] == 10
    assert document["metrics"]["n"] == N - 10
    assert document["metrics"]["eta"] == 0.0  # the ten that are 0.1 off are those that the other lacks


def test_ratio_of_scatters_is_known_and_drawn_in_pairs(survey: Survey) -> None:
    # Errors twice as large, object by object, are twice as scattered in every draw of the bootstrap.
    rng = np.random.default_rng(3)
    edges, n = np.linspace(0, 0.6, 601), N
    error = rng.integers(-20, 21, n)
    truth = np.searchsorted(edges, Z_SPEC) - 1
    made = []
    for name, factor in (("one", 1), ("two", 2)):
        pdf = np.zeros((n, 600), np.float32)
        pdf[np.arange(n), truth + factor * error] = 1000.0
        read = predictions(pdf, member=name, target=RedshiftBins(tuple(edges)))
        made.append(assess_redshifts(read, survey))
    one = make_results(made, replicates=60, seed=0).ratios[0]
    assert (one.key, one.method) == ("all", "two")
    low, high = one.sigma_mad.intervals[0.95]
    assert one.sigma_mad.value == pytest.approx(2.0, rel=0.02)
    assert 1.9 < low <= high < 2.1


def test_trends_are_those_of_the_objects_in_each_bin(document: dict[str, Any], survey: Survey) -> None:
    assert list(document["bins"]) == ["redshift", "z_phot", "mwebv", "mag_r", "index"]
    found = document["bins"]["mwebv"]["methods"]["net"]
    mwebv = survey.objects["mwebv"].to_numpy()[:-10]
    assert [entry["n"] for entry in found["bins"]] == [(mwebv < 0.1).sum(), (mwebv >= 0.1).sum()]
    assert found["bins"][0]["metrics"]["bias"]["value"] == pytest.approx(SHIFT, abs=1e-6)
    assert len(document["bins"]["z_phot"]["methods"]["b16 <i>[b]"]["bins"]) == 3


def test_trend_against_estimates_bins_each_method_by_its_own(survey: Survey) -> None:
    methods = [
        assess_redshifts(predictions(spikes(bins), member=name), survey)
        for name, bins in (("low", BINS), ("high", BINS + 8))
    ]
    trends = running_trends(methods, bins={"z_phot": [0.0, 0.25, 0.6]}, replicates=0, seed=0)
    found = next(trend for trend in trends if trend.name == "z_phot").methods
    assert found["low"].bins[0].n == (BINS < 25).sum()
    assert found["high"].bins[0].n == (BINS + 8 < 25).sum()


def test_coverage_and_quantiles_of_calibrated_pdfs_are_the_diagonal(tmp_path: Path) -> None:
    # The PDF is even from 0 to 0.6, and so are the redshifts.
    even = catalogue(tmp_path / "s", redshift=0.6 * (np.arange(N) + 0.5) / N)
    method = assess_redshifts(predictions(np.full((N, K), 1 / 0.6, np.float32)), even)
    coverage, quantiles, pit = (
        made({method.name: method.sample.pit}) for made in (coverage_curve, quantile_curve, pit_histogram)
    )
    for curve in (coverage, quantiles):
        np.testing.assert_allclose(curve.y["0007"], curve.x, atol=1.5 / N)
        assert (curve.low <= curve.x + 1 / N).all()
        assert (curve.high >= curve.x - 1 / N).all()
    assert pit.counts["0007"].tolist() == [pit.expected] * len(pit.counts["0007"])
    assert pit.low < pit.expected < pit.high


def test_second_peaks_have_their_known_heights() -> None:
    pdf = np.zeros((4, 30))
    pdf[0, 5] = 1.0  # one peak
    pdf[1, 5], pdf[1, 20] = 1.0, 1.0  # two, nothing between
    pdf[2, 3:12] = [1, 2, 4, 2, 1, 2, 3, 2, 1]  # two of 4 and 3 above a valley of 1
    pdf[3, 3:8] = [3, 2, 2, 4, 1]  # the second before the first
    np.testing.assert_allclose(second_peak(pdf), [0.0, 1.0, 0.5, 0.25])


def test_examples_follow_their_rules(survey: Survey) -> None:
    pdf = spikes(BINS)
    pdf[30] = 0.0
    pdf[30, 5], pdf[30, 40] = 60.0, 40.0
    found = choose_examples(assess_redshifts(predictions(pdf), survey))
    kinds = {kind: [entry.index for entry in found if entry.kind == kind] for kind in RULES}
    assert kinds["bimodal"] == [30]  # no other has two peaks
    assert set(kinds["wrong"]) < set(range(N)[FAR])
    assert kinds["widest"][0] in range(N)[WIDE]  # 30 would be, but is shown already
    assert all(index not in range(N)[WIDE] for index in kinds["easy"])
    assert len({entry.index for entry in found}) == len(found)
    assert found[0].object_id == f"g{found[0].index}"


def test_page_is_one_file_in_which_published_numbers_are_marked(report: Path) -> None:
    page = (report / "index.html").read_text()
    text = page.split("<script>")[0]
    assert text.count("published</span>") == 1 + len(published())
    assert "Pasquet et al. 2019, A&amp;A 621, A26" in text
    assert "b16 &lt;i&gt;[b]" in text
    assert "<i>" not in text
    assert "Objects that not all methods have are left out: 10 of net." in text
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    assert all((report / link).is_file() for link in links)
    figures = json.loads(page.split('id="figures">')[1].split("</script>")[0])
    assert {"density", "errors", "pit", "pit_quantiles", "coverage", "examples", "by_mwebv"} <= set(figures)
    assert all(f'id="plot-{name}"' in page for name in figures)
    assert {file.stem for file in (report / "figures").iterdir()} == set(figures)


def test_tables_say_what_the_document_says(report: Path, document: dict[str, Any]) -> None:
    def read(name: str) -> list[dict[str, str]]:
        with (report / "tables" / f"{name}.csv").open() as file:
            return list(csv.DictReader(file))

    rows = read("rows")
    assert [(found["row"], found["method"]) for found in rows] == [
        (found["row"], found["method"]) for found in document["rows"]
    ]
    assert float(rows[1]["sigma_mad_low_95"]) == document["rows"][1]["metrics"]["sigma_mad"]["95"][0]
    assert [float(found["sigma_mad"]) for found in read("published")][:2] == [0.00912, 0.00789]
    assert len(read("points")) == 3 * len(rows)
    assert len(read("by_mwebv")) == 2 * 2
    tex = (report / "tables" / "summary.tex").read_text().splitlines()
    assert tex[0] == r"\begin{tabular}{llrrrrrrr}"
    widths = {len(re.findall(r"(?<!\\)&", line)) for line in tex if line.endswith(r" \\")}
    assert widths == {8}
    assert any(r"CNN (published) & -- & 0.00010 & 0.00912" in line for line in tex)
    assert any(r"without the widest 20 \%" in line or r"widest 20 \% removed" in line for line in tex)
    markdown = (report / "tables" / "summary.md").read_text().splitlines()
    ours = [x for x in published() if x.experiment == published()[0].experiment]
    assert len(markdown) == 2 + len(rows) + len(ours) == len(tex) - 4
    assert sum(int(float(found["net"])) for found in read("pit")) == N - 10


def test_published_numbers_are_those_of_the_source(shared_data: Path) -> None:
    lines = (shared_data.parent / "reference" / "published_photoz.csv").read_text().splitlines()
    source = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    given = [(float(x["bias"]), float(x["sigma_mad"]), float(x["eta_percent"])) for x in source]
    b16 = [(float(x["b16_bias"]), float(x["b16_sigma_mad"]), float(x["b16_eta_percent"])) for x in source[:1]]
    assert [(x.bias, x.sigma_mad, x.eta) for x in published()] == given + b16


def test_figures_of_several_methods_are_drawn(survey: Survey, tmp_path: Path) -> None:
    methods = [
        assess_redshifts(predictions(spikes(BINS + shift), member=f"m{shift}"), survey) for shift in range(4)
    ]
    chosen = [entry for entry in choose_examples(methods[0]) if entry.kind in ("easy", "wrong")]
    charts = {
        "density": density_chart(methods, [""] * 4),
        "errors": errors_chart(methods),
        "pit": pit_chart(pit_histogram({one.name: one.sample.pit for one in methods})),
        "examples": examples_chart(methods, chosen),
    }
    with paper_style():
        drawn = {name: paper_figure(chart) for name, chart in charts.items()}
        for name, figure in drawn.items():
            figure.savefig(tmp_path / f"{name}.png", dpi=40)
    assert all((tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in drawn)


@pytest.mark.usefixtures("no_pictures")
def test_report_of_one_object_is_written(tmp_path: Path, survey: Survey) -> None:
    path = save(tmp_path / "p.parquet", spikes(BINS)[:1], survey, role="test")
    metrics = evaluate_redshifts(path, survey, tmp_path / "report", replicates=20)
    assert metrics["bias"] == pytest.approx(SHIFT, abs=1e-6)
    assert notices(make_results(assess_methods([path], survey), replicates=0, seed=0)) == []


def test_objects_of_unknown_redshift_are_left_out_and_counted(tmp_path: Path) -> None:
    z = Z_SPEC.copy()
    z[:5] = np.nan
    found = assess_redshifts(predictions(spikes(BINS)), catalogue(tmp_path / "s", redshift=z))
    assert (len(found), found.n_unknown) == (N - 5, 5)


def test_roles_of_splits_restrict_the_objects_and_tell_what_flatters(survey: Survey, net: Path) -> None:
    test = assess_redshifts(net, survey, split="half")
    train = assess_redshifts(net, survey, split="half", role="train")
    assert len(test) + len(train) == N
    assert test.n_outside == len(train)
    folds = assess_redshifts(net, survey, split="cv", role="train")
    assert (len(folds), folds.in_folds, train.in_folds) == (N, True, False)
    for assessment, text in (
        (train, "objects to train on"),
        (folds, "fair only if every PDF is out of fold"),
        (assess_redshifts(net, survey), "name the split"),
    ):
        assert text in notices(make_results([assessment], replicates=0, seed=0))[0]
    assert notices(make_results([test], replicates=0, seed=0)) == []
    oof = assess_redshifts(predictions(spikes(BINS), role="validation"), survey, split="cv", role="train")
    assert notices(make_results([oof], replicates=0, seed=0)) == []


def test_files_are_named_so_that_they_can_be_told_apart() -> None:
    names = method_names([Path("/x/a/p.parquet"), Path("/x/b/p.parquet"), Path("/x/b16.parquet")])
    assert names == ["a/p", "b/p", "b16"]
    assert method_names([Path("/x/p.one"), Path("/x/p.two")]) == ["/x/p.one", "/x/p.two"]


def test_command_line_prints_all_methods_and_the_asked_covariates(printed: str) -> None:
    for words in (
        "widest 20 % removed",
        "CNN (published)",
        "Stripe 82",
        "b16 <i>[b], in bins of mwebv",
        "PIT KS",
    ):
        assert words in printed
    assert "in bins of mag_r" not in printed
    assert "…" not in printed  # on 80 columns the numbers are whole


def other_survey(found: Predictions) -> Predictions:
    return replace(found, info=replace(found.info, survey="0" * 64))


def stranger(found: Predictions) -> Predictions:
    return replace(found, object_id=np.array([f"x{i}" for i in range(N)]))


def classes(found: Predictions) -> Predictions:
    info = PredictionInfo(Classes(("Ia", "II")), member="c")
    return replace(found, info=info, values=np.full((N, 2), 0.5, np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_survey, r"b\.parquet: must be of the survey .*, but was made for the checksum 000"),
        (stranger, r"b\.parquet: every object must be in the survey .*, but 200 are not, the first being"),
        (classes, r"b\.parquet: must be of the kind 'redshift_pdf' to be assessed, but is of 'class_prob"),
    ],
)
def test_predictions_that_do_not_fit_are_refused_beside_others(
    survey: Survey, net: Path, tmp_path: Path, change: Callable[[Predictions], Predictions], message: str
) -> None:
    write_predictions(change(predictions(spikes(BINS))), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=message):
        evaluate_redshifts(net, survey, tmp_path / "r", against=[tmp_path / "b.parquet"])
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": ["colour"]}, "has no number 'colour' to bin by; those are redshift, .*, z_phot"),
        ({"bins": {"mwebv": [0.3, 0.1]}}, "bins of mwebv: edges must be finite and increase, but found 0.3"),
        (
            {"split": "half", "role": "validation"},
            "has the role 'validation' .*; its objects are 100 test, 100",
        ),
        ({"role": "test"}, "the role 'test' needs a split"),
        ({"replicates": 3}, "at least 20, but are 3"),
        ({"days": [1.0], "bundle": "b"}, "holds redshift PDFs, which have no partial light curves"),
        ({"against": ["net.parquet"]}, "must be another file, but is given twice"),
    ],
)
def test_wishes_that_cannot_be_are_refused(
    survey: Survey, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any],
    message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(net.parent)
    with pytest.raises(InputError, match=message):
        api.evaluate(net, survey.path, report=tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


def test_methods_without_a_common_object_are_refused(survey: Survey, tmp_path: Path) -> None:
    first = save(tmp_path / "first.parquet", spikes(BINS)[:20], survey)
    second = predictions(spikes(BINS)[20:], survey)
    second = replace(second, object_id=np.array([f"g{i}" for i in range(20, N)]))
    write_predictions(second, tmp_path / "second.parquet")
    with pytest.raises(
        InputError, match=r"second\.parquet: must have objects .* \(first, second\), but has none"
    ):
        assess_methods([first, tmp_path / "second.parquet"], survey)


def test_other_methods_beside_class_probabilities_are_refused(net: Path, tmp_path: Path) -> None:
    write_predictions(classes(predictions(spikes(BINS))), tmp_path / "c.parquet")
    with pytest.raises(InputError, match="compared of redshift PDFs only, but these are class probabilities"):
        api.evaluate(tmp_path / "c.parquet", tmp_path, report=tmp_path / "r", against=[net])


def test_survey_without_redshifts_is_refused(tmp_path: Path) -> None:
    blind = catalogue(tmp_path / "s", redshift=np.nan)
    with pytest.raises(InputError, match="none of its 200 objects has a known redshift"):
        assess_redshifts(predictions(spikes(BINS)), blind)
