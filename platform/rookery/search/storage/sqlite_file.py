"""The SQLite file of a study: made whole or not at all, and looked through whenever a driver opens it.

Optuna makes its tables one by one, and SQLite commits each: a death in between would leave a database
without the index that keeps a second study of the same name out. So a new one is made in memory and
written as one file. One that was left so by an earlier version is mended in one transaction, and nothing
that any trial wrote is ever deleted.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import sqlalchemy
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from sqlalchemy.pool import NullPool, StaticPool

from rookery.compute.faults import reason
from rookery.search.storage.typed_reads import DAMAGE
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_file, write_new_bytes

logger = logging.getLogger(__name__)
_TABLES = models.BaseModel.metadata.tables
_TRIALS = "SELECT count(*) FROM trials WHERE trials.study_id = studies.study_id"
_BY_NAME = (
    f"SELECT study_name, study_id, ({_TRIALS} AND state = 'COMPLETE'), ({_TRIALS}) FROM studies "
    "ORDER BY 1, 3 DESC, 4 DESC, 2"
)
"""Of several studies of one name the one with the most complete trials is first."""


def make_or_mend(path: Path, name: str, directions: Sequence[str]) -> None:
    """Make a study's database, its study in it, where there is none; mend one that a death left half made.

    Parameters
    ----------
    name, directions
        Of the Optuna study.

    Raises
    ------
    InputError
        When it cannot be read or written, or is no database.
    """
    try:
        if not path.exists():
            # A journal that outlived its database would be rolled back into the new one.
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
            write_new_bytes(path, _database(name, directions))
        _mend(path)
    except InputError:
        raise
    except (*DAMAGE, OSError) as error:
        raise fail(path, f"cannot be used as a SQLite database ({reason(error)})") from error


def flaws(connection: sqlalchemy.Connection) -> list[str]:
    """Return what an SQLite database lacks that Optuna's tables must have, or has twice, in words."""
    have = _names(connection)
    missing = [f"table {name}" for name in _TABLES if name not in have]
    missing += [
        f"index {index.name}"
        for table in _TABLES.values()
        if table.name in have
        for index in table.indexes
        if index.name not in have
    ]
    found = [f"{what} is missing" for what in missing]
    if "studies" in have:
        counts = "SELECT study_name, count(*) FROM studies GROUP BY 1 HAVING count(*) > 1"
        for name, number in connection.exec_driver_sql(counts):
            found.append(f"there are {number} studies `{name}`")
    return found


def _database(name: str, directions: Sequence[str]) -> bytes:
    """Return the file of a new database with one study."""
    storage = RDBStorage("sqlite://", engine_kwargs={"poolclass": StaticPool})
    storage.create_new_study([StudyDirection[direction.upper()] for direction in directions], name)
    storage.remove_session()
    with storage.engine.connect() as connection:
        content = connection.connection.driver_connection.serialize()  # type: ignore[union-attr]
    storage.engine.dispose()
    return bytes(content)


def _mend(path: Path) -> None:
    url = sqlalchemy.URL.create("sqlite", database=str(path.resolve()))
    # Without SQLAlchemy's own transactions, which would leave out the tables.
    engine = sqlalchemy.create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"timeout": 60}
    )
    with engine.connect() as connection:
        if not flaws(connection):
            return
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        found = flaws(connection)  # another driver may have been faster
        if "studies" not in _names(connection):
            found = []  # nothing was in it yet: it is made, not mended
        kept = _kept_beside(path) if found and _n_trials(connection) else None
        for table in _TABLES.values():
            table.create(connection, checkfirst=True)
        _part_studies_of_one_name(connection)
        for table in _TABLES.values():
            for index in table.indexes:
                index.create(connection, checkfirst=True)
        connection.exec_driver_sql("COMMIT")
    if found:
        as_it_was = "" if kept is None else f", and kept as it was in {kept.name}"
        logger.warning("%s: was left half made (%s); mended%s", path, "; ".join(found), as_it_was)


def _names(connection: sqlalchemy.Connection) -> set[str]:
    """Return the names of tables and indexes."""
    rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type IN ('table', 'index')")
    return {name for (name,) in rows}


def _n_trials(connection: sqlalchemy.Connection) -> int:
    if "trials" not in _names(connection):
        return 0
    return int(connection.exec_driver_sql("SELECT count(*) FROM trials").scalar_one())


def _kept_beside(path: Path) -> Path:
    """Copy the database, which nobody writes now, to a name beside it."""
    copy = path.with_name(f"{path.name}.damaged-{uuid4().hex[:8]}")
    with atomic_file(copy) as partial:
        partial.write_bytes(path.read_bytes())
    return copy


def _part_studies_of_one_name(connection: sqlalchemy.Connection) -> None:
    """Leave its name to the study with the most trials; remove others without a trial, rename those with."""
    known: set[str] = set()
    for name, identity, _, n_trials in connection.exec_driver_sql(_BY_NAME).all():
        if name not in known:
            known.add(name)
        elif n_trials:
            other = (f"{name} (study {identity}, of the same name)", identity)
            connection.exec_driver_sql("UPDATE studies SET study_name = ? WHERE study_id = ?", other)
        else:
            for table in ("study_directions", "study_user_attributes", "study_system_attributes", "studies"):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE study_id = ?", (identity,))
