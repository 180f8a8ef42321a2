"""optuna-dashboard at its own addresses, where exactly one study is shown: they are compiled into it.

A study's storage is opened so that looking at it changes nothing.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rookery.dashboard.fleet import Fleet
from rookery.dashboard.sources import Source
from rookery.search.study_facts import STUDY_DOCUMENT, read_facts
from rookery_ensembles.errors import InputError, fail

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

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


_PLACES = ("/dashboard", "/api", "/static", "/artifacts")


class OptunaPages:
    """A WSGI application: optuna-dashboard on the one study that there is, opened when it is asked."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._opened: tuple[Source, WSGIApplication] | None = None
        self._lock = threading.Lock()

    def study(self) -> Source | None:
        """Return the study, where there is exactly one."""
        found = [source for source in self._fleet.sources().values() if source.kind == "study"]
        return found[0] if len(found) == 1 else None

    def answers(self, path: str) -> bool:
        """Whether an address is one of its own."""
        return any(path == place or path.startswith(f"{place}/") for place in _PLACES)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        study = self.study()
        if study is None:
            number = sum(source.kind == "study" for source in self._fleet.sources().values())
            return _told(
                start_response, f"optuna-dashboard is served where one study is shown; here are {number}."
            )
        try:
            application = self._application(study)
        except InputError as error:
            return _told(start_response, str(error))
        except ImportError as error:
            return _told(start_response, f"optuna-dashboard is not installed ({error}).")
        return application(environ, start_response)

    def _application(self, study: Source) -> "WSGIApplication":
        with self._lock:
            if self._opened is None or self._opened[0] != study:
                from optuna_dashboard import wsgi

                self._opened = study, wsgi(open_storage(study.path))
            return self._opened[1]


def _told(start_response: "StartResponse", reason: str) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{reason}\n".encode()]
