"""Tells somebody what becomes of long work: a webhook, or a command. It never holds up or ends the work."""

import json
import logging
import queue
import shlex
import shutil
import subprocess
import threading
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)
WEBHOOK_SECONDS, COMMAND_SECONDS, LAST_SECONDS = 10.0, 60.0, 15.0
"""So long a webhook and a command may take, and the last message at the end of the work."""


class Messenger:
    """Sends messages from a thread of its own, one after the other.

    A webhook gets JSON as Slack and Mattermost take it: `text`, and `attachments` with the facts as fields. A
    command gets the text as its last argument, and on standard input JSON: `text` and the facts. The first
    message that does not arrive is one warning; the others are tried in silence.

    Parameters
    ----------
    target
        An http or https URL, or a command with its arguments.

    Raises
    ------
    InputError
        When it is neither, such as a command that does not exist.
    """

    def __init__(self, target: str) -> None:
        self._url = target if "://" in target else None
        self._command = [] if self._url else _command(target)
        if self._url is not None:
            _check_url(self._url)
        self._queue: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue()
        self._warned = False
        # A daemon, so that no webhook that hangs keeps this process from its end.
        self._thread = threading.Thread(target=self._run, name="rookery-messenger", daemon=True)
        self._thread.start()

    def send(self, text: str, facts: Mapping[str, Any]) -> None:
        """Send a message soon."""
        self._queue.put((text, dict(facts)))

    def close(self) -> None:
        """Wait for what is under way, but not for long."""
        self._queue.put(None)
        self._thread.join(LAST_SECONDS)
        if self._thread.is_alive():
            self._warn("it takes too long")

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._post(*message) if self._url else self._call(*message)
            except (OSError, ValueError, URLError, subprocess.SubprocessError) as error:
                self._warn(str(getattr(error, "reason", None) or error).splitlines()[0])

    def _post(self, text: str, facts: Mapping[str, Any]) -> None:
        fields = [{"title": n, "value": str(v), "short": True} for n, v in facts.items() if v is not None]
        body = json.dumps({"text": text, "attachments": [{"fallback": text, "fields": fields}]}).encode()
        assert self._url is not None
        request = Request(self._url, body, {"Content-Type": "application/json", "User-Agent": "rookery"})
        with urlopen(request, timeout=WEBHOOK_SECONDS):
            pass

    def _call(self, text: str, facts: Mapping[str, Any]) -> None:
        done = subprocess.run(
            [*self._command, text],
            input=json.dumps({"text": text, **facts}),
            text=True,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise ValueError(f"exit status {done.returncode}" + (f", {said[-1]}" if said else ""))

    def _warn(self, reason: str) -> None:
        if not self._warned:
            # A webhook's path is a password.
            shown = (
                f"{urlsplit(self._url).scheme}://{urlsplit(self._url).hostname}/..." if self._url else None
            )
            logger.warning("--notify %s: not told (%s); the work goes on", shown or self._command[0], reason)
        self._warned = True


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise InputError("--notify must be an http:// or https:// URL or a command, but is no such URL")


def _command(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"--notify {text!r}: cannot be read as a command ({error})") from None
    if not words or shutil.which(words[0]) is None:
        what = words[0] if words else text
        raise InputError(f"--notify must be a URL or a command, but there is no command {what!r}")
    return words
