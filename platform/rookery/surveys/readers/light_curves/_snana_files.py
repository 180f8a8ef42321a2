"""The files of an SNANA release: a folder, or a tar archive read as a stream without unpacking."""

import logging
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rookery.surveys.readers.light_curves._snana_text import looks_like_light_curve
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.unpacked import unpacking

logger = logging.getLogger(__name__)
# How much of a file is searched for a light curve's keys; they stand in its header.
_HEAD = 1 << 16
# Of one light curve; long ones have some hundred kilobytes.
_MOST_BYTES = 1 << 27


@dataclass(frozen=True)
class SourceFile:
    """One file of a release."""

    where: str
    """Its place, for messages."""
    name: str
    """Its base name."""
    text: str | None
    """Its content, or None for a file that is no light curve (a list, a README, ...)."""
    error: InputError | None = None
    """Why it could not be read, if so."""


def source_files(path: Path) -> Iterator[SourceFile]:
    """Yield the visible files of a folder (with its subfolders) or of a tar archive.

    Hidden files and what macOS leaves in archives are passed over; everything but plain files is too.

    Raises
    ------
    InputError
        When `path` is neither, or the archive is damaged or truncated.
    """
    if path.is_dir():
        yield from _folder_files(path)
    elif path.is_file():
        _check_archive(path)
        yield from _archive_files(path)
    else:
        raise fail(path, "must be a folder or a tar archive, but does not exist")


def number_of_files(path: Path) -> int | None:
    """Return how many files a folder holds; None for an archive, which would have to be unpacked."""
    return sum(1 for one in path.rglob("*") if one.is_file()) if path.is_dir() else None


def _folder_files(folder: Path) -> Iterator[SourceFile]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or _is_hidden(PurePosixPath(path.relative_to(folder).as_posix())):
            continue
        try:
            with path.open("rb") as stream:
                text = _text_of(stream.read, path)
        except OSError as error:
            problem = fail(path, f"cannot be read ({error.strerror or error})")
            yield SourceFile(str(path), path.name, None, problem)
            continue
        yield SourceFile(str(path), path.name, text)


def _check_archive(path: Path) -> None:
    try:
        with unpacking(path, zips=False) as stream, tarfile.open(fileobj=stream, mode="r|"):
            return
    except tarfile.ReadError as error:
        kinds = ".tar, .tar.gz, .tar.bz2, .tar.xz"
        rule = f"must be a folder or an intact tar archive ({kinds}), but is neither"
        raise fail(path, rule) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise _damaged(path, "", error) from error


def _archive_files(path: Path) -> Iterator[SourceFile]:
    last = ""
    try:
        # A stream is read once from front to back: members of a compressed archive come at no extra cost.
        with unpacking(path, zips=False) as packed, tarfile.open(fileobj=packed, mode="r|") as archive:
            for member in archive:
                last = member.name
                name = PurePosixPath(member.name)
                if not member.isfile() or _is_hidden(name):
                    logger.debug("%s: %s is no visible plain file: ignored", path, member.name)
                    continue
                stream = archive.extractfile(member)
                where = f"{path}:{member.name}"
                text = _text_of(stream.read, where) if stream is not None else None
                yield SourceFile(where, name.name, text)
            while packed.read(1 << 20):  # to its end, where a decompressor tells of damage
                pass
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise _damaged(path, last, error) from error
    _check_end(path)


def _check_end(path: Path) -> None:
    """Refuse a plain tar cut off between two members, which tarfile takes for a whole one."""
    with path.open("rb") as stream:
        if stream.read(262)[257:] != b"ustar":
            return  # compressed: the decompressor has seen the end
        stream.seek(-512, 2)
        if stream.read().strip(b"\0"):
            raise fail(path, "is truncated: a tar archive must close with empty blocks, but does not")


def _damaged(path: Path, last: str, error: Exception) -> InputError:
    place = f" after member {last!r}" if last else ""
    return fail(path, f"archive is truncated or damaged{place} ({error or type(error).__name__})")


def _is_hidden(name: PurePosixPath) -> bool:
    return any(
        (part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in name.parts
    )


def _text_of(read: Callable[[int], bytes], where: str | Path) -> str | None:
    """Return a light curve's whole text; None for other files, of which only the head is read.

    Raises
    ------
    InputError
        When it is longer than any light curve: the holes of a sparse file are.
    """
    head = read(_HEAD)
    if head.strip() and not looks_like_light_curve(head):
        return None
    # Every byte is a character in Latin-1, which keeps ASCII as it is: names may hold anything.
    content = head + read(_MOST_BYTES)
    if len(content) > _MOST_BYTES:
        raise fail(where, f"a light curve must have at most {_MOST_BYTES:,} bytes, but this file has more")
    return content.decode("latin-1")
