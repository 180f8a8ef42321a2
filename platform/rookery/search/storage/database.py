"""The database of a study: SQLite for one driver, PostgreSQL for several at the same time.

A PostgreSQL database may hold many studies; each has the name that its ``study.yaml`` says.
"""

import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from rookery.compute.faults import reason, storage_fault
from rookery.extras import missing
from rookery.search.storage.patient_calls import file_patient, patient
from rookery.search.storage.sqlite_file import flaws
from rookery.search.storage.typed_reads import DAMAGE, type_reads
from rookery_ensembles.errors import InputError, fail

ENVIRONMENT = "ROOKERY_STORAGE"
"""Environment variable with the database's URL, password included, which goes before that of study.yaml."""
_KINDS = ("sqlite", "postgresql")
# No connection is kept: none is stale when the server comes back, and locks never outlive their use.
CONNECTION: dict[str, Any] = {"poolclass": NullPool, "connect_args": {"connect_timeout": 10}}
_RETRIED = (
    "create_new_study", "get_study_id_from_name", "get_study_directions", "get_study_user_attrs",
    "set_study_user_attr", "set_study_system_attr", "get_study_system_attrs", "create_new_trial",
    "_create_new_trial", "set_trial_param", "_set_trial_param", "set_trial_state_values",
    "set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr",
    "get_trial", "get_all_trials", "_get_trials",
    "get_trial_id_from_study_id_trial_number",
)  # fmt: skip


def parse_storage(text: str) -> sqlalchemy.URL:
    """Return a database's URL, with the library that speaks to it.

    Raises
    ------
    InputError
        When it is no URL, or one of another kind of database.
    """
    try:
        url = sqlalchemy.make_url(text)
    except SQLAlchemyError as error:
        rule = "must be the URL of a database, such as postgresql://user@host/name"
        raise InputError(f"--storage: {rule}, but is {text!r}") from error
    kind = url.get_backend_name()
    if kind not in _KINDS:
        raise InputError(f"--storage: must be one of {', '.join(_KINDS)}, but is {kind}")
    return with_driver(url)


def with_driver(url: sqlalchemy.URL) -> sqlalchemy.URL:
    """Return a URL that names the library which speaks to PostgreSQL here."""
    return url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url


def without_password(text: str) -> str:
    """Return a URL as study.yaml may keep it."""
    url = sqlalchemy.make_url(text)
    kept = sqlalchemy.URL.create(
        url.drivername, url.username, None, url.host, url.port, url.database, url.query
    )
    return kept.render_as_string(hide_password=False)


def study_url(folder: Path, storage: str | None, given: str | None = None) -> sqlalchemy.URL:
    """Return where a study's database is: as given, by the environment, by study.yaml, or its own file."""
    if storage is None:
        return sqlalchemy.URL.create("sqlite", database=str((folder / "study.db").resolve()))
    return parse_storage(given or os.environ.get(ENVIRONMENT) or storage)


def open_database(url: sqlalchemy.URL) -> RDBStorage:
    """Open a database for Optuna; one that cannot be reached later is tried again for a while.

    Raises
    ------
    InputError
        When it cannot be opened now.
    """
    kind = url.get_backend_name()
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if kind == "sqlite" else {}
    if kind == "postgresql":
        options = dict(CONNECTION)
    shown = url.database if kind == "sqlite" else url.render_as_string(hide_password=True)
    what = "SQLite database" if kind == "sqlite" else "database of the study"
    try:
        storage = _open_or_make(url.render_as_string(hide_password=False), options)
    except DAMAGE as error:
        raise fail(str(shown), f"cannot be used as a {what} ({reason(error)})") from error
    except ImportError as error:
        raise missing(str(shown), "postgresql", error.name or "psycopg") from error
    if kind == "sqlite":
        sqlalchemy.event.listen(storage.engine, "connect", _keep_the_journal)
        storage.engine.dispose()
    for name in _RETRIED:
        call = getattr(storage, name)
        setattr(storage, name, patient(call) if kind == "postgresql" else file_patient(call))
    type_reads(storage, str(shown), passing=storage_fault)
    return storage


def read_only_storage(url: sqlalchemy.URL) -> RDBStorage | None:
    """Open a study's database so that nothing is written, also on a read-only disk; None where no study is.

    An SQLite file is never made, and readers hold no lock between statements, so that a running search
    goes on writing.

    Raises
    ------
    InputError
        When it cannot be opened, or a death left it half made.
    """
    shown = url.render_as_string(hide_password=True)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        path = Path(url.database or "")
        if not path.is_file():
            return None
        # Read-only would not do where it can be helped: it cannot roll back what a killed search left.
        how = {"mode": "rw"} if os.access(path.parent, os.W_OK) else {"mode": "ro", "immutable": "1"}
        url = url.set(database=f"file:{quote(str(path.resolve()))}", query={**how, "uri": "true"})
    options: dict[str, Any] = {"connect_args": {"timeout": 30}} if sqlite else dict(CONNECTION)
    plain = url.render_as_string(hide_password=False)
    try:
        if not _has_study(plain, options, shown):
            return None
        storage = RDBStorage(
            plain, engine_kwargs=options, skip_compatibility_check=True, skip_table_creation=True
        )
        if sqlite:
            sqlalchemy.event.listen(storage.engine, "connect", _refuse_writes)
            storage.engine.dispose()
    except InputError:
        raise
    except DAMAGE as error:
        raise fail(shown, f"the study's storage cannot be opened ({reason(error)})") from error
    except ImportError as error:
        raise missing(shown, "postgresql", error.name or "psycopg") from error
    type_reads(storage, shown)
    return storage


def _has_study(url: str, options: dict[str, Any], shown: str) -> bool:
    # Asked before Optuna opens it, which would write its tables' version into an empty database.
    engine = sqlalchemy.create_engine(url, **options)
    try:
        if not sqlalchemy.inspect(engine).has_table("studies"):
            return False
        with engine.connect() as connection:
            if connection.execute(sqlalchemy.text("SELECT 1 FROM studies LIMIT 1")).first() is None:
                return False
            found = flaws(connection) if engine.dialect.name == "sqlite" else []
    finally:
        engine.dispose()
    if found:
        rule = f"is damaged ({'; '.join(found)})"
        raise fail(shown, f"{rule}; the `rookery search` that made it mends it")
    return True


def _keep_the_journal(connection: Any, _record: object) -> None:
    """Empty the rollback journal instead of removing it: as safe, and a commit takes half the time."""
    connection.execute("PRAGMA journal_mode = TRUNCATE")


def _refuse_writes(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _open_or_make(url: str, options: dict[str, Any]) -> RDBStorage:
    """Open a database and make Optuna's tables where there are none; another driver may make them now."""
    for left in (4, 3, 2, 1, 0):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except (IntegrityError, ProgrammingError, StorageInternalError) as error:
            cause = error if isinstance(error, SQLAlchemyError) else error.__cause__
            if not left or not isinstance(cause, IntegrityError | ProgrammingError):
                raise
            time.sleep(0.5)
    raise AssertionError
