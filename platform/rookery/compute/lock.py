"""One driver at a time for a folder: the operating system frees the lock however the driver ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rookery_ensembles.errors import fail

LOCK = "driver.lock"


@contextmanager
def held(folder: Path, busy: str) -> Iterator[None]:
    """Hold a folder.

    Raises
    ------
    InputError
        When it cannot be written, or, with the words of `busy`, when another process holds it.
    """
    path = folder / LOCK
    try:
        stream = path.open("a")
    except OSError as error:
        raise fail(path, f"cannot be written ({error.strerror})") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise fail(folder, busy) from error
        yield


def driver_alive(folder: Path) -> bool | None:
    """Whether a driver of this machine holds the folder; None where the system does not tell."""
    return is_locked(folder / LOCK)


def is_locked(path: Path) -> bool | None:
    """Whether a process of this machine holds a file or folder; None where the system does not tell.

    Asked of Linux itself, since to try the lock would be to take it.
    """
    if not path.exists():
        return False
    try:
        inode = path.stat().st_ino
        table = Path("/proc/locks").read_text()
        return any(line.split()[-3].endswith(f":{inode}") for line in table.splitlines())
    except (OSError, IndexError):
        return None
