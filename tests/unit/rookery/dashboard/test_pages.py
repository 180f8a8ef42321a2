"""Every page of real studies, as the browser gets it; tests/integration/test_pages.py opens them in one."""

import base64
import fcntl
import json
import shutil
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("dash", reason="needs the extra `dashboard`")
from dash_callbacks import answer
from rookery import api
from rookery.dashboard import figures
from rookery.dashboard.campaign_state import read_campaign_state
from rookery.dashboard.pages import fleet, study
from rookery.dashboard.viewer import Viewer
from rookery_ensembles.errors import InputError

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"

ZOOM = {
    "best-so-far.relayoutData": None,
    "learning-curves.relayoutData": {"xaxis.range[0]": 1, "xaxis.range[1]": 2},
}


def text_of(component: Any) -> str:
    return str(component.to_plotly_json() if hasattr(component, "to_plotly_json") else component)


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


def drawn_curves(
    viewer: Viewer, key: str, column: str, before: str | None = None, training: str = "all"
) -> Any:
    """Return what the figures of a study become."""
    chosen = {f'{{"name":"{name}","type":"state"}}.value': value
              for name, value in (("training", training), ("column", column))}  # fmt: skip
    state = {"study-key.data": key, "study-drawn.data": before, **ZOOM}
    return answer(viewer, "learning-curves", {"study-tick.n_intervals": 1, **chosen}, state).get_json()[
        "response"
    ]


def test_a_study_is_drawn_once_and_again_only_when_it_has_changed(viewer: Viewer) -> None:
    key = "<b>studies</b>/redshifts"
    drawn = drawn_curves(viewer, key, "")
    names = [trace["name"] for trace in drawn["learning-curves"]["figure"]["data"]]
    assert names == ["complete", "best (trial 1)", "best, on the training objects"]
    assert drawn["learning-curves"]["figure"]["layout"]["xaxis"]["range"] == [1, 2]
    assert drawn_curves(viewer, key, "", drawn["study-drawn"]["data"]) == {}
    tick, state = {"study-tick.n_intervals": 1}, {"study-key.data": key, "study-shown.data": None}
    told = answer(viewer, "study-facts", tick, state).get_json()["response"]
    state["study-shown.data"] = told["study-shown"]["data"]
    assert answer(viewer, "study-facts", tick, state).get_json()["response"] == {}


def test_any_column_of_the_networks_is_drawn_by_fold_and_start(viewer: Viewer) -> None:
    key = "<b>studies</b>/redshifts"
    drawn = drawn_curves(viewer, key, "learning_rate", training="2")["learning-curves"]["figure"]
    assert [trace["name"] for trace in drawn["data"]] == ["complete", "best (trial 1)"]
    folder = FILES / "studies" / "redshifts" / "members" / "0001-f0-s1"  # the third of its trial
    history = pq.read_table(folder / "history.parquet")
    y = np.frombuffer(base64.b64decode(drawn["data"][1]["y"]["bdata"]), "f4")
    assert y[:-1].tolist() == history["learning_rate"].to_numpy().astype("f4").tolist()
    page = answer(viewer, "page.children", {"url.pathname": "/study", "url.search": f"?at={quote(key)}"},
                  {"page-shown.data": None}).get_data(as_text=True)  # fmt: skip
    for column in ("train_loss", "train_cross_entropy", "validation_crps", "learning_rate"):
        assert f'"{column}"' in page


def test_a_network_that_stands_still_is_told_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: Any
) -> None:
    shutil.copytree(FILES / "studies" / "classes", tmp_path / "s")
    database = sqlite3.connect(tmp_path / "s" / "study.db")
    with database:
        database.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE number = 2")
    database.close()
    shutil.rmtree(tmp_path / "s" / "members" / "0002")
    began = time.time() - 7200
    head = {
        "member": "0002", "family": "pelican", "seed": 1, "metric": "validation_log_loss", "epochs": 9,
        "direction": "minimize", "device": "cpu", "host": socket.gethostname(), "process": 4711,
        "began": began,
    }  # fmt: skip
    last = {
        "epoch": 1,
        "validation_log_loss": 0.6,
        "train_cross_entropy": 0.5,
        "seconds": 3.0,
        "time": began + 60,
    }
    (tmp_path / "s" / "running").mkdir(exist_ok=True)
    lines = "".join(json.dumps(one) + "\n" for one in (head, last))
    (tmp_path / "s" / "running" / "0002.epochs.jsonl").write_text(lines)
    logs = tmp_path / "ray" / "session_1" / "logs"
    logs.mkdir(parents=True)
    (logs / "worker-ab-01-4711.err").write_text(":actor_name:Trial\n" + "CUDA error: <b>late</b>\n" * 99)
    (logs / "worker-ab-01-4712.err").write_text("of another one\n")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    viewer, tick = Viewer([tmp_path]), {"study-tick.n_intervals": 1}
    with (tmp_path / "s" / "driver.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = answer(
            viewer, "study-facts", tick, {"study-key.data": "s", "study-shown.data": None}
        ).get_json()
        shown = json.dumps(told["response"])
        assert "no epoch for 119 min" in shown
        assert '"stalled"' in shown
    inputs = {"trial-tick.n_intervals": 1, '{"name":"column","type":"state"}.value': "validation_log_loss"}
    state = {"trial-key.data": ["s", 2], "trial-shown.data": None, "trial-epochs.relayoutData": None}
    log = json.dumps(answer(viewer, "trial-facts", inputs, state).get_json()["response"]["trial-log"])
    assert log.count("CUDA error: <b>late</b>") == 60
    assert "of another one" not in log


def test_tags_are_given_by_a_verb_and_stand_in_the_table(tmp_path: Path) -> None:
    shutil.copytree(FILES / "studies" / "classes", tmp_path / "s")
    api.tag(tmp_path / "s", 2, add=["good", "wide"])
    assert api.tag(tmp_path / "s", 2, add=["good"], remove=["wide"]) == {2: ["good"]}
    viewer = Viewer([tmp_path])
    source = viewer.source("s", "study")
    assert source is not None
    reader = viewer.trials(source)
    reader.refresh()
    rows = study.study_networks.table(source, reader, viewer.cards(source.path / "members"))
    assert {row["trial"]: row["tags"] for row in rows if row["tags"]} == {2: "good"}
    with pytest.raises(InputError, match="must be one word"):
        api.tag(tmp_path / "s", 2, add=["two words"])
    with pytest.raises(InputError, match="has no trial 99: its trials are 0 to "):
        api.tag(tmp_path / "s", 99, add=["good"])
    (tmp_path / "s" / "tags.yaml").write_text("2: good\n")
    with pytest.raises(InputError, match="must hold trials and lists of words"):
        api.tag(tmp_path / "s", 2)


def test_the_best_score_stands_beside_a_baseline(viewer: Viewer) -> None:
    rows = {row["key"]: row for row in viewer.fleet.refresh()}
    table = json.loads((FILES / "campaign" / "table.json").read_bytes())["lines"]
    mine = [line for line in table if not line["bin"] and line["source"] != "published" and line["wanted"]]
    row = rows["campaign"]
    best = max(mine, key=lambda line: line["metrics"][row["metric"]])
    assert row["metric"] == "accuracy"
    assert (row["best"], row["baseline"]) == (best["metrics"]["accuracy"], best["baseline"]["accuracy"])


def test_of_classes_the_baseline_is_what_their_fractions_score(tmp_path: Path) -> None:
    shutil.copytree(FILES / "studies" / "classes", tmp_path / "s")
    card = tmp_path / "s" / "members" / "0000" / "card.json"
    told = json.loads(card.read_bytes()) | {"training_fractions": {"Ia": 0.25, "non-Ia": 0.75}}
    card.write_text(json.dumps(told))
    (row,) = [row for row in Viewer([tmp_path]).fleet.refresh() if row["kind"] == "study"]
    assert row["baseline"] == pytest.approx(0.5623351446)  # the entropy of 1/4 and 3/4 in nats


def test_of_redshifts_the_baseline_is_what_their_distribution_scores(viewer: Viewer) -> None:
    rows = {row["key"]: row for row in viewer.fleet.refresh()}
    row = rows["<b>studies</b>/redshifts"]
    folder = FILES / "studies" / "redshifts" / "members" / "0000-f0-s0"
    bins = json.loads((folder / "card.json").read_bytes())["redshift_bins"]
    edges = np.linspace(bins["low"], bins["high"], bins["number"] + 1)
    z = pq.read_table(folder / "predictions-validation.parquet")["truth"].to_numpy()
    z = z[(z >= edges[0]) & (z <= edges[-1])]
    likelihoods = []
    for other, own in ((z[::2], z[1::2]), (z[1::2], z[::2])):
        smooth = np.histogram(other, edges)[0] + 0.5
        likelihoods += [smooth[np.searchsorted(edges, one, "right") - 1] / smooth.sum() for one in own]
    assert row["baseline"] == pytest.approx(-np.log(likelihoods).mean())
    assert "distributed" in row["baseline_name"]


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


def test_how_steps_were_computed_stands_in_the_table(tmp_path: Path) -> None:
    shutil.copytree(FILES / "studies" / "classes", tmp_path / "s")
    card = tmp_path / "s" / "members" / "0000" / "card.json"
    steps = {"way": "compiled", "milliseconds": {"plain": 2.5, "compiled": 1.23456}, "why": "timed"}
    card.write_text(json.dumps(json.loads(card.read_bytes()) | {"steps": steps}))
    viewer = Viewer([tmp_path])
    source = viewer.source("s", "study")
    assert source is not None
    reader, cards = viewer.trials(source), viewer.cards(source.path / "members")
    reader.refresh()
    cards.refresh()
    rows = study.study_networks.table(source, reader, cards)
    assert [row["steps"] for row in rows if row.get("steps")] == ["compiled, 1.23 ms"]
    assert '"steps"' in json.dumps(study.study_networks.columns(rows, reader.facts))


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
    titles += ["Reliability of Ia"] if study_name == "classes" else ["PIT", "Coverage of credible intervals"]
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
    networks = ["0001-f0-s0", "0001-f1-s0", "0001-f0-s1", "0001-f1-s1"]
    assert [trace["name"] for trace in traces[::2]] == networks
    assert [trace["name"] for trace in traces[1::2]] == [f"{name}, training" for name in networks]
    assert all(trace["x"] == figures.packed([1, 2, 3]) for trace in traces)
