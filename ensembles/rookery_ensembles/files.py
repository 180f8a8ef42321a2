"""Outputs that are either whole or absent: write under a temporary name, then rename."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from rookery_ensembles.errors import fail

_MARK = ".partial-"


def _partial_name(target: Path) -> Path:
    return target.with_name(f".{target.name}{_MARK}{uuid4().hex[:8]}")


def is_partial(path: Path) -> bool:
    """Whether a path is the temporary name of an output that was not finished."""
    return path.name.startswith(".") and _MARK in path.name


@contextmanager
def atomic_file(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it replaces `target`, on failure it vanishes.

    Raises
    ------
    InputError
        When the folder cannot be written or the disk is full; a former `target` is untouched.
    """
    target = Path(target)
    partial = _partial_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        partial.replace(target)
    except OSError as error:
        raise fail(target, f"cannot be written ({error.strerror or error})") from error
    finally:
        # A read-only disk, or a parent that is a file, makes even this fail; the cause is told above.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success it becomes `target`, on failure it vanishes.

    Parameters
    ----------
    target
        The folder to make; its parents are made too.
    replace
        Whether an existing `target` may be replaced. The old folder is moved away before the
        new one takes its name, and deleted after.

    Raises
    ------
    InputError
        When `target` exists and `replace` is false, or the folder cannot be written.
    """
    target = Path(target)
    if target.exists() and not replace:
        raise fail(target, "must not exist yet: it is never overwritten unasked")
    if target.exists() and not target.is_dir():
        raise fail(target, "must be a folder to be replaced by one, but is a file")
    partial = _partial_name(target)
    try:
        partial.mkdir(parents=True)
        yield partial
        for entry in partial.rglob("*"):
            if entry.is_file():
                _flush(entry)
        _take_name(partial, target)
    except OSError as error:
        raise fail(target, f"cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _flush(file: Path) -> None:
    """Wait until a file's bytes are on the disk, so that a power cut cannot leave its name without them."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _take_name(partial: Path, target: Path) -> None:
    """Rename `partial` to `target`; a former `target` stays when that fails, and is deleted when not."""
    if not target.exists():
        partial.rename(target)
        return
    retired = _partial_name(target)
    target.rename(retired)
    try:
        partial.rename(target)
    except OSError:
        retired.rename(target)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def write_text(target: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `target` atomically."""
    with atomic_file(target) as partial:
        partial.write_text(text, encoding="utf-8")


def write_new_text(target: str | Path, text: str) -> bool:
    """Write `text` (UTF-8) to `target` atomically unless it exists; return whether it was written.

    Of several processes that try at the same time exactly one succeeds.
    """
    target = Path(target)
    partial = _partial_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        _flush(partial)
        try:
            os.link(partial, target)
        except FileExistsError:
            return False
    except OSError as error:
        raise fail(target, f"cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return True


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
