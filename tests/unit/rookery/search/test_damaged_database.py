"""A study.db that is damaged in every way is one error of its readers: status, dashboard, Pareto front."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from rookery import api
from rookery.dashboard.optuna_pages import open_storage
from rookery_ensembles.errors import LONGEST, InputError

DOCUMENT = """\
family: pelican
survey: {path: nowhere, checksum: '0'}
split: {name: half, digest: '0', folds: 0}
class_names: [Ia, non-Ia]
sampler: tpe
pruner: none
seed: 0
execution: auto
space:
  family: pelican
  objective: {metric: validation_log_loss, direction: minimize}
  parameters: {learning_rate: {type: float, low: 1.0e-4, high: 1.0e-1, log: true}}
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 40 trials, some of which failed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "study.yaml").write_text(DOCUMENT)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db")
    study = optuna.create_study(
        storage=storage, study_name="rookery", sampler=optuna.samplers.RandomSampler(0)
    )

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        trial.report(value, 1)
        trial.set_user_attr("device_seconds", 2.0)
        if trial.number % 8 == 3:
            trial.set_user_attr("error", "ValueError: too bad")
            raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=40)
    storage.remove_session()
    storage.engine.dispose()
    return folder


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "study"))


def look(study: Path) -> None:
    """Use every reader of the database."""
    api.status(study)
    api.pareto(study)
    storage = open_storage(study)
    try:
        for one in storage.get_all_studies():
            storage.get_all_trials(one._study_id)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_an_undamaged_study_is_read(study: Path) -> None:
    look(study)
    assert api.status(study)["trials"]["complete"] == 35


CELLS = {
    "unknown state": "UPDATE trials SET state = 'DANCING'",
    "text as a number of a trial": "UPDATE trials SET number = 'first'",
    "no number": "UPDATE trials SET number = NULL WHERE trial_id = 4",
    "negative number": "UPDATE trials SET number = -1 WHERE trial_id = 4",
    "no date": "UPDATE trials SET datetime_start = 'yesterday'",
    "number as a date": "UPDATE trials SET datetime_complete = 12",
    "bytes as a date": "UPDATE trials SET datetime_start = x'ff00ff'",
    "text as a value": "UPDATE trial_values SET value = 'good'",
    "no value": "DELETE FROM trial_values",
    "unknown kind of value": "UPDATE trial_values SET value_type = 'COMPLEX'",
    "objective that there is not": "UPDATE trial_values SET objective = 7",
    "text as an intermediate value": "UPDATE trial_intermediate_values SET intermediate_value = 'x'",
    "text as a step": "UPDATE trial_intermediate_values SET step = 'one'",
    "attribute that is no JSON": "UPDATE trial_user_attributes SET value_json = '{'",
    "attribute of another type": "UPDATE trial_user_attributes SET value_json = '[1]'",
    "attribute that is nested": f"UPDATE trial_user_attributes SET value_json = '{'[' * 100_000}'",
    "attribute that is no text": "UPDATE trial_user_attributes SET value_json = x'ff'",
    "no attribute": "UPDATE trial_user_attributes SET value_json = NULL",
    "distribution that is no JSON": "UPDATE trial_params SET distribution_json = 'x'",
    "unknown distribution": 'UPDATE trial_params SET distribution_json = \'{"name": "Cauchy"}\'',
    "distribution without a name": "UPDATE trial_params SET distribution_json = '{\"attributes\": {}}'",
    "text as a parameter": "UPDATE trial_params SET param_value = 'x'",
    "unknown direction": "UPDATE study_directions SET direction = 'UP'",
    "no direction": "DELETE FROM study_directions",
    "a value too many": "INSERT INTO trial_values VALUES (999, 1, 1, 0.5, 'FINITE')",
    "no table of trials": "DROP TABLE trials",
    "no table of values": "DROP TABLE trial_values",
    "a column of another name": "ALTER TABLE trials RENAME COLUMN state TO condition",
    "nothing but a table": "DROP TABLE alembic_version",
    "attribute of the study": "INSERT INTO study_user_attributes VALUES (1, 1, 'x', '{')",
}


def check(study: Path) -> bool:
    """Return whether a reader refused the study; it must do so in one line that names a file."""
    try:
        look(study)
    except InputError as error:
        message = str(error)
        assert len(message.splitlines()) == 1
        assert len(message) <= LONGEST
        assert str(study) in message
        return True
    return False


@pytest.mark.parametrize("damage", CELLS)
def test_a_damaged_cell_is_one_error(study: Path, damage: str) -> None:
    connection = sqlite3.connect(study / "study.db")
    connection.execute(CELLS[damage])
    connection.commit()
    connection.close()
    refused = check(study)
    assert refused or damage in HARMLESS


HARMLESS = ("nothing but a table", "number as a date", "text as a parameter")
"""Nobody reads it, or it reads as nothing."""


def garbage(content: bytes, numbers: random.Random) -> bytes:
    page = 4096 * numbers.randrange(len(content) // 4096)
    return content[:page] + numbers.randbytes(4096) + content[page + 4096 :]


def cut(content: bytes, numbers: random.Random) -> bytes:
    return content[: numbers.randrange(1, len(content))]


@pytest.mark.parametrize("damage", [garbage, cut])
def test_pages_that_are_damaged_or_lost_are_one_error(
    study: Path, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    content, numbers = (study / "study.db").read_bytes(), random.Random(1)
    refused = 0
    for _ in range(25):
        (study / "study.db").write_bytes(damage(content, numbers))
        refused += check(study)
    assert refused > 12
