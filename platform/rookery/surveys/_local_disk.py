"""Images of a survey on a node's own disk, copied there once for all processes of the node.

A survey that does not fit into the memory of a device is read anew in every epoch: from a disk that a whole
cluster shares, at the pace of that disk. The name of a copy is the digest of its content, so that surveys and
studies share it and none is ever out of date.
"""

import fcntl
import hashlib
import logging
import os
from pathlib import Path

from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_file

logger = logging.getLogger(__name__)
LOCAL_DISK = "ROOKERY_LOCAL_DISK"
"""Variable that names a folder of the node's own disk, as ``$TMPDIR`` of a batch job."""
_AT_ONCE = 2**24


def on_local_disk(path: Path, digest: str) -> Path:
    """Return a copy of a file on this node's own disk; `path` itself where no folder is named for it.

    The first process of a node copies, and those that come meanwhile wait for it. Where the copy cannot be
    written, because the disk is full, a warning says so and the file stays where it is.

    Parameters
    ----------
    digest
        SHA-256 of the file.

    Raises
    ------
    InputError
        When what was read has another digest: the file was altered.
    """
    named = os.environ.get(LOCAL_DISK)
    if not named:
        return path
    copy = Path(named) / f"{digest}{path.suffix}"
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not copy.is_file():
                logger.info("%s is copied to %s", path, copy)
                with atomic_file(copy) as partial:
                    _copy(path, partial, digest)
    except _AlteredError as error:
        raise fail(
            path, f"must have the SHA-256 {digest[:12]}..., but has {error}: it was altered"
        ) from error
    except (OSError, InputError) as error:
        logger.warning("%s stays where it is: no copy in %s (%s)", path, copy.parent, error)
        return path
    return copy


class _AlteredError(Exception):
    """What was read is not what was sealed."""


def _copy(source: Path, target: Path, digest: str) -> None:
    """Copy a file that must have a SHA-256."""
    found = hashlib.sha256()
    with source.open("rb") as stream, target.open("wb") as out:
        while block := stream.read(_AT_ONCE):
            found.update(block)
            out.write(block)
    if found.hexdigest() != digest:
        raise _AlteredError(f"{found.hexdigest()[:12]}...")
