import io
import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rookery.reports import assess, evaluate, print_report
from rookery.surveys.splits import split_survey
from rookery.surveys.store import Survey, write_survey
from rookery_ensembles import Classes, RedshiftBins
from rookery_ensembles.errors import InputError
from rookery_ensembles.predictions import PredictionInfo, Predictions, write_predictions

TYPES = ["Ia", "Ia", "II", "II", "II", "Ibc", None]
# Of the six typed objects every Ia but one is above every other: 0.9 Ia, 0.3 Ia; 0.4 II alone is in between.
SCORES = [0.9, 0.3, 0.4, 0.1, 0.1, 0.2, 0.8]


def make_survey(folder: Path, types: list[str | None], provenance: dict | None = None) -> Survey:
    ids = [f"o{i}" for i in range(len(types))]
    observations = pd.DataFrame({"object_id": ids, "mjd": 100.0, "band": "g", "flux": 1.0, "flux_err": 1.0})
    observations["flux"] += len(types)
    return write_survey(
        folder,
        name="tiny survey",
        bands=["g"],
        objects=pd.DataFrame({"object_id": ids, "type": types}),
        observations=observations,
        provenance=provenance or {},
    )


def predict(survey: Survey | None, scores: list[float], **info: object) -> Predictions:
    fields = {"target": Classes(("Ia", "non-Ia")), "member": "0003"} | info
    positive = np.array(scores, dtype=np.float32)
    return Predictions(
        info=PredictionInfo(**fields, survey=None if survey is None else survey.checksum),
        object_id=np.array([f"o{i}" for i in range(len(scores))]),
        truth=None,
        values=np.column_stack([positive, 1 - positive]),
    )


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return make_survey(tmp_path_factory.mktemp("surveys") / "tiny", TYPES, {"simulator": "by hand"})


@pytest.fixture
def predictions(survey: Survey, tmp_path: Path) -> Path:
    write_predictions(predict(survey, SCORES), tmp_path / "predictions.parquet")
    return tmp_path / "predictions.parquet"


@pytest.fixture(scope="module")
def report(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """A report of predictions whose member's name tries to be markup."""
    folder = tmp_path_factory.mktemp("reports")
    write_predictions(predict(survey, SCORES, member="</script><b>x"), folder / "p.parquet")
    metrics = evaluate(folder / "p.parquet", survey, folder / "report")
    return folder / "report", metrics


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in place of pictures, which take two seconds to draw; `report` has real ones."""

    def touch(chart: object, folder: Path, name: str) -> None:
        for suffix in ("png", "pdf"):
            (folder / f"{name}.{suffix}").touch()

    monkeypatch.setattr("rookery.reports.draw.paper.save_chart", touch)


class Links(HTMLParser):
    """Collects the tags of a page and everything that it points to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]


def test_metrics_have_their_known_values(report: tuple[Path, dict[str, float]]) -> None:
    _, metrics = report
    assert metrics["n"] == 6
    assert metrics["accuracy"] == pytest.approx(5 / 6)
    # Of 2 x 4 pairs of an Ia and another, one is in the wrong order.
    assert metrics["auc"] == pytest.approx(7 / 8)
    assert metrics["recall_at_precision_0.95"] == pytest.approx(0.5)
    p_true = np.array([0.9, 0.3, 0.6, 0.9, 0.9, 0.8])
    assert metrics["log_loss"] == pytest.approx(-np.log(p_true).mean(), rel=1e-6)


def test_document_holds_metrics_counts_and_provenance(
    report: tuple[Path, dict[str, float]], survey: Survey
) -> None:
    folder, metrics = report
    document = json.loads((folder / "metrics.json").read_text())
    assert document["metrics"] == metrics
    assert document["confusion"] == [[1, 1], [0, 4]]
    assert document["counts"]["of true class Ia"] == 2
    assert document["counts"]["left out: type unknown"] == 1
    assert document["simulated"] is True
    assert document["provenance"]["survey"]["checksum"] == survey.checksum
    assert document["provenance"]["predictions"]["member"] == "</script><b>x"


def test_page_is_one_file_that_needs_no_network(report: tuple[Path, dict[str, float]]) -> None:
    folder, _ = report
    page = (folder / "index.html").read_text()
    links = Links()
    links.feed(page)
    assert page.count("plotly.js v") == 1
    assert links.targets
    assert all((folder / target).is_file() for target in links.targets)


def test_names_are_text_and_never_markup(report: tuple[Path, dict[str, float]]) -> None:
    page = (report[0] / "index.html").read_text()
    links = Links()
    links.feed(page)
    assert links.tags.count("script") == 3
    assert "<b>x" not in page.replace("<\\/script><b>x", "")
    assert "&lt;/script&gt;&lt;b&gt;x" in page


def test_figures_are_png_and_pdf(report: tuple[Path, dict[str, float]]) -> None:
    figures = report[0] / "figures"
    names = {"roc", "precision_recall", "purity_efficiency", "reliability", "histogram", "confusion"}
    assert {file.stem for file in figures.iterdir()} == names
    assert all((figures / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert all((figures / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in names)


def test_page_says_whether_the_data_are_simulated(report: tuple[Path, dict[str, float]]) -> None:
    page = (report[0] / "index.html").read_text()
    assert ">simulated data</span>" in page
    assert "Metrics, on simulated data" in page


@pytest.mark.parametrize(
    ("provenance", "simulated"),
    [({}, False), ({"simulator": "x"}, True), ({"simulated": False}, False), ({"simulated": True}, True)],
)
def test_provenance_of_a_survey_tells_whether_it_is_simulated(
    tmp_path: Path, provenance: dict, simulated: bool
) -> None:
    survey = make_survey(tmp_path / "s", ["Ia", "II"], provenance)
    assert assess(predict(survey, [0.9, 0.1]), survey).simulated is simulated


def test_truth_that_only_a_simulation_has_tells_that_it_is_one(tmp_path: Path) -> None:
    survey = write_survey(
        tmp_path / "s",
        name="s",
        bands=["g"],
        objects=pd.DataFrame({"object_id": ["o0"], "type": ["Ia"]}),
        observations=pd.DataFrame(
            {"object_id": ["o0"], "mjd": [1.0], "band": ["g"], "flux": [1.0], "flux_err": [1.0]}
        ),
        truth=pd.DataFrame({"object_id": ["o0"], "sim_peakmjd": [1.0]}),
    )
    assert assess(predict(survey, [0.9]), survey).simulated


@pytest.mark.usefixtures("no_pictures")
def test_earlier_report_is_replaced(predictions: Path, survey: Survey, tmp_path: Path) -> None:
    evaluate(predictions, survey, tmp_path / "report")
    write_predictions(predict(survey, [0.5] * 7), predictions)
    evaluate(predictions, survey.path, tmp_path / "report")
    document = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert document["metrics"]["auc"] == 0.5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.parquet", "report"]


def test_folder_with_other_files_is_refused_before_any_work(survey: Survey, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"only an earlier report may be replaced, but this folder holds notes\.txt"
    ):
        evaluate(tmp_path / "absent.parquet", survey, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_earlier_report_with_a_file_of_its_reader_is_refused(
    predictions: Path, survey: Survey, tmp_path: Path
) -> None:
    (tmp_path / "report").mkdir()
    listed = {"format": "rookery-report", "files": ["index.html", "metrics.json"]}
    (tmp_path / "report" / "metrics.json").write_text(json.dumps(listed))
    (tmp_path / "report" / "my_notes.md").write_text("mine")
    with pytest.raises(InputError, match=r"holds my_notes\.md"):
        evaluate(predictions, survey, tmp_path / "report")


def test_file_in_place_of_the_folder_is_refused(predictions: Path, survey: Survey) -> None:
    with pytest.raises(InputError, match="must be a folder to write a report to, but is a file"):
        evaluate(predictions, survey, predictions)


def test_failure_leaves_the_earlier_report_as_it_was(
    predictions: Path, survey: Survey, tmp_path: Path
) -> None:
    target = tmp_path / "report"
    target.mkdir()
    (target / "metrics.json").write_text(json.dumps({"format": "rookery-report", "files": ["metrics.json"]}))
    with pytest.raises(InputError, match="`positive` must be one of its classes Ia, non-Ia, but is 'II'"):
        evaluate(predictions, survey, target, positive="II")
    assert [file.name for file in target.iterdir()] == ["metrics.json"]


@pytest.mark.usefixtures("no_pictures")
def test_matplotlib_settings_of_the_process_are_left_alone(
    survey: Survey, predictions: Path, tmp_path: Path
) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    evaluate(predictions, survey, tmp_path / "report")
    assert dict(matplotlib.rcParams) == before


def test_role_of_a_split_restricts_the_objects(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", ["Ia", "II"] * 10)
    split_survey(survey, "half", train_fraction=0.5, validation_fraction=0.0, seed=0)
    predictions = predict(survey, [0.9, 0.2] * 9)
    test = assess(predictions, survey, split="half")
    train = assess(predictions, survey, split="half", role="train")
    assert len(test.row) + len(train.row) == 18
    assert test.n_outside == len(train.row)
    assert test.n_missing + train.n_missing == 2
    assert test.restriction == "test objects of the split half"
    assert not set(test.row) & set(train.row)


@pytest.mark.usefixtures("no_pictures")
def test_missing_predictions_are_told_on_the_page(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", ["Ia", "II"] * 10)
    split_survey(survey, "all", train_fraction=1.0, validation_fraction=0.0)
    write_predictions(predict(survey, [0.9, 0.2] * 9), tmp_path / "p.parquet")
    evaluate(tmp_path / "p.parquet", survey, tmp_path / "report", split="all", role="train")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "2 train objects of the split all have no prediction and are not counted." in page


def other_survey(predictions: Predictions) -> Predictions:
    return replace(predictions, info=replace(predictions.info, survey="0" * 64))


def stranger(predictions: Predictions) -> Predictions:
    return replace(predictions, object_id=np.array([f"x{i}" for i in range(7)]))


def redshifts(predictions: Predictions) -> Predictions:
    info = PredictionInfo(RedshiftBins((0.0, 0.5, 1.0)), member="z")
    return replace(predictions, info=info)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_survey, "0003: must be of the survey .*, but was made for the checksum 000"),
        (
            stranger,
            r"0003: every object must be in the survey .*, but 7 are not, the first being 'x0.*' in row 0",
        ),
        (redshifts, "z: must be of the kind 'class_probability' to be assessed, but is of 'redshift_pdf'"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(
    survey: Survey, change: Callable[[Predictions], Predictions], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        assess(change(predict(survey, SCORES)), survey)


def test_objects_without_any_known_type_are_refused(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", [None, None])
    with pytest.raises(InputError, match="none of its 2 objects has a known type"):
        assess(predict(survey, [0.9, 0.1]), survey)


def test_role_without_a_split_is_refused(survey: Survey) -> None:
    with pytest.raises(InputError, match="the role 'test' needs a split"):
        assess(predict(survey, SCORES), survey, role="test")


def test_role_that_no_predicted_object_has_is_refused(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", ["Ia", "II"] * 2)
    split_survey(survey, "all", train_fraction=1.0, validation_fraction=0.0)
    with pytest.raises(InputError, match="none of its 4 objects has the role 'test' in the split 'all'"):
        assess(predict(survey, [0.9, 0.1] * 2), survey, split="all")


@pytest.mark.usefixtures("no_pictures")
def test_sample_of_one_class_is_reported_with_a_notice(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", ["Ia"] * 3)
    write_predictions(predict(survey, [0.9, 0.8, 0.4]), tmp_path / "p.parquet")
    metrics = evaluate(tmp_path / "p.parquet", survey, tmp_path / "report")
    assert np.isnan(metrics["auc"])
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())["metrics"]["auc"] is None
    page = (tmp_path / "report" / "index.html").read_text()
    assert "All objects here are of type Ia: the ROC curve is undefined." in page


@pytest.mark.usefixtures("no_pictures")
def test_more_than_two_classes_are_reported(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", ["Ia", "II", "Ibc", "II"])
    info = PredictionInfo(Classes(("II", "Ia", "Ibc")), bundle="three")
    values = np.array([[0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.3, 0.5, 0.2], [0.6, 0.2, 0.2]], dtype=np.float32)
    predictions = Predictions(info, np.array(["o0", "o1", "o2", "o3"]), None, values)
    write_predictions(predictions, tmp_path / "p.parquet")
    metrics = evaluate(tmp_path / "p.parquet", survey, tmp_path / "report")
    assert metrics["accuracy"] == 0.75
    document = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert document["confusion"] == [[2, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert document["metrics"]["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    each = document["reliability_by_class"]
    assert list(each) == ["Ia", "II", "Ibc"]
    assert each["II"]["score"] == pytest.approx([0.2, 0.3, 0.6, 0.8])
    assert each["II"]["frequency"] == [0, 0, 1, 1]
    assert each["Ibc"]["count"] == [2, 2]
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Ia against II and Ibc" in page
    assert "Macro F1" in page
    assert "Reliability of each class" in page
    console = Console(file=io.StringIO(), width=100)
    print_report(console, tmp_path / "report", "three")
    assert "Macro F1" in console.file.getvalue()


@pytest.mark.usefixtures("no_pictures")
def test_two_classes_have_one_reliability_and_no_macro_f1(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", ["Ia", "II"])
    write_predictions(predict(survey, [0.9, 0.4]), tmp_path / "p.parquet")
    evaluate(tmp_path / "p.parquet", survey, tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Accuracy" in page
    assert "Macro F1" not in page
    assert "Reliability of each class" not in page
