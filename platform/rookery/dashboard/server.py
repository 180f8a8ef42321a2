"""The dashboard's server: threaded, on this machine's own address by default, for looking only."""

import logging
import re
import secrets
import socket
import webbrowser
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from rookery.dashboard.guard import SHORTEST, Guard, is_address, is_loopback
from rookery.dashboard.storage import open_storage
from rookery.extras import missing
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)


class Dashboard(ThreadingMixIn, WSGIServer):
    """A server that answers each request in a thread of its own, so that a slow plot stops nobody."""

    daemon_threads = True
    token: str | None = None
    """What a visitor must show; None where only this machine can ask."""

    @property
    def bound(self) -> str:
        """The address that it listens on."""
        host = self.server_address[0]
        return host.decode() if isinstance(host, bytes | bytearray) else str(host)

    @property
    def url(self) -> str:
        """The address to open in a browser, with the token if there is one."""
        name = "127.0.0.1" if self.bound == "0.0.0.0" else self.bound
        shown = "" if self.token is None else f"?token={self.token}"
        return f"http://{name}:{self.server_address[1]}/{shown}"

    def server_bind(self) -> None:
        """Bind the socket, without asking a name server who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def make_server(
    study: str | Path, *, host: str = "127.0.0.1", port: int = 8080, token: str | None = None
) -> Dashboard:
    """Return a server of a study's dashboard, listening but not yet answering.

    Parameters
    ----------
    study
        The study's folder. Nothing in it is changed or created.
    host
        Address to listen on; the default can be reached from this machine only.
    port
        Port to listen on; 0 takes a free one.
    token
        What a visitor must show. Where `host` can be reached from elsewhere one is made if none is given;
        see :mod:`rookery.dashboard.guard`.

    Raises
    ------
    InputError
        When the folder is no study, it has no trials yet, the extra ``dashboard`` is not
        installed, the token is too simple, or the address cannot be listened on.
    """
    if token is not None and not re.fullmatch(rf"[A-Za-z0-9_-]{{{SHORTEST},}}", token):
        raise fail("--token", f"must be at least {SHORTEST} of the characters A-Z a-z 0-9 _ -")
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
    server.token = token
    names: frozenset[str] | None = frozenset()
    if not is_loopback(server.bound):
        server.token = token or secrets.token_urlsafe(32)
        names = None if is_address(host) else frozenset({host.lower(), server.bound})
    cookie = f"rookery_dashboard_{server.server_address[1]}"  # cookies do not tell ports apart
    server.set_app(Guard(_only_looking(wsgi(storage), home), names, server.token, cookie))
    return server


def serve(
    study: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    open_browser: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve a study's dashboard until interrupted (Ctrl-C).

    Parameters
    ----------
    study, host, port, token
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
    with make_server(study, host=host, port=port, token=token) as server:
        if announce is not None:
            announce(server.url)
        if open_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            logger.info("dashboard of %s stopped", study)


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
