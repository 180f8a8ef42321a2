"""Faults that are the whole study's trouble and not one trial's: of the storage, or of every trial alike."""

from __future__ import annotations

import errno
import traceback

_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES)
_PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.ECONNRESET)
_SQLITE = ("database or disk is full", "attempt to write a readonly database", "disk I/O error")


def storage_fault(error: BaseException | None) -> str | None:
    """Return what is wrong with the disk, if that is what lies behind `error`, else None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            return error.strerror or str(error)
        # SQLAlchemy and Optuna wrap SQLite's error; its text is the only sign of the cause.
        found = [text for text in _SQLITE if text in str(error)]
        if found:
            return found[0]
        error = error.__cause__
    return None


def may_pass(error: BaseException | None) -> bool:
    """Whether an error says that a folder, such as one on NFS, cannot be reached just now."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _PASSING:
            return True
        error = error.__cause__
    return False


def error_kind(error: BaseException) -> str:
    """Return the type of an error and where it was raised: what is alike in errors of one cause."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
