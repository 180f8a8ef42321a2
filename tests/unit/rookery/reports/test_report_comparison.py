import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rookery.reports import Assessment, assess, comparison_html, comparison_table, write_comparison
from rookery.reports.assess.curves import _thin, _wilson, make_curves
from rookery.reports.charts.classes import precision_limit, roc_limit
from rookery.reports.page.comparison import lost_to_average
from rookery.surveys.store import Survey, write_survey
from rookery_ensembles import Classes
from rookery_ensembles.errors import InputError
from rookery_ensembles.metric import CLASS_METRICS, METRICS
from rookery_ensembles.metrics import classification_metrics
from rookery_ensembles.predictions import PredictionInfo, Predictions

GOOD = dict.fromkeys(Classes.compared, 0.9) | {"log_loss": 0.1, "brier": 0.02, "ece": 0.01}
POOR = dict.fromkeys(Classes.compared, 0.8) | {"log_loss": 0.4, "brier": 0.11, "ece": float("nan")}


def make_survey(folder: Path, n: int = 40) -> Survey:
    ids = [f"o{i}" for i in range(n)]
    return write_survey(
        folder,
        name="tiny",
        bands=["g"],
        objects=pd.DataFrame(
            {
                "object_id": ids,
                "type": ["Ia" if i % 2 else "II" for i in range(n)],
                "redshift": [0.1 + i / n for i in range(n)],
            }
        ),
        observations=pd.DataFrame(
            {"object_id": ids, "mjd": 1.0, "band": "g", "flux": float(n), "flux_err": 1.0}
        ),
    )


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return make_survey(tmp_path_factory.mktemp("surveys") / "tiny")


def assessment(survey: Survey, name: str, noise: float, n: int = 40, **options: str) -> Assessment:
    rng = np.random.default_rng(0)
    logit = np.where(np.arange(n) % 2, 2.0, -2.0) + noise * rng.normal(size=n)
    score = (1 / (1 + np.exp(-logit))).astype(np.float32)
    info = PredictionInfo(Classes(("Ia", "non-Ia")), member=name)
    values = np.column_stack([score, 1 - score])
    predictions = Predictions(info, np.array([f"o{i}" for i in range(n)]), None, values)
    return assess(predictions, survey, name=name, **options)


def rendered(rows: list[tuple[str, dict[str, float]]]) -> str:
    stream = io.StringIO()
    Console(width=140, file=stream).print(comparison_table(rows))
    return stream.getvalue()


def test_terminal_table_has_a_row_per_method_and_dashes_for_the_undefined() -> None:
    text = rendered([("good", GOOD), ("[b]poor[/b]", POOR)])
    assert all(word in text for word in ("Accuracy", "Log-loss", ".98 ↑"))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "[b]poor[/b]" in text
    assert "–" in next(line for line in text.splitlines() if "poor" in line)


def test_html_table_marks_the_best_of_each_column_whichever_way_is_better() -> None:
    good, poor = comparison_html([("good", GOOD), ("poor", POOR)]).split("<tr>")[2:]
    assert good.count("number best") == len(Classes.compared)
    assert poor.count("number best") == 0


def test_values_that_look_equal_are_equally_best() -> None:
    rows = comparison_html([("one", GOOD), ("two", GOOD | {"auc": 0.90001})]).split("<tr>")[2:]
    assert [row.count("number best") for row in rows] == [len(Classes.compared)] * 2


def test_single_method_is_not_called_the_best() -> None:
    assert "number best" not in comparison_html([("one", GOOD)])


def test_every_metric_that_is_computed_is_named_and_explained() -> None:
    computed = classification_metrics(("Ia", "non-Ia"), ["Ia", "non-Ia"], np.eye(2))
    assert {entry.name for entry in CLASS_METRICS} == set(computed) - {"n"}
    assert all(METRICS[key].meaning.endswith(".") for key in Classes.compared)


@pytest.mark.slow
def test_comparison_page_overlays_all_methods(survey: Survey, tmp_path: Path) -> None:
    methods = [assessment(survey, "member", 3.0), assessment(survey, "ensemble", 1.0)]
    page = write_comparison(tmp_path / "report", methods, title="Demo", notes=["Look <here>"])
    text = page.read_text()
    figures = json.loads(text.split('id="figures">')[1].split("</script>")[0])
    for name in ("roc", "precision_recall", "reliability", "by_redshift"):
        legend = [trace.get("name", "") for trace in figures[name]["data"]]
        assert all(any(entry.startswith(method.name) for entry in legend) for method in methods)
        assert (tmp_path / "report" / "figures" / f"{name}.pdf").is_file()
    assert "Look &lt;here&gt;" in text
    assert "simulated data" not in text
    document = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert [row["name"] for row in document["methods"]] == ["member", "ensemble"]
    assert document["methods"][1]["metrics"]["log_loss"] < document["methods"][0]["metrics"]["log_loss"]


def test_methods_that_cannot_be_compared_are_refused(survey: Survey, tmp_path: Path) -> None:
    first = assessment(survey, "first", 1.0)
    others = [
        (
            assessment(survey, "second", 1.0, positive="non-Ia"),
            "one positive class, but 'first' and 'second' have Ia",
        ),
        (
            assessment(survey, "second", 1.0, n=38),
            r"of the same objects, but .* differ \(40 and 38 objects\)",
        ),
        (
            assessment(make_survey(tmp_path / "other", 44), "second", 1.0),
            "of one survey, but 'first' and 'second'",
        ),
    ]
    for other, message in others:
        with pytest.raises(InputError, match=message):
            write_comparison(tmp_path / "report", [first, other])
    with pytest.raises(InputError, match="at least one assessment"):
        write_comparison(tmp_path / "report", [])
    assert not (tmp_path / "report").exists()


def test_plots_are_framed_where_methods_differ(survey: Survey) -> None:
    poor, good = (make_curves(assessment(survey, "x", noise)) for noise in (30.0, 0.1))
    assert roc_limit([poor]) == 1.0
    assert roc_limit([good, good]) == 0.05
    assert roc_limit([poor, good]) == 1.0
    assert precision_limit([good]) == pytest.approx(0.88)


def test_wilson_interval_of_one_standard_deviation() -> None:
    low, high = _wilson(np.array([0.0, 0.5]), np.array([1, 1]))
    np.testing.assert_allclose(low, [0.0, 0.5 - np.sqrt(0.125)], atol=1e-12)
    np.testing.assert_allclose(high, [0.5, 0.5 + np.sqrt(0.125)])


def test_long_curves_keep_their_ends_and_their_shape() -> None:
    x = np.linspace(0, 1, 100_001)
    thin_x, thin_y, threshold = _thin(x, x**2, 1 - x)
    assert len(thin_x) <= 1500
    assert (thin_x[0], thin_x[-1]) == (0.0, 1.0)
    np.testing.assert_array_equal(thin_y, thin_x**2)
    np.testing.assert_array_equal(threshold, 1 - thin_x)
    assert np.diff(thin_x).max() < 0.005


@settings(max_examples=25)
@given(noise=st.floats(0, 10))
def test_histograms_and_confusion_count_every_object_once(survey: Survey, noise: float) -> None:
    curves = make_curves(assessment(survey, "x", noise))
    assert curves.histogram.sum() == curves.confusion.sum() == curves.reliability.count.sum() == 40
    np.testing.assert_array_equal(curves.histogram.sum(axis=1), curves.confusion.sum(axis=1))
    np.testing.assert_allclose(curves.row_fractions.sum(axis=1), 1.0)
    assert (curves.reliability.low <= curves.reliability.frequency).all()
    assert (curves.reliability.high >= curves.reliability.frequency).all()


def test_an_ensemble_that_lost_to_the_plain_average_is_said_to_have_lost() -> None:
    lost = lost_to_average({**GOOD, "log_loss": 0.2311}, {**GOOD, "log_loss": 0.2289})
    assert lost is not None
    assert "worse than the plain average of all networks" in lost
    assert "Log-loss 0.2311 against 0.2289; lower is better" in lost
    assert lost_to_average({**GOOD, "log_loss": 0.2289}, {**GOOD, "log_loss": 0.2311}) is None
    assert lost_to_average(GOOD, GOOD) is None
    redshifts = lost_to_average({"crps": 0.02, "log_loss": 3.0}, {"crps": 0.01, "log_loss": 4.0})
    assert redshifts is not None
    assert "CRPS" in redshifts
