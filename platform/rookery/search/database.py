"""The database of a study: SQLite for one driver, PostgreSQL for several at the same time.

A PostgreSQL database may hold many studies; each has the name that its ``study.yaml`` says. Drivers hold an
advisory lock of the server for as long as they live: the server frees it when a driver dies, however it does,
so that others know whose trials to take up.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from rookery_ensembles.errors import InputError, fail

logger = logging.getLogger(__name__)
T = TypeVar("T")

ENVIRONMENT = "ROOKERY_STORAGE"
"""Environment variable with the database's URL, password included, which goes before that of study.yaml."""
PATIENCE_SECONDS = 300.0
"""So long is a database that cannot be reached tried again."""
DRIVER = "driver"
"""User attribute of a trial: identity of the driver that runs it."""
_KINDS = ("sqlite", "postgresql")
# No connection is kept: none is stale when the server comes back, and locks never outlive their use.
_CONNECTION: dict[str, Any] = {"poolclass": NullPool, "connect_args": {"connect_timeout": 10}}
_RETRIED = (
    "create_new_study", "get_study_id_from_name", "get_study_directions", "get_study_user_attrs",
    "set_study_user_attr", "set_study_system_attr", "get_study_system_attrs", "create_new_trial",
    "set_trial_param", "set_trial_state_values", "set_trial_intermediate_value", "set_trial_user_attr",
    "set_trial_system_attr", "get_trial", "get_all_trials", "_get_trials",
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
    return url.set(drivername="postgresql+psycopg") if kind == "postgresql" else url


def without_password(text: str) -> str:
    """Return a URL as study.yaml may keep it."""
    url = sqlalchemy.make_url(text)
    kept = sqlalchemy.URL.create(
        url.drivername, url.username, None, url.host, url.port, url.database, url.query
    )
    return kept.render_as_string(hide_password=False)


def study_url(folder: Path, storage: str | None, given: str | None = None) -> sqlalchemy.URL:
    """Return where a study's database is: as given, by the environment, by study.yaml, or its own file."""
    text = given or os.environ.get(ENVIRONMENT) if storage is not None else None
    text = text or storage
    if text is None:
        return sqlalchemy.URL.create("sqlite", database=str((folder / "study.db").resolve()))
    return parse_storage(text)


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
        options = dict(_CONNECTION)
    shown = url.database if kind == "sqlite" else url.render_as_string(hide_password=True)
    what = "SQLite database" if kind == "sqlite" else "database of the study"
    try:
        storage = _open_or_make(url.render_as_string(hide_password=False), options)
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise fail(str(shown), f"cannot be used as a {what} ({reason})") from error
    except ImportError as error:
        rule = "needs `psycopg`: pip install 'rookery[postgresql]'"
        raise fail(str(shown), rule) from error
    if kind == "postgresql":
        for name in _RETRIED:
            setattr(storage, name, patient(getattr(storage, name)))
    return storage


def read_only_storage(url: sqlalchemy.URL) -> RDBStorage | None:
    """Open a study's database so that nothing is written, also on a read-only disk; None when there is none.

    Raises
    ------
    InputError
        When it cannot be opened.
    """
    options: dict[str, Any] = dict(_CONNECTION)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        if not path.is_file():
            return None
        query = {"mode": "ro", "uri": "true"}
        if not os.access(path.parent, os.W_OK):
            query["immutable"] = "1"  # SQLite may not make the files that it would watch
        url = url.set(database=f"file:{quote(str(path.resolve()))}", query=query)
        options = {"connect_args": {"timeout": 30}, "poolclass": NullPool}
    try:
        engine = sqlalchemy.create_engine(url, **options)
        made = sqlalchemy.inspect(engine).has_table("studies")
        engine.dispose()
        if not made:
            return None
        plain = url.render_as_string(hide_password=False)
        return RDBStorage(
            plain, engine_kwargs=options, skip_compatibility_check=True, skip_table_creation=True
        )
    except (SQLAlchemyError, StorageInternalError, ImportError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        shown = url.render_as_string(hide_password=True)
        raise fail(shown, f"the study's database cannot be opened ({reason})") from error


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


def patient(call: Callable[..., T], seconds: float | None = None) -> Callable[..., T]:
    """Return a call that is made again while the database cannot be reached, with growing pauses."""

    @wraps(call)
    def wrapped(*args: Any, **options: Any) -> T:
        end = time.monotonic() + (PATIENCE_SECONDS if seconds is None else seconds)
        pause, again = 0.5, False
        while True:
            try:
                return call(*args, **options)
            except UpdateFinishedTrialError:
                if not again:
                    raise
                return True  # type: ignore[return-value]  # told before, but the answer was lost
            except (DBAPIError, StorageInternalError) as error:
                if not _may_pass(error) or time.monotonic() + pause > end:
                    raise
                reason = str(error.__cause__ or error).strip().splitlines()[0]
                logger.warning("the database cannot be reached (%s); tried again in %.1f s", reason, pause)
            time.sleep(pause)
            pause, again = min(2 * pause, 15.0), True

    return wrapped


def _may_pass(error: BaseException | None) -> bool:
    """Whether an error says that the database cannot be reached just now."""
    while error is not None:
        if isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False):
            return True
        error = error.__cause__
    return False


@contextmanager
def creation_turn(url: sqlalchemy.URL, study: str) -> Iterator[None]:
    """Let one driver at a time make a study, by a lock of the PostgreSQL server.

    Raises
    ------
    InputError
        When the server does not answer.
    """
    key = int.from_bytes(hashlib.sha256(f"{study}/create".encode()).digest()[:8], "big", signed=True)
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", **_CONNECTION)
    try:
        connection = engine.connect()
    except DBAPIError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        shown = url.render_as_string(hide_password=True)
        raise fail(shown, f"cannot be used as a database of the study ({reason})") from error
    with connection:  # its end frees the lock
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": key})
        yield


class Drivers:
    """The drivers that work on one study at the same time, as locks of the PostgreSQL server tell.

    Used by one thread of one driver.
    """

    def __init__(self, url: sqlalchemy.URL, study: str) -> None:
        self.me = uuid.uuid4().hex[:12]
        self._study = study
        self._engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", **_CONNECTION)
        self._life: sqlalchemy.Connection | None = None
        self._looked = 0.0
        self.show_life()

    def show_life(self) -> None:
        """Hold this driver's lock; take it again when the connection was lost. Cheap to call often."""
        if self._life is not None and time.monotonic() - self._looked < 5:
            return
        patient(self._hold)()
        self._looked = time.monotonic()

    def _hold(self) -> None:
        try:
            if self._life is not None:
                self._life.execute(sqlalchemy.text("SELECT 1"))
                return
            life = self._engine.connect()
            life.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": self._key(self.me)})
            life.execute(sqlalchemy.text("SELECT pg_advisory_lock_shared(:key)"), {"key": self._key("alive")})
            self._life = life
        except DBAPIError:
            self._life = None
            raise

    def alone(self) -> bool:
        """Whether no other driver works on the study now."""

        def ask() -> bool:
            with self._engine.connect() as connection:
                count = connection.execute(
                    sqlalchemy.text(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' "
                        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                        "AND ((classid::bigint << 32) | objid::bigint) = :key"
                    ),
                    {"key": self._key("alive")},
                ).scalar_one()
            return int(count) <= 1

        return patient(ask)()

    def lives(self, driver: str) -> bool:
        """Whether a driver holds its lock."""
        if driver == self.me:
            return True

        def ask() -> bool:
            with self._engine.connect() as connection:
                values = {"key": self._key(driver)}
                got = connection.execute(sqlalchemy.text("SELECT pg_try_advisory_lock(:key)"), values)
                free = bool(got.scalar_one())
                if free:
                    connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(:key)"), values)
            return not free

        return patient(ask)()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one driver at a time count trials and ask for the next."""

        def take() -> sqlalchemy.Connection:
            connection = self._engine.connect()
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": self._key("turn")})
            return connection

        connection = patient(take)()
        try:
            yield
        finally:
            try:
                connection.execute(
                    sqlalchemy.text("SELECT pg_advisory_unlock(:key)"), {"key": self._key("turn")}
                )
                connection.close()
            except DBAPIError:  # the server went, and the lock with it
                connection.invalidate()
                connection.close()

    def leave(self) -> None:
        """Let go of every lock."""
        if self._life is not None:
            self._life.close()
            self._life = None
        self._engine.dispose()

    def _key(self, what: str) -> int:
        digest = hashlib.sha256(f"{self._study}/{what}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)
