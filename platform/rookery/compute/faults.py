"""Faults: which may pass and are waited for, and which are the whole study's trouble and not one trial's."""

import errno
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE_SECONDS = 300.0
"""So long is a server that cannot be reached tried again."""
FOLDER_SECONDS = 60.0
"""So long is a folder that cannot be reached, such as one on NFS, tried again."""


def keep_trying(
    call: Callable[[], T],
    may_pass: Callable[[Exception], bool],
    what: str,
    seconds: float = PATIENCE_SECONDS,
) -> T:
    """Call again while it fails in a way that may pass, with growing pauses; the last error is raised.

    Parameters
    ----------
    call
        Idempotent: the answer to a call that was heard may be lost.
    what
        What cannot be reached, for the log.
    seconds
        No call is begun later than this after the first.
    """
    end, pause = time.monotonic() + seconds, 0.5
    while True:
        try:
            return call()
        except Exception as error:
            if not may_pass(error) or time.monotonic() + pause > end:
                raise
            logger.warning("%s cannot be reached (%s); tried again in %.1f s", what, reason(error), pause)
        time.sleep(pause)
        pause = min(2 * pause, 15.0)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, what caused that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def reason(error: BaseException) -> str:
    """Return the first line of what lies behind an error."""
    cause = error.__cause__ or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]


_PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.ECONNRESET)
_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENAMETOOLONG, *_PASSING)
_SQLITE = ("database or disk is full", "attempt to write a readonly database", "disk I/O error")


def storage_fault(error: BaseException | None) -> str | None:
    """Return what is wrong with the disk, if that is what lies behind `error`, else None."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in _ERRNOS:
            return cause.strerror or str(cause)
        # SQLAlchemy and Optuna wrap SQLite's error; its text is the only sign of the cause.
        found = [text for text in _SQLITE if text in str(cause)]
        if found:
            return found[0]
    return None


def may_pass(error: BaseException | None) -> bool:
    """Whether an error says that a folder, such as one on NFS, cannot be reached just now."""
    return any(isinstance(cause, OSError) and cause.errno in _PASSING for cause in causes(error))


def error_kind(error: BaseException) -> str:
    """Return the type of an error and where it was raised: what is alike in errors of one cause."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
