"""Faults of the storage, which are the whole study's trouble and not one trial's."""

from __future__ import annotations

import errno

_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES)
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
