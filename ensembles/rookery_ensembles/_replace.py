"""A folder takes the name of another one in one step, whoever dies whenever.

By Linux's renameat2 with RENAME_EXCHANGE: there is the old folder or the new one, whole. Where a file system
cannot exchange names, the old folder is called ``.NAME.retired-TOKEN`` for a moment; after a death in that
moment there is none called ``NAME``, and the next output of that name gives the old folder its name back.
"""

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

_RETIRED = ".retired-"
CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.ENOLCK)
"""What a file system answers that lacks an operation."""
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
"""What it answers where a folder of that name is there."""


def take_name(partial: Path, target: Path, replace: bool) -> None:
    """Give `partial` the name of `target`; a former one is then called as `partial` was, or deleted."""
    while True:
        if not target.exists():
            try:
                partial.rename(target)
                return
            except OSError as error:
                if not (error.errno in _TAKEN and replace):
                    raise
        try:
            _exchange(partial, target)
            return
        except FileNotFoundError:
            continue  # another process is just replacing it
        except OSError as error:
            if error.errno not in CANNOT:
                raise
        if _retire(partial, target):
            return
        time.sleep(0.01)


def recover(target: Path) -> None:
    """Give a folder its name back that a process retired and died before it had replaced it."""
    if not target.parent.is_dir():
        return
    for retired in target.parent.iterdir():
        if not retired.name.startswith(f".{target.name}{_RETIRED}"):
            continue
        with suppress(FileNotFoundError), locked(retired) as free:
            if free and target.exists():
                remove(retired)
            elif free:
                try:
                    retired.rename(target)
                except OSError as error:
                    if error.errno not in _TAKEN:
                        raise
                    remove(retired)  # another process's is there by now
                flush(target.parent)


def _retire(partial: Path, target: Path) -> bool:
    """Move `target` away, and `partial` to its name; return whether no other process came between."""
    retired = target.with_name(f".{target.name}{_RETIRED}{this_host()}{uuid4().hex[:8]}")
    with suppress(FileNotFoundError), locked(target) as free:
        if not free:
            return False
        target.rename(retired)
        try:
            partial.rename(target)
        except OSError as error:
            if error.errno in _TAKEN:  # another process's is there already
                remove(retired)
                return False
            retired.rename(target)
            raise
        remove(retired)
        return True
    return False


def _exchange(one: Path, other: Path) -> None:
    """Exchange the names of two folders in one step; raises OSError where that cannot be."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Yield whether no live process holds a file or folder; if so, this one does meanwhile."""
    lock = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            if error.errno not in CANNOT:
                raise
        yield True
    finally:
        os.close(lock)


@cache
def this_host() -> str:
    """Return 8 hexadecimal digits for this machine since it was started: where its locks are known."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    text = boot.read_text() if boot.is_file() else socket.gethostname()
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def flush(path: Path) -> None:
    """Wait until a file, or a folder's names, are on the disk, where a power cut cannot undo them."""
    stream = os.open(path, os.O_RDONLY)
    try:
        os.fsync(stream)
    except OSError as error:
        # Some network file systems flush no folders: their servers do.
        if error.errno not in CANNOT or not path.is_dir():
            raise
    finally:
        os.close(stream)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
