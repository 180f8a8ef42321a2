"""What the pages read: found in folders, by increments, and a broken one beside others that are whole."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rookery.dashboard import figures, hyperparameters, trials
from rookery.dashboard.fleet import Fleet
from rookery.dashboard.learning_curves import learning_curves, networks_of
from rookery.dashboard.networks import Cards
from rookery.dashboard.sources import find_sources
from rookery.dashboard.trials import StudyTrials, Trial
from rookery.search.study_facts import StudyFacts
from rookery_ensembles.errors import InputError

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)
FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"
STUDY = """
family: photoz_mlp
split: {name: cv, digest: '', folds: 2}
space:
  objective: {metric: validation_log_loss, direction: minimize}
  parameters: {epochs: {value: 3}}
"""


def make_study(folder: Path) -> Any:
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY)
    return optuna.create_study(storage=f"sqlite:///{folder}/study.db", study_name="rookery")


def run_trial(study: Any, steps: int, value: float | None = None) -> Any:
    trial = study.ask()
    trial.suggest_categorical("block", ["wide", "deep"])
    trial.suggest_int("layers", 1, 3)
    for step in range(1, steps + 1):
        trial.report(1 / step, step)
    if value is not None:
        study.tell(trial, value)
    return trial


def test_of_a_large_study_some_curves_are_read_and_of_each_trial_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "_MOST_CURVES", 4)
    study = make_study(tmp_path / "s")
    for number in range(10):
        run_trial(study, 3 + number % 2, float(number != 7))
    run_trial(study, 5)
    reader = StudyTrials(tmp_path / "s")
    reader.refresh()
    assert [len(one.steps) for one in reader.trials if one.whole] == [3, 4, 3, 4, 5]  # 0, 3, 6, 9; what runs
    last = [float(one.scores[-1]) for one in reader.trials]
    assert last == pytest.approx([1 / (3 + number % 2) for number in range(10)] + [1 / 5])
    assert [int(one.steps[-1]) for one in reader.trials] == [3 + number % 2 for number in range(10)] + [5]
    figure = learning_curves("s", reader.trials, reader.facts)
    assert {trace["name"] for trace in figure["data"]} == {"complete (6 of many drawn)", "running"}
    reader.read_whole([reader.trials[7]])
    assert reader.trials[7].steps.tolist() == [1, 2, 3, 4]
    names = {trace["name"] for trace in learning_curves("s", reader.trials, reader.facts)["data"]}
    assert "best (trial 7)" in names


def test_studies_campaigns_and_bundles_are_found_by_names_of_their_own() -> None:
    found = find_sources([FILES / "studies", FILES / "campaign"])
    assert {key: source.kind for key, source in found.items() if "ensembles" not in key} == {
        "studies/classes": "study",
        "studies/classes/ensemble": "bundle",
        "studies/redshifts": "study",
        "studies/redshifts/ensemble": "bundle",
        "studies/redshifts/ensemble-out-of-fold.parquet": "predictions",
        "studies/warm": "study",
        "campaign": "campaign",
    }
    assert set(find_sources([FILES / "studies", FILES / "studies" / "warm"])) >= {"studies/warm"}
    assert list(find_sources([FILES / "studies" / "warm"])) == ["warm"]


def test_the_fleet_tells_how_each_stands_and_a_broken_one_leaves_the_others_whole(tmp_path: Path) -> None:
    shutil.copytree(FILES / "studies", tmp_path / "studies")
    for name, files in {
        "garbage": {"study.yaml": STUDY, "study.db": "no database " * 100},
        "no-document": {"study.db": ""},
        "bad-yaml": {"study.yaml": "space: ["},
        "bad-campaign": {"campaign.yaml": "name: 5"},
        "cut": {"ensemble.yaml": (FILES / "studies/classes/ensemble/ensemble.yaml").read_text()[:300]},
        "begun": {"study.yaml": STUDY},
    }.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    fleet = Fleet([tmp_path])
    rows = {row["key"]: row for row in fleet.refresh()}
    broken = {key for key, row in rows.items() if row["state"] == "damaged"}
    assert broken == {"garbage", "no-document", "bad-yaml", "bad-campaign", "cut"}
    assert all(str(tmp_path / key) in rows[key]["error"] for key in broken)
    assert rows["begun"]["state"] == "not begun"
    classes = rows["studies/classes"]
    assert (classes["state"], classes["done"], classes["failed"], classes["networks"]) == ("stopped", 5, 3, 2)
    assert classes["metric"] == "validation_log_loss"
    assert rows["studies/classes/ensemble"]["metric"] == "log_loss"
    version = fleet.version
    assert fleet.refresh() == list(rows.values())
    assert fleet.version == version


def test_a_study_is_read_by_increments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(tmp_path / "s")
    run_trial(study, 6, 0.5)
    live = run_trial(study, 2)
    reader = StudyTrials(tmp_path / "s")
    assert reader.refresh() == 1
    first, second = reader.trials
    assert (first.state, first.values, len(first.steps)) == ("complete", [0.5], 6)
    assert first.point == study.trials[0].params
    assert second.state == "running"
    assert np.allclose(second.scores, [1, 0.5])
    assert reader.refresh() == 1  # nothing new
    asked: list[list[int]] = []
    fill = StudyTrials._fill
    monkeypatch.setattr(
        StudyTrials, "_fill", lambda self, ask, found, ids: asked.append(ids) or fill(self, ask, found, ids)
    )
    live.report(0.25, 3)
    assert reader.refresh() == 2
    assert asked[-1] == [2]  # the trial that had ended is not read again
    assert reader.trials[0] is first
    study.tell(live, state=optuna.trial.TrialState.PRUNED)
    study.tell(run_trial(study, 1), state=optuna.trial.TrialState.FAIL)
    reader.refresh()
    assert [trial.state for trial in reader.trials] == ["complete", "pruned", "fail"]


def test_a_trial_that_runs_without_a_driver_was_interrupted(tmp_path: Path) -> None:
    run_trial(make_study(tmp_path / "s"), 1)
    reader = StudyTrials(tmp_path / "s")
    reader.refresh()
    assert reader.state_of(reader.trials[0]) == "interrupted"


def test_steps_of_a_trial_are_the_epochs_of_its_folds(tmp_path: Path) -> None:
    run_trial(make_study(tmp_path / "s"), 5, 0.1)
    reader = StudyTrials(tmp_path / "s")
    reader.refresh()
    (place, (x, _)), (other, (x2, y2)) = networks_of(reader.trials[0], reader.facts)
    assert (place, other) == (0, 1)
    assert x.tolist() == [1, 2, 3]
    assert x2.tolist() == [1, 2]
    assert np.allclose(y2, [1 / 4, 1 / 5])
    both = learning_curves("s", reader.trials, reader.facts)
    one = learning_curves("s", reader.trials, reader.facts, "1")
    assert both["layout"]["uirevision"] != one["layout"]["uirevision"]


def test_a_lost_database_is_an_error_and_what_was_read_stays(tmp_path: Path) -> None:
    run_trial(make_study(tmp_path / "s"), 1, 0.1)
    reader = StudyTrials(tmp_path / "s")
    reader.refresh()
    (tmp_path / "s" / "study.db").write_bytes(b"x" * 5000)
    with pytest.raises(InputError, match=r"study\.db: is damaged"):
        reader.refresh()
    assert len(reader.trials) == 1


def test_cards_are_read_once_and_a_half_written_one_is_told(tmp_path: Path) -> None:
    cards = Cards(tmp_path / "members")
    assert cards.refresh() == 0
    shutil.copytree(FILES / "studies/classes/members", tmp_path / "members")
    (tmp_path / "members/0009").mkdir()
    (tmp_path / "members/0010").mkdir()
    (tmp_path / "members/0010/card.json").write_text('{"member": ')
    cards.refresh()
    assert set(cards.known) == {"0000", "0002"}
    assert "card.json: cannot be read" in cards.broken["0010"]
    (tmp_path / "members/0010/card.json").write_text(json.dumps({"member": "0010", "metrics": {}}))
    cards.refresh()
    assert set(cards.known) == {"0000", "0002", "0010"}
    assert not cards.broken


def test_many_curves_are_one_trace_thinned_with_its_extremes() -> None:
    epochs = np.arange(1, 1001)
    curves = [(epochs, np.sin(epochs / 50 + shift)) for shift in range(200)]
    x, y = figures.joined(curves, 20_000)
    assert len(x) < 22_000
    assert np.isnan(x).sum() == 200
    assert np.nanmax(y) == pytest.approx(1, abs=1e-4)
    assert np.nanmin(y) == pytest.approx(-1, abs=1e-4)
    whole, _ = figures.joined(curves[:2])
    assert len(whole) == 2002


def test_names_are_shown_as_they_are_in_figures() -> None:
    figure = figures.best_so_far("s", [0, 1], [0.2, 0.1], "<b>loss</b>", True)
    assert figure["layout"]["yaxis"]["title"]["text"] == "&lt;b&gt;loss&lt;/b&gt;"


def test_the_hyperparameter_that_decides_is_the_most_important() -> None:
    rng = np.random.default_rng(1)
    trials = []
    for number in range(60):
        point = {"rate": float(rng.uniform()), "block": str(rng.choice(["a", "b"])), "fixed": 1}
        point["sometimes" if number % 2 else "else"] = int(rng.integers(9))
        values = [point["rate"] + 0.05 * float(rng.normal()), 1.0]
        trials.append(Trial(number, "complete", None, None, values, point))
    found = hyperparameters.importance(trials)
    assert next(iter(found)) == "rate"
    assert found["rate"] > 0.7
    assert max(value for name, value in found.items() if name != "rate") < 0.3
    assert "fixed" not in found
    facts = StudyFacts.model_validate(
        {"family": "x", "space": {"objective": {"metric": "loss", "direction": "minimize"}, "beside": ["n"]}}
    )
    parallel = hyperparameters.parallel_figure("s", trials, facts)
    assert parallel is not None
    assert [axis["label"] for axis in parallel["data"][0]["dimensions"]] == ["loss", "rate", "block"]
    assert hyperparameters.objectives_figure("s", trials, facts) is not None
    assert hyperparameters.slice_figure("s", trials, "nothing", facts) is None
    assert hyperparameters.importance(trials[:3]) == {}


def test_of_many_curves_some_are_drawn_and_the_band_is_that_of_all() -> None:
    facts = StudyFacts.model_validate(
        {"family": "x", "space": {"objective": {"metric": "loss", "direction": "minimize"}}}
    )
    steps = np.arange(1, 11, dtype=np.int32)
    trials = [
        Trial(number, "complete", None, None, [number], {}, {}, steps, np.full(10, number, np.float32))
        for number in range(301)
    ]
    names = [trace.get("name") for trace in learning_curves("s", trials, facts)["data"]]
    assert names == [
        "complete (100 of 300 drawn)", None, "80 % of complete", "median of complete", "best (trial 0)",
    ]  # fmt: skip
    curves = [curve for trial in trials for _, curve in networks_of(trial, facts)]
    median = figures.quantile_band(curves, "all", figures.BLUE)[2]["y"]
    assert np.frombuffer(base64.b64decode(median["bdata"]), "f4").tolist() == [150.0] * 10
