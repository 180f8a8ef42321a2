"""Outputs that are either whole or absent: write under a temporary name, then rename.

A temporary name, ``.NAME.partial-TOKEN`` beside ``NAME``, is locked (flock) by the process that writes it
for as long as it lives, and the next output of that name sweeps those whose maker is gone. How a
folder is replaced stands in `_replace.py`. Files, folders and the folders that hold their names are flushed
to the disk (fsync) before and after the rename.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from rookery_ensembles._replace import flush, locked, recover, remove, take_name, this_host
from rookery_ensembles.errors import fail

_MARK = ".partial-"
_STALE_SECONDS = 86_400.0
"""Age of what another machine left behind; what this one left is told by its lock."""
EXISTS = "must not exist yet; --overwrite replaces it"
"""What is said of an output that exists, whoever writes it."""
_LONGEST_PART, _LONGEST_NAME = 255, 200
"""Bytes of a name in a path as file systems allow them, and of an output, whose temporary name is longer."""


def check_name(path: Path | str) -> None:
    """Refuse an output's path with a control character, or with a name that no file system takes.

    Raises
    ------
    InputError
        With the path as text on one line.
    """
    path = Path(path)
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in str(path)):
        rule = "a path to write to must have no control character, such as a line break"
        raise fail(ascii(str(path))[:300], rule)
    for part, longest in [*((part, _LONGEST_PART) for part in path.parts), (path.name, _LONGEST_NAME)]:
        if (found := len(os.fsencode(part))) > longest:
            raise fail(
                f"{part[:40]}...", f"a name must have at most {longest} bytes, but this one has {found}"
            )


def is_partial(path: Path) -> bool:
    """Whether a path is the temporary name of an output that was not finished."""
    return path.name.startswith(".") and _MARK in path.name


def refuse_existing(target: Path | str, *, overwrite: bool = False, document: str | None = None) -> None:
    """Refuse an output that exists or cannot be written, before any work for it: a rule of all verbs.

    Parameters
    ----------
    target
        File or folder to write.
    overwrite
        Whether one that exists may be replaced: a file by a file, a folder by a folder of the same kind.
    document
        Of a folder: the file by which one of its kind is known; None where `target` is a file.

    Raises
    ------
    InputError
        When it exists and may not be replaced, when it is a folder of something else, when no file may
        have that name, or when nothing can be written there.
    """
    check_name(target)
    target = Path(target)
    if not target.exists():
        _try_to_write(target)
        return
    if not overwrite:
        raise fail(target, EXISTS)
    if document is None and target.is_dir():
        raise fail(target, "must be a file to be overwritten by one, but is a folder")
    if document is not None:
        _refuse_other_folder(target, document)
    _try_to_write(target)


def _try_to_write(target: Path) -> None:
    """Make a file without a name where `target` will lie, in the nearest folder above it that is there."""
    above = next(folder for folder in target.absolute().parents if folder.exists())
    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise fail(target, f"cannot be written ({error.strerror or error})") from error


def _refuse_other_folder(target: Path, document: str) -> None:
    if not target.is_dir():
        raise fail(target, "must be a folder to be overwritten by one, but is a file")
    if any(target.iterdir()) and not (target / document).is_file():
        rule = f"only a folder with the file {document} is overwritten by one, but this one has none"
        raise fail(target, f"{rule}: choose another name")


@contextmanager
def atomic_file(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it replaces `target`, on failure it vanishes.

    Raises
    ------
    InputError
        When the folder cannot be written or the disk is full; a former `target` is untouched.
    """
    target = Path(target)
    with _writing(target), _claimed(target, _new_file) as partial:
        yield partial
        flush(partial)
        partial.replace(target)
        flush(target.parent)


@contextmanager
def atomic_folder(target: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success it becomes `target`, on failure it vanishes.

    Parameters
    ----------
    target
        The folder to make; its parents are made too.
    replace
        Whether an existing `target` may be replaced, in one step; the old folder is deleted after. Of two
        processes that replace it the last one's folder stays.

    Raises
    ------
    InputError
        When `target` exists and `replace` is false, or the folder cannot be written.
    """
    target = Path(target)
    with _writing(target):
        if target.is_symlink():  # the folder is replaced, not the link to it
            target = target.resolve()
        recover(target)
        if target.exists() and not replace:
            raise fail(target, EXISTS)
        if target.is_file():
            raise fail(target, "must be a folder to be replaced by one, but is a file")
        with _claimed(target, os.mkdir) as partial:
            yield partial
            for entry in partial.rglob("*"):
                flush(entry)
            flush(partial)
            take_name(partial, target, replace)
            flush(target.parent)


def sweep(folder: Path, name: str = "", *, alone: bool = False) -> None:
    """Remove the temporary outputs in a folder whose makers are gone.

    Parameters
    ----------
    name
        Those of this output; of any by default.
    alone
        Whether no other machine can be writing here, so that age does not count.
    """
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if not (is_partial(entry) and entry.name.startswith(f".{name}{_MARK}" if name else ".")):
            continue
        # Another process may sweep too; another user's files are left to them.
        with suppress(FileNotFoundError, PermissionError), locked(entry) as free:
            if free and (alone or _ours(entry) or time.time() - _changed(entry) > _STALE_SECONDS):
                remove(entry)


def write_text(target: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `target` atomically."""
    with atomic_file(target) as partial:
        partial.write_text(text, encoding="utf-8")


def write_new_text(target: str | Path, text: str) -> bool:
    """Write `text` (UTF-8) to `target` as :func:`write_new_bytes` does."""
    return write_new_bytes(target, text.encode())


def write_new_bytes(target: str | Path, content: bytes) -> bool:
    """Write a file atomically unless it exists; return whether it was written.

    Of several processes that try at the same time exactly one succeeds.
    """
    target = Path(target)
    with _writing(target), _claimed(target, _new_file) as partial:
        partial.write_bytes(content)
        flush(partial)
        try:
            os.link(partial, target)
        except FileExistsError:
            return False
        flush(target.parent)
    return True


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn what the system says against an output into an error with its name."""
    check_name(target)
    try:
        yield
    except OSError as error:
        raise fail(target, f"cannot be written ({error.strerror or error})") from error


@contextmanager
def _claimed(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a new temporary file or folder beside `target`, locked for this process; gone at the end."""
    _make_folders(target.parent)
    sweep(target.parent, target.name)
    partial, lock = _new_partial(target, make)
    while lock is None:  # swept before it was locked
        partial, lock = _new_partial(target, make)
    try:
        yield partial
    finally:
        os.close(lock)
        # A read-only disk makes even this fail; the cause is told above.
        with suppress(OSError):
            remove(partial)


def _new_partial(target: Path, make: Callable[[Path], None]) -> tuple[Path, int | None]:
    """Make a temporary file or folder; return it with its lock, None when another process has swept it."""
    partial = target.with_name(f".{target.name}{_MARK}{this_host()}{uuid4().hex[:8]}")
    make(partial)
    try:
        lock = os.open(partial, os.O_RDONLY)
    except FileNotFoundError:
        return partial, None
    with suppress(OSError):  # a file system without locks: age alone tells what is stale
        fcntl.flock(lock, fcntl.LOCK_EX)
    if partial.exists():
        return partial, lock
    os.close(lock)
    return partial, None


def _new_file(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents, each of whose names is on the disk when this returns."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        flush(one.parent)


def _ours(partial: Path) -> bool:
    return partial.name.rpartition(_MARK)[2].startswith(this_host())


def _changed(path: Path) -> float:
    """Return when a file, or anything in a folder, was last written."""
    return max(one.stat().st_mtime for one in (path, *path.rglob("*")))
