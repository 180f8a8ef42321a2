"""optuna-dashboard at its own addresses, where exactly one study is shown: they are compiled into it."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rookery.dashboard.fleet import Fleet
from rookery.dashboard.sources import Source
from rookery.dashboard.storage import open_storage
from rookery_ensembles.errors import InputError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

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
