"""Faults that are the whole study's trouble and not one trial's: of the storage, or of every trial alike."""

import errno
import traceback

from rookery.compute.retry import causes

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
