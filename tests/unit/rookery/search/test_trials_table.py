"""`rookery export STUDY OUT`: the trials of a study as a table, with real studies of an earlier version."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rookery import api
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace
from rookery.search.study import open_study
from rookery.surveys import Survey
from rookery_ensembles import Classes, InputError

STUDIES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1" / "studies"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_has_every_begun_trial_with_hyperparameters_metrics_and_costs(
    tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"trials.{suffix}"
    columns = api.export(STUDIES / "classes", out)
    table = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert tuple(table) == columns
    study = open_study(STUDIES / "classes")
    trials = [t for t in study.reader().get_trials() if t.datetime_start is not None]  # type: ignore[union-attr]
    assert table["trial"].tolist() == [trial.number for trial in trials]
    assert table["state"].tolist() == [trial.state.name for trial in trials]
    for trial, (_, row) in zip(trials, table.iterrows(), strict=True):
        for name, value in trial.params.items():
            found = row[f"configuration.{name}"]
            assert found == pytest.approx(value) if isinstance(value, float) else str(found) == str(value)
        if trial.values:
            assert row["validation_log_loss"] == pytest.approx(trial.values[0])
            assert row["device_seconds"] > 0
    assert table["configuration.epochs"].nunique() == 1, "what is fixed is told, too"
    assert table["error"].dropna().tolist() == [
        str(t.user_attrs["error"]).splitlines()[0] for t in trials if "error" in t.user_attrs
    ]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("t.fits", {}, "ends in .csv or .parquet, but this one ends in .fits"),
        ("t", {}, "ends in .csv or .parquet, but this one ends in none"),
        ("t.csv", {"to": "parquet"}, "ends in .parquet, but this one ends in .csv"),
        ("t.csv", {"id_column": "x"}, "are for predictions"),
    ],
)
def test_what_cannot_be_exported_is_one_error(
    name: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        api.export(STUDIES / "classes", tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_study_without_a_trial_is_one_error(
    tmp_path: Path, tiny_survey: Survey, tiny_configuration: dict[str, Any]
) -> None:
    parameters: dict[str, Any] = {name: {"value": value} for name, value in tiny_configuration.items()}
    parameters["learning_rate"] = {"type": "float", "low": 1e-3, "high": 1e-1}
    space = SearchSpace.model_validate(
        {
            "family": "pelican",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": parameters,
        }
    )
    create_or_open_study(tmp_path / "x", space, tiny_survey, "half", target=Classes(("Ia", "non-Ia")))
    with pytest.raises(InputError, match="has no trial that has begun"):
        api.export(tmp_path / "x", tmp_path / "t.csv")
