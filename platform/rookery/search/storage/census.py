"""The trials of a study's database in a handful of queries: what is asked for, and nothing of the rest.

Optuna's own reading makes an object of every value of every epoch of every trial: for a study of thousands
of trials that takes many times longer and more memory than what a summary needs. A study's own SQLite file
is read by Python's library alone; the tables are Optuna's.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rookery.search.attributes import RULES, is_number, is_whole
from rookery_ensembles.errors import fail
from rookery_ensembles.plain_text import parse_json

Ask = Callable[..., Sequence[Any]]
"""Takes an SQL statement and its parameters by name; returns rows."""
_MINE = "t.study_id IN (SELECT study_id FROM studies WHERE study_name = :study)"
_TRIALS = f"SELECT t.trial_id, number, state, datetime_start, datetime_complete FROM trials t WHERE {_MINE}"
_ATTRIBUTES = f"""
SELECT t.trial_id, a.key, a.value_json FROM trials t JOIN trial_user_attributes a ON a.trial_id = t.trial_id
WHERE {_MINE} AND a.key IN ({{keys}})
"""
_STUDY_ATTRIBUTE = """
SELECT a.value_json FROM study_user_attributes a JOIN studies s ON s.study_id = a.study_id
WHERE s.study_name = :study AND a.key = :key
"""
_VALUES = f"""
SELECT t.trial_id, v.value, v.value_type FROM trials t JOIN trial_values v ON v.trial_id = t.trial_id
WHERE {_MINE} AND t.state = 'COMPLETE' AND v.objective = 0
"""
_LAST_STEPS = f"""
SELECT t.trial_id, MAX(i.step) FROM trials t JOIN trial_intermediate_values i ON i.trial_id = t.trial_id
WHERE {_MINE} AND t.state IN ('PRUNED', 'RUNNING') GROUP BY t.trial_id
"""
_STEPS = f"""
SELECT t.trial_id, i.step, i.intermediate_value, i.intermediate_value_type
FROM trials t JOIN trial_intermediate_values i ON i.trial_id = t.trial_id
WHERE {_MINE} AND t.state = 'RUNNING'
"""
_PARAMETER = f"""
SELECT t.trial_id, p.param_value FROM trials t JOIN trial_params p ON p.trial_id = t.trial_id
WHERE {_MINE} AND t.state IN ('PRUNED', 'RUNNING') AND p.param_name = :parameter
"""
_TWICE = "SELECT 1 FROM studies GROUP BY study_name HAVING count(*) > 1"
_INDEX = "SELECT 1 FROM sqlite_master WHERE name = 'ix_studies_study_name'"
STATES = ("complete", "pruned", "fail", "running", "waiting")
_ODD = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}


@dataclass
class TrialRecord:
    """A trial, as far as it was asked for. Times are local ones of this machine."""

    number: int
    state: str
    """One of `STATES`."""
    started: datetime | None
    ended: datetime | None
    value: float | None = None
    """Of the first objective, where it is complete."""
    last_step: int | None = None
    """Where it is pruned or running."""
    last_value: float | None = None
    """That of the last step, where it is running."""
    attributes: dict[str, Any] = field(default_factory=dict)
    parameter: float | None = None
    """The one that was asked for, where it is pruned or running."""


def read_census(
    folder: Path, storage: str | None, study: str, attributes: Collection[str], parameter: str
) -> list[TrialRecord]:
    """Return the trials of a study by their numbers; none where it has just been made. Writes nothing.

    Parameters
    ----------
    folder, storage
        The study's, and the URL of its database if that is not a file of the folder.
    study
        Name of the Optuna study in the database.
    attributes
        User attributes to read.
    parameter
        A numeric parameter to read of trials that are pruned or running.

    Raises
    ------
    InputError
        When the database cannot be opened or read.
    """
    with asking(folder, storage) as ask:
        if ask is None:
            return []
        trials = {}
        for identity, number, state, started, ended in ask(_TRIALS, study=study):
            trial = TrialRecord(number, state.lower(), local_time(started), local_time(ended))
            if not is_whole(number) or number < 0 or trial.state not in STATES:
                raise ValueError(f"trial {number!r} is {state!r}")
            trials[identity] = trial
        keys = {f"key{number}": key for number, key in enumerate(attributes)}
        statement = _ATTRIBUTES.format(keys=", ".join(f":{name}" for name in keys))
        for identity, key, text in ask(statement, study=study, **keys) if keys else ():  # no `IN ()` in SQL
            value = parse_json(text, f"trial {trials[identity].number}, `{key}`")
            rule, holds = RULES[key]
            if not holds(value):
                raise ValueError(f"`{key}` must be {rule}, but is {value!r}")
            trials[identity].attributes[key] = value
        for identity, value, kind in ask(_VALUES, study=study):
            trials[identity].value = as_number(value, kind)
        for identity, step in ask(_LAST_STEPS, study=study):
            trials[identity].last_step = int(step)
        for identity, step, value, kind in ask(_STEPS, study=study):
            if step == trials[identity].last_step:
                trials[identity].last_value = as_number(value, kind)
        for identity, value in ask(_PARAMETER, study=study, parameter=parameter):
            trials[identity].parameter = float(value)
        for trial in trials.values():
            if trial.state == "complete" and trial.value is None:
                raise ValueError(f"trial {trial.number} is complete and has no value")
    return sorted(trials.values(), key=lambda trial: trial.number)


_WRONG = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)
"""What values that nobody wrote end in, where they are used as what they should be."""


def asking(folder: Path, storage: str | None) -> AbstractContextManager[Ask | None]:
    """Ask a study's database, as `read_census` does; None where no study is in it yet. Writes nothing.

    What cannot be opened or read meanwhile is one `InputError`.
    """
    return _own_file(folder) if storage is None else _database(folder, storage)


def read_study_attribute(folder: Path, storage: str | None, study: str, key: str) -> Any:
    """Return a user attribute of the study itself, None where there is none; see :func:`read_census`."""
    with asking(folder, storage) as ask:
        rows = ask(_STUDY_ATTRIBUTE, study=study, key=key) if ask is not None else ()
        return parse_json(rows[0][0], f"`{key}`") if rows else None


@contextmanager
def _own_file(folder: Path) -> Iterator[Ask | None]:
    """Ask the SQLite file of a study's folder; None where there is none, or no study in it yet."""
    path = folder / "study.db"
    if not path.is_file():
        yield None
        return
    # As `read_only_storage`: what a killed search left can only be rolled back by who may write.
    how = "mode=rw" if os.access(folder, os.W_OK) else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?{how}", 30, uri=True)) as connection:
            connection.execute("PRAGMA query_only = ON")

            def ask(statement: str, **parameters: str) -> Sequence[Any]:
                return connection.execute(statement, parameters).fetchall()

            made = ask("SELECT 1 FROM sqlite_master WHERE name = 'studies'")
            if made and (ask(_TWICE) or not ask(_INDEX)):
                _explain(path)
            yield ask if made and ask("SELECT 1 FROM studies LIMIT 1") else None
    except (sqlite3.Error, *_WRONG) as error:
        raise fail(path, f"is damaged: cannot be read as the database of a study ({error})") from error


def _explain(path: Path) -> None:
    """Raise the error of a database that a death left half made."""
    import sqlalchemy

    from rookery.search.storage.database import read_only_storage

    read_only_storage(sqlalchemy.URL.create("sqlite", database=str(path)))


@contextmanager
def _database(folder: Path, storage: str) -> Iterator[Ask | None]:
    """Ask the database at a URL; None where no study is in it yet."""
    import sqlalchemy

    from rookery.compute.faults import reason
    from rookery.search.storage.database import read_only_storage, study_url

    url = study_url(folder, storage)
    opened = read_only_storage(url)
    if opened is None:
        yield None
        return
    try:
        with opened.engine.connect() as connection:

            def ask(statement: str, **parameters: str) -> Sequence[Any]:
                return connection.execute(sqlalchemy.text(statement), parameters).all()

            yield ask
    except (sqlalchemy.exc.SQLAlchemyError, *_WRONG) as error:
        rule = f"is damaged: cannot be read as the database of a study ({reason(error)})"
        raise fail(url.render_as_string(hide_password=True), rule) from error
    finally:
        opened.remove_session()
        opened.engine.dispose()


def as_number(value: Any, kind: str) -> float:
    """Return a value of Optuna's tables, where numbers that are not finite are told by their kind."""
    if kind in _ODD:
        return _ODD[kind]
    if kind != "FINITE" or not is_number(value):
        raise ValueError(f"a value is {value!r}, {kind!r}")
    return float(value)


def local_time(utc: datetime | str | None) -> datetime | None:
    """Return a time of Optuna's tables as a local one, as Optuna itself tells it."""
    found = datetime.fromisoformat(utc) if isinstance(utc, str) else utc
    return found and found.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
