"""The end of what a worker of this machine has printed: Ray keeps it in files named by its process."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from rookery.training.epochs_file import Head

_BYTES, _LINES = 32_768, 60


@dataclass(frozen=True)
class LogTail:
    """The last lines of a file."""

    path: Path
    text: str
    """The file, and its last lines."""


def log_folders() -> list[Path]:
    """Return where Ray keeps the logs of this machine's sessions, the latest one first."""
    roots = [Path(root) for root in (os.environ.get("RAY_TMPDIR"), "/tmp") if root]
    found = {folder.resolve() for root in roots for folder in (root / "ray").glob("session_*/logs")}
    return sorted(found, reverse=True)


def log_tails(head: Head, folders: list[Path] | None = None) -> list[LogTail]:
    """Return the ends of what the worker of a network printed; none where it ran on another machine.

    Parameters
    ----------
    head
        Of the network's epochs: which process, where and since when.
    folders
        Where to look; by default :func:`log_folders`.
    """
    if head.host != socket.gethostname():
        return []
    for folder in log_folders() if folders is None else folders:
        files = sorted(folder.glob(f"worker-*-{head.process}.*"))
        tails = [
            _tail(file) for file in files if file.suffix in (".err", ".out") and _since(file, head.began)
        ]
        if told := [tail for tail in tails if tail is not None and tail.text]:
            return told
    return []


def _since(file: Path, began: float) -> bool:
    """Whether a file was written to since then: numbers of processes are given again."""
    try:
        return file.stat().st_mtime >= began - 1
    except OSError:
        return False


def _tail(file: Path) -> LogTail | None:
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    told = [line for line in lines[1 if size > _BYTES else 0 :] if not line.startswith(":")]
    return LogTail(file, "\n".join(told[-_LINES:]))
