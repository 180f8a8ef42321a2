"""Every page of real studies, as the browser gets it; tests/integration/test_pages.py opens them in one."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dash", reason="needs the extra `dashboard`")
from rookery.dashboard.app import make_app
from rookery.dashboard.campaign_state import read_campaign_state
from rookery.dashboard.objects import object_figure, object_rows
from rookery.dashboard.observed import observed_figure, what_is_odd
from rookery.dashboard.pages import fleet, study
from rookery.dashboard.surveys import ObservedSurvey
from rookery.dashboard.viewer import Viewer
from rookery_ensembles.errors import InputError

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"

ZOOM = {
    "best-so-far.relayoutData": None,
    "learning-curves.relayoutData": {"xaxis.range[0]": 1, "xaxis.range[1]": 2},
}


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Viewer:
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(FILES / "studies", folder / "<b>studies</b>")
    shutil.copytree(FILES / "campaign", folder / "campaign")
    return Viewer([folder], surveys=[FILES / "surveys"])


def text_of(component: Any) -> str:
    return str(component.to_plotly_json() if hasattr(component, "to_plotly_json") else component)


def answer(viewer: Viewer, output: str, inputs: dict[str, Any], state: dict[str, Any]) -> Any:
    """Ask the application as the browser does."""
    app = make_app(viewer)
    (key,) = [key for key in app.callback_map if output in key]

    def place(name: str) -> dict[str, Any]:
        identity, prop = name.rsplit(".", 1)
        return {"id": json.loads(identity) if identity.startswith("{") else identity, "property": prop}

    def listed(values: dict[str, Any]) -> list[dict[str, Any]]:
        return [place(name) | {"value": value} for name, value in values.items()]

    outputs = [place(one) for one in key.strip(".").split("...")]
    asked = {
        "output": key, "outputs": outputs, "inputs": listed(inputs), "state": listed(state),
        "changedPropIds": list(inputs),
    }  # fmt: skip
    return app.server.test_client().post("/_dash-update-component", json=asked)


@pytest.mark.parametrize(
    ("path", "search", "words"),
    [
        ("/", "", ["<b>studies</b>/classes", "validation_log_loss"]),
        ("/study", "?at=%3Cb%3Estudies%3C%2Fb%3E%2Fclasses", ["best-so-far", "learning-curves"]),
        ("/study", "?at=%3Cb%3Estudies%3C%2Fb%3E%2Fclasses&view=networks", ["point.learning_rate"]),
        ("/study", "?at=nowhere", ["No study is called 'nowhere' here."]),
        ("/campaign", "?at=campaign", ["campaign-grid", "Accuracy", "published"]),
        ("/campaign", "?at=nowhere", ["No campaign is called"]),
        ("/trial", "?at=%3Cb%3Estudies%3C%2Fb%3E%2Fredshifts&trial=1", ["Trial 1", "validation_log_loss"]),
        ("/trial", "?at=%3Cb%3Estudies%3C%2Fb%3E%2Fredshifts&trial=77", ["has no trial 77"]),
        ("/ensemble", "?at=%3Cb%3Estudies%3C%2Fb%3E%2Fclasses%2Fensemble", ["test objects", "best member"]),
        (
            "/objects",
            "?at=%3Cb%3Estudies%3C%2Fb%3E%2Fclasses%2Fensemble",
            ["most disagreed", "object-figure"],
        ),
        ("/ensemble", "?at=nowhere", ["No ensemble is called"]),
        ("/cluster", "", ["Cost so far", "<b>studies</b>/classes"]),
        ("/nowhere", "", ["There is no page /nowhere."]),
    ],
)
def test_an_address_shows_its_page(viewer: Viewer, path: str, search: str, words: list[str]) -> None:
    told = answer(
        viewer, "page.children", {"url.pathname": path, "url.search": search}, {"page-shown.data": None}
    )
    assert told.status_code == 200
    for word in words:
        assert word in told.get_data(as_text=True).encode().decode("unicode_escape")


def test_a_study_is_drawn_once_and_again_only_when_it_has_changed(viewer: Viewer) -> None:
    key = "<b>studies</b>/redshifts"
    inputs = {"study-tick.n_intervals": 1, '{"name":"training","type":"state"}.value': "all"}
    first = answer(viewer, "study-facts", inputs, {"study-key.data": key, "study-shown.data": None, **ZOOM})
    drawn = first.get_json()["response"]
    names = [trace["name"] for trace in drawn["learning-curves"]["figure"]["data"]]
    assert names == ["complete", "best (trial 1)"]
    assert drawn["learning-curves"]["figure"]["layout"]["xaxis"]["range"] == [1, 2]
    again = answer(
        viewer,
        "study-facts",
        inputs,
        {"study-key.data": key, "study-shown.data": drawn["study-shown"]["data"], **ZOOM},
    )
    assert again.get_json()["response"] == {}


def test_rows_have_links_metrics_and_hyperparameters(viewer: Viewer) -> None:
    assert fleet.PATH == "/"
    source = viewer.source("<b>studies</b>/classes", "study")
    assert source is not None
    reader, cards = viewer.trials(source), viewer.cards(source.path / "members")
    reader.refresh()
    cards.refresh()
    rows = study.study_networks.table(source, reader, cards)
    assert [row["state"] for row in rows].count("failed") == 3
    best = rows[0]
    assert best["trial_href"] == "/trial?at=%3Cb%3Estudies%3C%2Fb%3E%2Fclasses&trial=0"
    assert best["validation_accuracy"] == 0.5
    assert best["parameters"] == 834
    assert best["point.learning_rate"] == 0.01
    compared = text_of(study.study_networks.compared([rows[0], rows[2]]))
    assert "learning_rate" in compared


def test_a_campaigns_grid_has_a_cell_for_every_network_and_says_what_became_of_it(tmp_path: Path) -> None:
    shutil.copytree(FILES / "campaign", tmp_path / "c")
    places = [place.model_dump() for place in read_campaign_state(tmp_path / "c").places]
    assert len(places) == 18
    gone = places[0]["member"]
    (tmp_path / "c" / "networks.json").write_text(json.dumps({"networks": places[:9]}))
    shutil.rmtree(tmp_path / "c" / "members" / gone)
    (tmp_path / "c" / "failed").mkdir(exist_ok=True)
    (tmp_path / "c" / "failed" / f"{gone}.txt").write_text("OutOfMemory: <b>2 GiB</b>\nTraceback")
    state = {"campaign-key.data": "c", "campaign-shown.data": None}
    told = answer(Viewer([tmp_path]), "campaign-grid", {"campaign-tick.n_intervals": 1}, state).get_json()
    drawn = json.dumps(told["response"]["campaign-grid"])
    assert drawn.count('"cell finished"') == 1 + 9 - sum(place["member"] == gone for place in places[:9])
    assert f"half, plain, start 0: failed ({gone})" in drawn
    assert "OutOfMemory: <b>2 GiB</b>" in json.dumps(told["response"]["campaign-failures"])


def test_a_campaigns_half_written_table_is_an_error_of_its_page(tmp_path: Path) -> None:
    shutil.copytree(FILES / "campaign", tmp_path / "c")
    (tmp_path / "c" / "table.json").write_text('{"lines": [{"row"')
    state = {"campaign-key.data": "c", "campaign-shown.data": None}
    told = answer(Viewer([tmp_path]), "campaign-grid", {"campaign-tick.n_intervals": 1}, state).get_json()
    assert "table.json: is no campaign's table" in json.dumps(told["response"]["campaign-error"])


@pytest.mark.parametrize(("study_name", "role"), [("classes", "test"), ("redshifts", "validation")])
def test_an_ensembles_answer_is_what_its_bundle_was_scored_by(
    viewer: Viewer, study_name: str, role: str
) -> None:
    source = viewer.source(f"<b>studies</b>/{study_name}/ensemble", "bundle")
    assert source is not None
    view = viewer.ensembles.view(source.path, role)
    assert view is viewer.ensembles.view(source.path, role)
    told = view.bundle.combine(list(view.stack.values)) if role == "test" else view.calibrated
    assert np.allclose(view.calibrated, told)
    assert set(view.names) <= set(view.scores)
    own = view.bundle.target.log_loss(view.calibrated, view.bundle.target.index(view.truth))
    assert view.scores["ensemble"]["log_loss"] == pytest.approx(own, rel=1e-4)
    inputs = {"ensemble-tick.n_intervals": 1, '{"name":"role","type":"state"}.value': role}
    state = {"ensemble-key.data": source.key, "ensemble-shown.data": None}
    body = json.dumps(answer(viewer, "ensemble-body", inputs, state).get_json()["response"])
    titles = ["Weights", "Gain by each member", "Correlation of errors", "Against single networks"]
    titles += ["Reliability"] if study_name == "classes" else ["PIT", "Coverage of central intervals"]
    assert all(f'"{title}"' in body for title in titles)


def test_a_trial_tells_every_column_of_its_networks_epochs(viewer: Viewer) -> None:
    inputs = {"trial-tick.n_intervals": 1, '{"name":"column","type":"state"}.value': "validation_log_loss"}
    state = {
        "trial-key.data": ["<b>studies</b>/redshifts", 1],
        "trial-shown.data": None,
        "trial-epochs.relayoutData": None,
    }
    told = answer(viewer, "trial-facts", inputs, state).get_json()["response"]
    traces = told["trial-epochs"]["figure"]["data"]
    assert [trace["name"] for trace in traces] == ["0001-f0-s0", "0001-f1-s0", "0001-f0-s1", "0001-f1-s1"]
    assert all(trace["x"] == [1, 2, 3] for trace in traces)


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
        assert sum(len(trace["x"]) for trace in drawn) == len(arrays.mjd[mine])
        flux = sorted(value for trace in drawn for value in trace["y"])
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
