"""A study's Optuna storage, opened so that looking at it changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy import URL

STUDY_DOCUMENT = "study.yaml"
STUDY_DATABASE = "study.db"


def storage_url(study: Path) -> "URL":
    """Return the URL of a study's storage: the ``storage`` of its study.yaml, else its own SQLite file.

    Raises
    ------
    InputError
        When the folder is no study, or its study.yaml cannot be read.
    """
    import sqlalchemy

    path = study / STUDY_DOCUMENT
    if not path.is_file():
        raise fail(study, f"is no study: it must hold a {STUDY_DOCUMENT}, but has none")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise fail(path, f"cannot be read as YAML ({reason})") from error
    if not isinstance(document, dict):
        raise fail(path, f"must be a mapping, but is {type(document).__name__}")
    text = document.get("storage")
    if text is None:
        return sqlalchemy.URL.create("sqlite", database=str(study / STUDY_DATABASE))
    try:
        return sqlalchemy.make_url(text)
    except sqlalchemy.exc.ArgumentError as error:
        raise fail(path, f"`storage` must be the URL of a database, but is {text!r}") from error


def open_storage(study: Path) -> "RDBStorage":
    """Open a study's storage for reading.

    An SQLite file is opened so that it is never created, and that no statement can change it.
    Readers hold no lock between statements, so a running search goes on writing.

    Raises
    ------
    InputError
        When the storage is missing, cannot be reached, or holds no study yet.
    """
    import sqlalchemy
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    url = storage_url(study)
    shown = url.render_as_string(hide_password=True)
    options: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        url = _existing_sqlite(url)
        options = {"connect_args": {"timeout": 30}}
    plain = url.render_as_string(hide_password=False)
    try:
        if not _has_study(plain, options):
            raise fail(shown, "holds no study yet; the search writes it when it starts")
        storage = RDBStorage(
            plain, engine_kwargs=options, skip_compatibility_check=True, skip_table_creation=True
        )
        if url.get_backend_name() == "sqlite":
            sqlalchemy.event.listen(storage.engine, "connect", _refuse_writes)
            storage.engine.dispose()
    except (SQLAlchemyError, StorageInternalError, ImportError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise fail(shown, f"the study's storage cannot be opened ({reason})") from error
    return storage


def _has_study(url: str, options: dict[str, Any]) -> bool:
    # Asked before Optuna opens it, which would write its tables' version into an empty database.
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, **options)
    try:
        if not sqlalchemy.inspect(engine).has_table("studies"):
            return False
        with engine.connect() as connection:
            return connection.execute(sqlalchemy.text("SELECT 1 FROM studies LIMIT 1")).first() is not None
    finally:
        engine.dispose()


def _existing_sqlite(url: "URL") -> "URL":
    """Return the URL that opens an existing SQLite file, and never makes one."""
    path = Path(url.database or "")
    if not path.is_file():
        raise fail(path, "the study's storage does not exist yet; the search writes it when it starts")
    # Not mode=ro: that could not roll back what a killed search left half-written.
    return url.set(database=f"file:{quote(str(path.resolve()))}", query={"mode": "rw", "uri": "true"})


def _refuse_writes(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
