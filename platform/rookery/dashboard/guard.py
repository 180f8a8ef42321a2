"""Who may look at the dashboard: this machine's own browser, or one that shows the token.

A page of another site can have a browser ask any address, this machine's own too, under a name of that
site (DNS rebinding); and whoever reaches a port that listens to the network can ask it. The first is told
by the Host header, the second by a token.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SHORTEST = 16
"""Characters that a token of the user's own must have."""


def is_loopback(name: str) -> bool:
    """Whether a name or an address, without port, is this machine's own to itself."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.rstrip(".").lower() == "localhost"


def is_address(name: str) -> bool:
    """Whether `name` is an IP address, the empty one that listens everywhere included."""
    try:
        ipaddress.ip_address(name or "0.0.0.0")
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Guard:
    """A WSGI application that lets through to `inside` whom it knows; others get status 403."""

    inside: "WSGIApplication"
    """What is guarded."""
    names: frozenset[str] | None = frozenset()
    """Names of this server that a Host header may hold beside those of the loopback; None for any."""
    token: str | None = None
    """What a visitor must show, once as ``?token=...`` and then by a cookie; None for nothing."""
    cookie: str = "rookery_dashboard"
    """The cookie's name."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        if not self._is_named(environ.get("HTTP_HOST", "")):
            return _refuse(start_response, "This dashboard does not answer to that name (the Host header).")
        if self.token is None:
            return self.inside(environ, start_response)
        asked = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        shown = [value for key, value in asked if key == "token"]
        if shown and self._is_token(shown[-1]):
            return self._welcome(environ, start_response, [pair for pair in asked if pair[0] != "token"])
        if not self._is_token(_cookie(environ, self.cookie)):
            return _refuse(start_response, "Open the address with its token, as `rookery dashboard` said it.")
        return self.inside(environ, start_response)

    def _is_named(self, host: str) -> bool:
        if self.names is None:
            return True
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return is_loopback(name) or name.rstrip(".").lower() in self.names

    def _is_token(self, shown: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(shown.encode(), self.token.encode())

    def _welcome(
        self, environ: "WSGIEnvironment", start_response: "StartResponse", rest: list[tuple[str, str]]
    ) -> Iterable[bytes]:
        """Leave the token in a cookie, and lead to the same page without it in the address."""
        place = "/" + environ.get("PATH_INFO", "").lstrip("/\\")  # "//name" would lead elsewhere
        headers = [
            ("Location", place + (f"?{urlencode(rest)}" if rest else "")),
            ("Set-Cookie", f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
        ]
        start_response("302 Found", headers)
        return []


def _cookie(environ: "WSGIEnvironment", name: str) -> str:
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _refuse(start_response: "StartResponse", reason: str) -> Iterable[bytes]:
    start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{reason}\n".encode()]
