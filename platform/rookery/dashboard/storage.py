"""A study's Optuna storage, opened so that looking at it changes nothing."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rookery.search.study_facts import STUDY_DOCUMENT, read_facts
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy import URL

STUDY_DATABASE = "study.db"


def storage_url(study: Path) -> "URL":
    """Return the URL of a study's storage: that of ROOKERY_STORAGE or study.yaml, else its own SQLite file.

    Raises
    ------
    InputError
        When the folder is no study, or its study.yaml cannot be read.
    """
    import sqlalchemy

    path = study / STUDY_DOCUMENT
    if not path.is_file():
        raise fail(study, f"is no study: it must hold a {STUDY_DOCUMENT}, but has none")
    storage = read_facts(study).storage
    if storage is None:
        return sqlalchemy.URL.create("sqlite", database=str(study / STUDY_DATABASE))
    from rookery.search.storage.database import ENVIRONMENT, with_driver

    try:
        return with_driver(sqlalchemy.make_url(os.environ.get(ENVIRONMENT) or storage))
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise fail(path, f"`storage` must be the URL of a database, but is {storage!r}") from error


def open_storage(study: Path) -> "RDBStorage":
    """Open a study's storage for reading, by :func:`rookery.search.storage.database.read_only_storage`.

    Raises
    ------
    InputError
        When the storage is missing, cannot be reached, or holds no study yet.
    """
    from rookery.search.storage.database import read_only_storage

    url = storage_url(study)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        rule = "the study's storage does not exist yet; the search writes it when it starts"
        raise fail(url.database or "", rule)
    storage = read_only_storage(url)
    if storage is None:
        shown = url.render_as_string(hide_password=True)
        raise fail(shown, "holds no study yet; the search writes it when it starts")
    return storage
