"""Every page of real studies, as the browser gets it; tests/integration/test_pages.py opens them in one."""

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dash", reason="needs the extra `dashboard`")
from rookery.dashboard.app import make_app
from rookery.dashboard.pages import fleet, study
from rookery.dashboard.viewer import Viewer

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Viewer:
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(FILES / "studies", folder / "<b>studies</b>")
    shutil.copytree(FILES / "campaign", folder / "campaign")
    return Viewer([folder])


def text_of(component: Any) -> str:
    return str(component.to_plotly_json() if hasattr(component, "to_plotly_json") else component)


def answer(viewer: Viewer, output: str, inputs: dict[str, Any], state: dict[str, Any]) -> Any:
    """Ask the application as the browser does."""
    app = make_app(viewer)
    (key,) = [key for key in app.callback_map if output in key]

    def listed(values: dict[str, Any]) -> list[Any]:
        return [
            dict(zip(("id", "property"), name.rsplit(".", 1), strict=True), value=v)
            for name, v in values.items()
        ]

    outputs = [
        dict(zip(("id", "property"), one.rsplit(".", 1), strict=True)) for one in key.strip(".").split("...")
    ]
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
        ("/nowhere", "", ["There is no page /nowhere."]),
    ],
)
def test_an_address_shows_its_page(viewer: Viewer, path: str, search: str, words: list[str]) -> None:
    told = answer(viewer, "page.children", {"url.pathname": path, "url.search": search}, {})
    assert told.status_code == 200
    for word in words:
        assert word in told.get_data(as_text=True).encode().decode("unicode_escape")


def test_a_study_is_drawn_once_and_again_only_when_it_has_changed(viewer: Viewer) -> None:
    key = "<b>studies</b>/redshifts"
    inputs = {"study-tick.n_intervals": 1, '{"name":"training","type":"state"}.value': "all"}
    first = answer(viewer, "study-facts", inputs, {"study-key.data": key, "study-shown.data": None})
    drawn = first.get_json()["response"]
    names = [trace["name"] for trace in drawn["learning-curves"]["figure"]["data"]]
    assert names == ["complete", "best (trial 1)"]
    again = answer(
        viewer,
        "study-facts",
        inputs,
        {"study-key.data": key, "study-shown.data": drawn["study-shown"]["data"]},
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
