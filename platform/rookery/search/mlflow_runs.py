"""A study as runs of MLflow, in a database that `mlflow ui` opens."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from rookery.extras import missing
from rookery.search.study import Study, member_folder
from rookery.search.tags import read_tags
from rookery.search.trials_table import CONFIGURATION, trials_table
from rookery.training.card import HISTORY
from rookery.training.epochs_file import RUNNING, STOPPED, TIME, read_epochs
from rookery.training.epochs_file import SUFFIX as EPOCHS
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_file

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SUFFIX = ".db"
_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
"""How MLflow calls the end of a trial; a running one has none yet."""
_TAGS = ("state", "device", "error", "infeasible")
_ASIDE = ("trial", "started", "ended", *_TAGS)
_BY_EPOCH = "epoch/"
"""Metrics by epoch begin so: of a trial itself those of its kept epoch are told."""
_TEXT, _METRICS, _PARAMS = 5000, 1000, 100
"""MLflow takes no longer text, nor more metrics and parameters at once."""
Epochs = Sequence[Mapping[str, Any]]


def export_runs(study: Study, out: str | Path) -> tuple[str, ...]:
    """Write a study's trials as runs of MLflow, and return the runs' names.

    The experiment has the name of the study's folder. A run is a trial: its hyperparameters, fixed ones
    included; its objectives and all numbers of :func:`rookery.search.trials_table.trials_table`; state,
    family, survey, device, error and words as tags. Metrics by epoch are those of its network; where it has
    several, of folds or starts, each is a run nested in the trial's.

    Parameters
    ----------
    out
        SQLite database to make, a name in ``.db``; one that is there is replaced. MLflow has given up its
        file store.

    Raises
    ------
    InputError
        When MLflow is not installed, the ending is another one, or no trial has begun.
    """
    out = Path(out)
    if out.suffix.lower() != SUFFIX:
        raise fail(out, f"runs of MLflow are written to a name that ends in {SUFFIX}")
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise missing("rookery export --to mlflow", "mlflow", error.name or "mlflow") from error
    table = trials_table(study)
    if table.empty:
        raise fail(study.path, "has no trial that has begun: there is nothing to export")
    tags, names = read_tags(study.path), []
    with atomic_file(out) as partial:
        client = MlflowClient(tracking_uri=f"sqlite:///{partial.resolve()}")
        members = study.members_folder.resolve().as_uri()
        experiment = client.create_experiment(study.path.resolve().name, artifact_location=members)
        for _, row in table.iterrows():
            words = tags.get(int(row["trial"]), [])
            names += _write_trial(
                client, experiment, study, {str(key): value for key, value in row.dropna().items()}, words
            )
    return tuple(names)


def _write_trial(
    client: "MlflowClient", experiment: str, study: Study, row: Mapping[str, Any], words: Sequence[str]
) -> list[str]:
    """Write a trial as a run, and its networks as runs below it where it has several; return their names."""
    number, began = int(row["trial"]), _milliseconds(row["started"])
    ended = _milliseconds(row["ended"]) if "ended" in row else None
    status = _STATUS.get(str(row["state"]))
    survey, split = study.document.survey, study.document.split
    about = {"family": study.space.family, "survey": survey.path, "split": split.name}
    about |= {name: str(row[name])[:_TEXT] for name in _TAGS if name in row}
    about |= {"tags": " ".join(words)} if words else {}
    parameters = {
        name.removeprefix(CONFIGURATION): str(value)[:_TEXT]
        for name, value in row.items()
        if name.startswith(CONFIGURATION)
    }
    numbers = {
        name: value
        for name, value in row.items()
        if name not in _ASIDE and not name.startswith(CONFIGURATION)
    }
    name = f"trial {number}"
    run = client.create_run(experiment, began, tags=about, run_name=name).info.run_id
    _log(client, run, [(name, value, ended or began, 0) for name, value in numbers.items()], parameters)
    trained = {one: _epochs(study, one) for one in (study.member_name(number, *t) for t in study.trainings())}
    trained = {one: epochs for one, epochs in trained.items() if epochs}
    if len(trained) == 1 == len(study.trainings()):
        _log(client, run, _by_epoch(next(iter(trained.values())), began))
        trained = {}
    for one, epochs in trained.items():
        inner = about | {"mlflow.parentRunId": run}
        nested = client.create_run(experiment, began, tags=inner, run_name=one).info.run_id
        _log(client, nested, _by_epoch(epochs, began), parameters)
        _end(client, nested, status, ended)
    _end(client, run, status, ended)
    return [name, *trained]


def _epochs(study: Study, member: str) -> Epochs:
    """Return what a network has told of its epochs, finished or not."""
    history = member_folder(study.path, member) / HISTORY
    if history.is_file():
        found: Epochs = pq.read_table(history).to_pylist()
        return found
    for place in (RUNNING, STOPPED):
        told = read_epochs(study.path / place / f"{member}{EPOCHS}")
        if told is not None:
            return told.rows
    return ()


def _by_epoch(epochs: Epochs, began: int) -> Iterator[tuple[str, Any, int, int]]:
    """Yield name, value, time and epoch of what a network told; the time where it did not tell is the sum."""
    seconds = 0.0
    for number, row in enumerate(epochs, 1):
        seconds += row.get("seconds") or 0.0
        at = round(1000 * row[TIME]) if row.get(TIME) else began + round(1000 * seconds)
        yield from ((f"{_BY_EPOCH}{name}", value, at, number) for name, value in row.items() if name != TIME)


def _log(
    client: "MlflowClient",
    run: str,
    values: Iterable[tuple[str, Any, int, int]],
    parameters: Mapping[str, str] | None = None,
) -> None:
    """Write parameters of a run, and its finite numbers: name, value, time, step."""
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, float(value), at, step) for name, value, at, step in values if _is_number(value)]
    for first in range(0, len(metrics), _METRICS):
        client.log_batch(run, metrics=metrics[first : first + _METRICS])
    written = [Param(name, value) for name, value in (parameters or {}).items()]
    for first in range(0, len(written), _PARAMS):
        client.log_batch(run, params=written[first : first + _PARAMS])


def _end(client: "MlflowClient", run: str, status: str | None, ended: int | None) -> None:
    if status is not None:
        client.set_terminated(run, status, ended)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _milliseconds(time: Any) -> int:
    """Return a time of this machine, as Optuna keeps it, in milliseconds since 1970."""
    return round(1000 * time.to_pydatetime().timestamp())
