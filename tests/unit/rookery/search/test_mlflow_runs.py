"""`rookery export STUDY OUT.db --to mlflow`: what MLflow itself reads in it."""

import math
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from rookery import api
from rookery.search.study import open_study
from rookery.search.trials_table import trials_table
from rookery_ensembles import InputError

STUDIES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1" / "studies"


def opened(database: Path) -> tuple[Any, dict[str, Any]]:
    """Return MLflow's client of a database, and its runs by name."""
    mlflow = pytest.importorskip("mlflow", reason="needs the extra `mlflow`")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{database}")
    (experiment,) = client.search_experiments(filter_string="name != 'Default'")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return client, {run.info.run_name: run for run in runs}


@pytest.mark.filterwarnings("ignore")  # of MLflow and what it brings, which are not ours
@pytest.mark.parametrize("name", ["classes", "redshifts"])
def test_mlflow_opens_trials_with_parameters_metrics_epochs_and_tags(name: str, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs the extra `mlflow`")
    study = open_study(STUDIES / name)
    names = api.export(STUDIES / name, tmp_path / "runs.db", to="mlflow")
    client, runs = opened(tmp_path / "runs.db")
    assert set(runs) == set(names)
    assert [one.name for one in tmp_path.iterdir()] == ["runs.db"]
    for _, row in trials_table(study).iterrows():
        run = runs[f"trial {row['trial']}"]
        for column, value in row.dropna().items():
            if str(column).startswith("configuration."):
                assert run.data.params[str(column).removeprefix("configuration.")] == str(value)
        assert run.data.tags["state"] == row["state"]
        assert run.data.tags["family"] == study.space.family
        ended = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
        assert run.info.status == ended.get(row["state"], "RUNNING")
        if row["state"] != "COMPLETE":
            continue
        assert run.data.metrics["validation_log_loss"] == pytest.approx(row["validation_log_loss"])
        duration = (row["ended"] - row["started"]).total_seconds()
        assert (run.info.end_time - run.info.start_time) / 1000 == pytest.approx(duration, abs=0.01)
        members = [study.member_name(row["trial"], *each) for each in study.trainings()]
        for member in members:
            own = run if len(members) == 1 else runs[member]
            assert own is run or own.data.tags["mlflow.parentRunId"] == run.info.run_id
            history = pq.read_table(STUDIES / name / "members" / member / "history.parquet")
            told = client.get_metric_history(own.info.run_id, "epoch/validation_log_loss")
            losses = {one.step: one.value for one in told}
            expected = history["validation_log_loss"].to_pylist()
            assert losses == {
                step: pytest.approx(v) for step, v in enumerate(expected, 1) if math.isfinite(v)
            }


def test_without_mlflow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(InputError, match=r"of the extra `mlflow`: .*'rookery-astro\[mlflow\]'"):
        api.export(STUDIES / "classes", tmp_path / "runs.db", to="mlflow")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_study_or_no_database_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"to a name that ends in \.db"):
        api.export(STUDIES / "classes", tmp_path / "runs.csv", to="mlflow")
    with pytest.raises(InputError, match="is for a study"):
        api.export(STUDIES / "classes" / "ensemble", tmp_path / "runs.db", to="mlflow")
