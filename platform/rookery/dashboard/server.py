"""The dashboard's server: threaded, on this machine's own address by default, for looking only."""

import logging
import socket
import webbrowser
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from rookery.dashboard.storage import open_storage
from rookery.extras import missing
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)


class Dashboard(ThreadingMixIn, WSGIServer):
    """A server that answers each request in a thread of its own, so that a slow plot stops nobody."""

    daemon_threads = True

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes | bytearray) else str(host)
        return f"http://{'127.0.0.1' if name == '0.0.0.0' else name}:{port}/"

    def server_bind(self) -> None:
        """Bind the socket, without asking a name server who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


def make_server(study: str | Path, *, host: str = "127.0.0.1", port: int = 8080) -> Dashboard:
    """Return a server of a study's dashboard, listening but not yet answering.

    Parameters
    ----------
    study
        The study's folder. Nothing in it is changed or created.
    host
        Address to listen on; the default can be reached from this machine only.
    port
        Port to listen on; 0 takes a free one.

    Raises
    ------
    InputError
        When the folder is no study, it has no trials yet, the extra ``dashboard`` is not
        installed, or the address cannot be listened on.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise missing("rookery dashboard", "dashboard", error.name or "optuna_dashboard") from error
    storage = open_storage(Path(study))
    try:
        server = Dashboard((host, port), _QuietHandler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        rule = f"cannot be listened on ({reason}); choose another port or host"
        raise fail(f"{host}, port {port}", rule) from error
    studies = [storage.get_study_id_from_name(study.study_name) for study in storage.get_all_studies()]
    home = f"/dashboard/studies/{studies[0]}" if len(studies) == 1 else "/dashboard"
    server.set_app(_only_looking(wsgi(storage), home))
    return server


def serve(
    study: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    open_browser: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve a study's dashboard until interrupted (Ctrl-C).

    Parameters
    ----------
    study, host, port
        As :func:`make_server` takes them.
    open_browser
        Whether to open the page in the user's browser.
    announce
        Called with the page's address once the server listens.

    Raises
    ------
    InputError
        As :func:`make_server` does.
    """
    with make_server(study, host=host, port=port) as server:
        if announce is not None:
            announce(server.url)
        if open_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            _log.info("dashboard of %s stopped", study)


def _only_looking(application: "WSGIApplication", home: str) -> "WSGIApplication":
    """Refuse every request that would change the study, such as deleting it; lead "/" to `home`."""

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] in ("", "/"):
            start_response("302 Found", [("Location", home)])
            return []
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/json")])
        return [b'{"reason": "This dashboard shows a study and changes nothing in it."}']

    return guarded
