"""Locks of the PostgreSQL server: one driver at a time makes a study, and each shows that it lives.

Drivers hold an advisory lock of the server for as long as they live: the server frees it when a driver dies,
however it does, so that others know whose trials to take up.
"""

import hashlib
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from rookery.compute.faults import reason
from rookery.search.storage.database import CONNECTION
from rookery.search.storage.patient_calls import patient
from rookery_ensembles.errors import fail

_LOCK = sqlalchemy.text("SELECT pg_advisory_lock(:key)")
_UNLOCK = sqlalchemy.text("SELECT pg_advisory_unlock(:key)")


@contextmanager
def creation_turn(url: sqlalchemy.URL, study: str) -> Iterator[None]:
    """Let one driver at a time make a study, by a lock of the PostgreSQL server.

    Raises
    ------
    InputError
        When the server does not answer.
    """
    try:
        connection = _engine(url).connect()
    except DBAPIError as error:
        shown = url.render_as_string(hide_password=True)
        raise fail(shown, f"cannot be used as a database of the study ({reason(error)})") from error
    with connection:  # its end frees the lock
        connection.execute(_LOCK, {"key": _key(study, "create")})
        yield


def _engine(url: sqlalchemy.URL) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", **CONNECTION)


def _key(study: str, what: str) -> int:
    """Return the number under which the server knows a lock of a study."""
    return int.from_bytes(hashlib.sha256(f"{study}/{what}".encode()).digest()[:8], "big", signed=True)


class DriverLocks:
    """The drivers that work on one study at the same time, as locks of the PostgreSQL server tell.

    Used by one thread of one driver.
    """

    def __init__(self, url: sqlalchemy.URL, study: str) -> None:
        self.me = uuid.uuid4().hex[:12]
        self._study = study
        self._engine = _engine(url)
        self._life: sqlalchemy.Connection | None = None
        self._looked = 0.0
        self.heartbeat()

    def heartbeat(self) -> None:
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
            life.execute(_LOCK, {"key": self._key(self.me)})
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
                    connection.execute(_UNLOCK, values)
            return not free

        return patient(ask)()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one driver at a time count trials and ask for the next."""

        def take() -> sqlalchemy.Connection:
            connection = self._engine.connect()
            connection.execute(_LOCK, {"key": self._key("turn")})
            return connection

        connection = patient(take)()
        try:
            yield
        finally:
            try:
                connection.execute(_UNLOCK, {"key": self._key("turn")})
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
        return _key(self._study, what)
