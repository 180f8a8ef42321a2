"""Objects of an ensemble: lists, conditions, and what the survey observed of one."""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dash", reason="needs the extra `dashboard`")
from dash_callbacks import answer
from rookery.dashboard.app import make_app
from rookery.dashboard.objects import object_figure, object_rows
from rookery.dashboard.observed import observed_figure, what_is_odd
from rookery.dashboard.surveys import ObservedSurvey
from rookery.dashboard.viewer import Viewer
from rookery.reports.page.folder import write_report
from rookery.surveys._document import read_info
from rookery_ensembles import load_bundle
from rookery_ensembles.errors import InputError

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"

ZOOM = {
    "best-so-far.relayoutData": None,
    "learning-curves.relayoutData": {"xaxis.range[0]": 1, "xaxis.range[1]": 2},
}


def numbers(packed: dict[str, str]) -> list[float]:
    """Return an array as plotly.js is sent it."""
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"]).tolist()


@pytest.mark.parametrize(("study_name", "role"), [("classes", "test"), ("redshifts", "validation")])
def test_objects_are_listed_by_what_is_odd_about_them(viewer: Viewer, study_name: str, role: str) -> None:
    source = viewer.source(f"<b>studies</b>/{study_name}/ensemble", "bundle")
    assert source is not None
    view = viewer.ensembles.view(source.path, role)
    for wanted, column in (("wrong", "loss"), ("disagreed", "disagreement"), ("wide", "width")):
        values = [row[column] for row in object_rows(view, wanted)]
        assert values == sorted(values, reverse=True)
        assert len(values) == len(view.truth)
    first = object_rows(view, "wrong")[0]
    at = list(view.stack.object_id).index(first["id"])
    likelihood = view.bundle.target.likelihood(view.calibrated, view.bundle.target.index(view.truth))[at]
    assert first["loss"] == pytest.approx(-np.log(likelihood))
    figure = object_figure(view, first["id"])
    assert figure is not None
    names = {trace["name"] for trace in figure["data"]}
    assert {"members", "pool", "ensemble", "truth"} <= names
    assert object_figure(view, "nobody") is None


@pytest.mark.parametrize(("name", "role"), [("classes", "test"), ("redshifts", "validation")])
def test_an_object_is_shown_as_the_survey_observed_it(viewer: Viewer, name: str, role: str) -> None:
    source = viewer.source(f"<b>studies</b>/{name}/ensemble", "bundle")
    assert source is not None
    view = viewer.ensembles.view(source.path, role)
    assert view.info.survey is not None
    survey = viewer.surveys.find(source.path, view.info.survey)
    objects = survey.survey.objects.set_index("object_id")
    (column, bound) = ("host_photo_z", 0.5) if name == "classes" else ("mag_r", 18.5)
    rows = object_rows(view, "all", survey, f"{column}<{bound}, redshift>0.1")
    wanted = objects.loc[view.stack.object_id]
    wanted = wanted[(wanted[column] < bound) & (wanted["redshift"] > 0.1)]
    assert [row["id"] for row in rows] == list(wanted.index)
    assert [row[column] for row in rows] == pytest.approx(wanted[column].tolist())
    one = survey.one(rows[0]["id"])
    drawn = observed_figure(one)["data"]
    if name == "classes":
        arrays = survey.survey.observation_arrays()
        mine = arrays.rows(list(objects.index).index(rows[0]["id"]))
        assert sum(len(numbers(trace["x"])) for trace in drawn) == len(arrays.mjd[mine])
        flux = sorted(value for trace in drawn for value in numbers(trace["y"]))
        assert flux == sorted(arrays.flux[mine].tolist())
    else:
        assert drawn[0]["y"] == pytest.approx(survey.survey.magnitudes()[survey.rows_of([rows[0]["id"]])[0]])
    for row in object_rows(view, "outside", survey):
        odd = what_is_odd(survey.one(row["id"]), view.bundle.domain)
        assert odd, "what lies out of the domain says by which feature"
    with pytest.raises(InputError, match="there is no column 'mag_q'"):
        object_rows(view, "all", survey, "mag_q<1")


def test_the_features_of_an_object_may_be_conditions_too(viewer: Viewer) -> None:
    source = viewer.source("<b>studies</b>/classes/ensemble", "bundle")
    assert source is not None
    view = viewer.ensembles.view(source.path, "test")
    survey = viewer.surveys.find(source.path, view.info.survey or "")
    some = {row["id"] for row in object_rows(view, "all", survey, "peak_snr>20")}
    arrays, ids = survey.survey.observation_arrays(), list(survey.survey.objects["object_id"])
    snr = {
        name: (arrays.flux / arrays.flux_err)[arrays.rows(ids.index(name))].max()
        for name in view.stack.object_id
    }
    assert some == {name for name, value in snr.items() if value > 20}


def test_cutouts_are_drawn_band_by_band_and_in_colours() -> None:
    survey = ObservedSurvey(FILES / "surveys" / "images")
    name = survey.survey.objects["object_id"].iloc[3]
    drawn = observed_figure(survey.one(name))["data"]
    assert [trace["type"] for trace in drawn] == ["image"] + ["heatmap"] * len(survey.survey.bands)
    pixels = np.frombuffer(base64.b64decode(drawn[1]["customdata"]["bdata"]), "f4")
    assert np.array_equal(pixels, survey.survey.image_array()[3, 0].astype("f4").ravel())


def test_a_survey_that_is_not_at_hand_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    shutil.copytree(FILES / "studies" / "classes", tmp_path / "classes")
    query = {"url.pathname": "/objects", "url.search": "?at=classes/ensemble"}
    told = answer(Viewer([tmp_path]), "page.children", query, {"page-shown.data": None}).get_data(
        as_text=True
    )
    assert "say where it is: rookery dashboard --survey FOLDER" in told
    assert "object-figure" in told


@pytest.fixture
def explained(tmp_path: Path) -> Path:
    """Return a folder with a study, its ensemble, and a report as `rookery explain` writes it."""
    shutil.copytree(FILES / "studies" / "redshifts", tmp_path / "study")
    survey = read_info(FILES / "surveys" / "catalogue" / "survey.json")
    bundle = load_bundle(tmp_path / "study" / "ensemble")
    card = json.loads((bundle.members[0].folder / "card.json").read_bytes())
    shown = ObservedSurvey(FILES / "surveys" / "catalogue").survey.objects["object_id"].iloc[:2]
    document = {
        "kind": "explanation",
        "member": card["member"],
        "weights": card["weights"],
        "survey": {"name": survey.name, "checksum": survey.checksum},
        "date": "2026-11-30T00:00:00+00:00",
        "objects": [{"object_id": name} for name in shown],
    }
    write_report(tmp_path / "why", "<p>why</p>", document, {}, files={"features.parquet": b"PAR1"})
    return tmp_path


def test_objects_lead_to_what_explains_them(explained: Path) -> None:
    viewer = Viewer([explained], surveys=[FILES / "surveys"])
    query = {"url.pathname": "/objects", "url.search": "?at=study/ensemble"}
    page = answer(viewer, "page.children", query, {"page-shown.data": None}).get_json()
    ((key, found),) = viewer.explanations.all().items()
    assert found.address() in json.dumps(page)
    name = json.loads((explained / "why" / "metrics.json").read_bytes())["objects"][0]["object_id"]
    chosen = {
        '{"name":"object","type":"state"}.value': name,
        '{"name":"role","type":"state"}.value': "validation",
    }
    drawn = answer(viewer, "object-odd.children", chosen, {"objects-key.data": "study/ensemble"})
    assert f"{found.address()}#{name}" in json.dumps(drawn.get_json())
    browser = make_app(viewer).server.test_client()
    got = browser.get(found.address())
    assert got.data == (explained / "why" / "index.html").read_bytes()
    assert got.headers["Content-Security-Policy"].startswith("sandbox")
    assert browser.get(f"/explanation/{key}/features.parquet").data == b"PAR1"
    other = Viewer([explained], surveys=[FILES / "surveys"]).explanations
    assert other.of(load_bundle(FILES / "studies" / "classes" / "ensemble"), found.survey) == []


def test_of_an_explanation_nothing_outside_its_folder_is_served(explained: Path, tmp_path: Path) -> None:
    shutil.move(explained / "why", tmp_path / "runs" / "why")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "runs" / "why" / "link").symlink_to(tmp_path / "secret")
    document = tmp_path / "runs" / "why" / "metrics.json"
    told = json.loads(document.read_bytes())
    outside = [str(tmp_path / "secret"), "../../secret", "link"]
    document.write_text(json.dumps(told | {"files": [*told["files"], *outside]}))
    viewer = Viewer([tmp_path / "runs"])
    (key,) = viewer.explanations.all()
    browser = make_app(viewer).server.test_client()
    for name in outside:
        assert browser.get(f"/explanation/{key}/{name}").data != b"secret"
    document.write_text("{")
    assert viewer.explanations.all() == {}
    assert browser.get(f"/explanation/{key}/index.html").status_code == 404
