"""Jobs of a cluster: a command sent to a Ray cluster's head, which runs it while the sender goes home.

Speaks the REST interface of Ray Jobs (``/api/jobs/`` of the head's dashboard, port 8265) with the
standard library alone: a laptop needs neither Ray nor the cluster's versions to send a search. The
head needs ``ray[default]``, as Ray's own container images have it.
"""

import json
import os
import secrets
import shlex
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import rookery
from rookery_ensembles.errors import InputError

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
STOP_SECONDS = 60
"""How long a stopped command may take to end by itself; Ray's own 3 s would cut a checkpoint short."""
_TIMEOUT_S = 60
_PATIENCE_S = 120
_POLL_S = 1.0


@dataclass(frozen=True)
class Job:
    """A job as the cluster lists it."""

    name: str
    state: str
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    command: str
    started: str
    """When it was sent, ISO 8601 in UTC, or empty."""
    message: str
    """What Ray says of its state."""

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.state in ENDED


class JobClient:
    """The job server of one cluster.

    Parameters
    ----------
    address
        ``http://HEAD:8265``; by default RAY_API_SERVER_ADDRESS, or this machine's (as through
        ``ray dashboard cluster.yaml``, ``ssh -L`` or ``kubectl port-forward``).
    timeout
        Seconds to wait for each answer.

    Raises
    ------
    InputError
        When the address is none, nobody answers there, or the cluster refuses this user's token.
    """

    def __init__(self, address: str | None = None, timeout: float = _TIMEOUT_S) -> None:
        address = address or os.environ.get("RAY_API_SERVER_ADDRESS") or DEFAULT_ADDRESS
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            rule = "must be the address of the head's dashboard, like http://HEAD:8265"
            raise InputError(f"--address {address}: {rule}")
        self.address = address.rstrip("/")
        self._token, self._timeout = read_token(), timeout
        self.get("/api/version")

    def get(self, path: str) -> Any:
        """Return what the head answers at a path, read as JSON."""
        return self._request("GET", path)

    def submit(self, command: Sequence[str], *, folder: str | None = None, python: str = "python") -> str:
        """Send `rookery COMMAND...` to the cluster; return the job's name.

        Parameters
        ----------
        command
            Verb and arguments, as typed on the head.
        folder
            Folder on the cluster in which it runs.
        python
            The Python there that has Rookery.
        """
        line = shlex.join([python, "-m", "rookery", *command])
        body = {
            # exec: the signal that stops the job reaches Rookery and no shell in between.
            "submission_id": f"{command[0]}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            "entrypoint": f"cd {shlex.quote(folder)} && exec {line}" if folder else f"exec {line}",
            "runtime_env": {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}},
            "metadata": {"rookery": rookery.__version__, "command": shlex.join(command)},
        }
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return str(self._request("POST", "/api/jobs/", body)["submission_id"])
            except InputError as error:  # a head that has just started says so for a while
                if "No available agent" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(_POLL_S)

    def jobs(self) -> list[Job]:
        """Return the cluster's submitted jobs, the latest first."""
        listed = [item for item in self._request("GET", "/api/jobs/") if item.get("submission_id")]
        listed.sort(key=lambda item: item.get("start_time") or 0, reverse=True)
        return [_job(item) for item in listed]

    def job(self, name: str) -> Job:
        """Return one job; raises `InputError` when the cluster has none of that name."""
        return _job(self._request("GET", f"/api/jobs/{quote(name, safe='')}", name=name))

    def logs(self, name: str) -> str:
        """Return all that a job has printed."""
        return str(self._request("GET", f"/api/jobs/{quote(name, safe='')}/logs", name=name)["logs"] or "")

    def follow(self, name: str) -> Iterator[str]:
        """Yield what a job prints, as it comes, until it ends. A connection that drops is taken up again."""
        seen, failures = 0, 0
        while True:
            try:
                ended = self.job(name).ended  # before the logs, so that its last words are read
                text = self.logs(name)
            except ConnectionLostError as error:
                failures += 1
                if failures > 60:
                    raise InputError(f"{error}; the job goes on: `rookery jobs logs {name}`") from error
                time.sleep(_POLL_S)
                continue
            failures = 0
            if len(text) > seen:
                yield text[seen:]
                seen = len(text)
            if ended:
                return
            time.sleep(max(_POLL_S, len(text) / 1e6))  # the whole log comes each time

    def stop(self, name: str) -> bool:
        """Ask a job to stop, and return whether it was running. It has a minute to end by itself."""
        self.job(name)
        return bool(self._request("POST", f"/api/jobs/{quote(name, safe='')}/stop", name=name)["stopped"])

    def _request(self, method: str, path: str, body: Any = None, *, name: str | None = None) -> Any:
        """Ask the job server; `name` is the job that the question is about."""
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise self._explain(error, name) from error
        except json.JSONDecodeError as error:
            raise InputError(f"--address {self.address}: what answers there is no Ray dashboard") from error
        except (OSError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", error)
            raise ConnectionLostError(
                f"--address {self.address}: no job server answers there ({reason})"
            ) from error

    def _explain(self, error: urllib.error.HTTPError, name: str | None) -> InputError:
        text = error.read().decode(errors="replace").strip()
        if error.code in (401, 403):
            had = (
                "asks for a token, and this user has none"
                if self._token is None
                else "refuses this user's token"
            )
            rule = "take the head's (`ray get-auth-token` there) into ~/.ray/auth_token or RAY_AUTH_TOKEN"
            return InputError(f"--address {self.address}: the cluster {had}; {rule}")
        if error.code == 404 and name is not None:
            return InputError(f"{name}: the cluster at {self.address} has no job of that name")
        lines = text.splitlines() or [str(error)]
        return InputError(f"--address {self.address}: {lines[-1]} (HTTP {error.code})")


class ConnectionLostError(InputError):
    """Nobody answers, for now."""


def read_token() -> str | None:
    """Return this user's Ray token from where Ray itself looks for it, or None."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError as error:
        if named:
            raise InputError(f"RAY_AUTH_TOKEN_PATH={named}: cannot be read ({error.strerror})") from error
        return None


def _job(item: dict[str, Any]) -> Job:
    started = item.get("start_time")
    when = datetime.fromtimestamp(started / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if started else ""
    command = (item.get("metadata") or {}).get("command") or item.get("entrypoint", "")
    return Job(item["submission_id"], item["status"], command, when, item.get("message") or "")
