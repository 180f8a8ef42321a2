"""The dashboard's server: threaded, on this machine's own address by default, for looking only."""

import logging
import os
import re
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery.dashboard.guard import SHORTEST, Guard, is_address, is_loopback
from rookery.dashboard.sources import check_roots
from rookery.extras import missing
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from rookery.dashboard.optuna_pages import OptunaPages

logger = logging.getLogger(__name__)
_THREADS = 8
_NICE = 5
"""A search on the same cores is hardly slowed by pages then, and pages still come."""
_UPDATE = "/_dash-update-component"
"""What pages ask when data or controls change: the one request that is no GET, and it writes nothing."""


class Dashboard:
    """A server that answers requests side by side, so that a slow page stops nobody."""

    def __init__(self, application: "WSGIApplication", host: str = "127.0.0.1", port: int = 8080) -> None:
        import waitress

        self.token: str | None = None
        """What a visitor must show; None where only this machine can ask."""
        self._application = application
        self._socket = _listening(host, port)
        self.server_address: tuple[str, int] = self._socket.getsockname()[:2]
        self._map: dict[int, Any] = {}
        self._waitress = waitress.create_server(
            self._answer, sockets=[self._socket], map=self._map, threads=_THREADS, ident=None,
            outbuf_overflow=2**26,  # answers wait in memory, not in files
            channel_timeout=60, clear_untrusted_proxy_headers=True,
        )  # fmt: skip
        self._stop = threading.Event()
        self._stopped = threading.Event()
        self._stopped.set()

    def __enter__(self) -> "Dashboard":
        return self

    def __exit__(self, *_: object) -> None:
        self.server_close()

    @property
    def bound(self) -> str:
        """The address that it listens on."""
        return self.server_address[0]

    @property
    def url(self) -> str:
        """The address to open in a browser, with the token if there is one."""
        name = "127.0.0.1" if self.bound == "0.0.0.0" else self.bound
        shown = "" if self.token is None else f"?token={self.token}"
        return f"http://{name}:{self.server_address[1]}/{shown}"

    def set_app(self, application: "WSGIApplication") -> None:
        """Answer by another application from now on."""
        self._application = application

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Answer until :meth:`shutdown` is called from another thread."""
        from waitress import wasyncore

        self._stopped.clear()
        try:
            while not self._stop.is_set():
                wasyncore.loop(timeout=poll_interval, map=self._map, count=1)
        finally:
            self._stopped.set()

    def shutdown(self) -> None:
        """End :meth:`serve_forever`, and wait until it has ended."""
        self._stop.set()
        self._waitress.pull_trigger()
        self._stopped.wait()

    def server_close(self) -> None:
        """Close all connections."""
        self._waitress.task_dispatcher.shutdown(timeout=5)
        for channel in list(self._map.values()):
            channel.close()
        self._waitress.close()
        self._socket.close()

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        _give_way()
        return self._application(environ, start_response)


def _give_way() -> None:
    """Let this thread come after others on busy cores; Linux alone has niceness by thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    InputError
        When the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except (OSError, OverflowError) as error:
        found.close()
        reason = getattr(error, "strerror", None) or error
        rule = f"cannot be listened on ({reason}); choose another port or host"
        raise fail(f"{host}, port {port}", rule) from error
    return found


def make_server(
    *paths: str | Path,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    address: str | None = None,
    surveys: Sequence[str | Path] = (),
) -> Dashboard:
    """Return a server of the dashboard, listening but not yet answering.

    Parameters
    ----------
    paths
        Folders of studies, campaigns or bundles, or of any number of them. Nothing in them is changed.
    host
        Address to listen on; the default can be reached from this machine only.
    port
        Port to listen on; 0 takes a free one.
    token
        What a visitor must show. Where `host` can be reached from elsewhere one is made if none is given;
        see :mod:`rookery.dashboard.guard`.
    address
        The dashboard of a Ray cluster's head, ``http://HEAD:8265``, whose nodes are shown; by default
        RAY_API_SERVER_ADDRESS or this machine's. Nothing waits for it.
    surveys
        Survey folders, or folders of them, where those that studies name have been moved to: their light
        curves and cutouts are shown with the objects of an ensemble.

    Raises
    ------
    InputError
        When a folder does not exist, the extra ``dashboard`` is not installed, the token is too simple, or
        the address cannot be listened on.
    """
    if token is not None and not re.fullmatch(rf"[A-Za-z0-9_-]{{{SHORTEST},}}", token):
        raise fail("--token", f"must be at least {SHORTEST} of the characters A-Z a-z 0-9 _ -")
    roots = check_roots(paths)
    try:
        from rookery.dashboard.app import make_app
        from rookery.dashboard.optuna_pages import OptunaPages
        from rookery.dashboard.viewer import Viewer
    except ImportError as error:
        raise missing("rookery dashboard", "dashboard", error.name or "dash") from error
    viewer = Viewer(roots, address, check_roots(surveys) if surveys else ())
    optuna = OptunaPages(viewer.fleet)
    pages = make_app(viewer, optuna=optuna.study() is not None).server
    server = Dashboard(_only_looking(pages, optuna), host, port)
    server.token = token
    names: frozenset[str] | None = frozenset()
    if not is_loopback(server.bound):
        server.token = token or secrets.token_urlsafe(32)
        names = None if is_address(host) else frozenset({host.lower(), server.bound})
    cookie = f"rookery_dashboard_{server.server_address[1]}"  # cookies do not tell ports apart
    server.set_app(Guard(_only_looking(pages, optuna), names, server.token, cookie))
    return server


def serve(
    paths: Sequence[str | Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token: str | None = None,
    address: str | None = None,
    surveys: Sequence[str | Path] = (),
    open_browser: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve the dashboard until interrupted (Ctrl-C).

    The threads that answer give way to others on the same cores (niceness 5), such as a search they show.

    Parameters
    ----------
    paths, host, port, token, address, surveys
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
    made = make_server(*paths, host=host, port=port, token=token, address=address, surveys=surveys)
    with made as server:
        if announce is not None:
            announce(server.url)
        if open_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            logger.info("dashboard of %s stopped", ", ".join(map(str, paths)))


def _only_looking(pages: "WSGIApplication", optuna: "OptunaPages") -> "WSGIApplication":
    """Refuse every request that would change a study, such as deleting it."""

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD") and not (method == "POST" and path == _UPDATE):
            start_response("403 Forbidden", [("Content-Type", "application/json")])
            return [b'{"reason": "This dashboard shows studies and changes nothing in them."}']
        inside = optuna if optuna.answers(path) else pages
        return inside(environ, start_response)

    return guarded
