"""Files unpacked while they are read: gzip, bzip2, xz, or a zip of one file, told by their first bytes.

Each unpacked byte is counted against the packed ones that it came from (:mod:`rookery_ensembles.bounds`), so
that a small file that would fill the memory is refused after its first 268 MB.
"""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rookery_ensembles.bounds import check_growth
from rookery_ensembles.errors import InputError, fail

_BUFFER = 1 << 20
_ZIP = b"PK\x03\x04"
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


class _Counted(io.RawIOBase):
    """A decompressor's output, refused as soon as it is too much for what it came from."""

    def __init__(self, inner: IO[bytes], packed: IO[bytes], where: Path) -> None:
        self._inner, self._packed, self._where, self._count = inner, packed, where, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as it goes, and return how far."""
        found = self._inner.read(len(buffer))
        self._count += len(found)
        check_growth(self._where, self._count, self._packed.tell())
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def reading(path: str | Path, kind: str = "") -> Iterator[None]:
    """Turn whatever a library raises for a damaged file into an error with its name.

    Parameters
    ----------
    kind
        What it was to be read as, for the message, such as ``" as a table"``.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise fail(path, f"cannot be read{kind} ({reason})") from error


@contextmanager
def unpacking(path: Path, *, zips: bool = True) -> Iterator[IO[bytes]]:
    """Yield a file's unpacked bytes as a stream.

    Parameters
    ----------
    zips
        Whether a zip of one file is unpacked too.

    Raises
    ------
    InputError
        When there is too much for so small a file, or a zip holds several files.
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile
        When the file cannot be read or is damaged.
    """
    with path.open("rb") as packed:
        magic = packed.read(6)
        packed.seek(0)
        unpack = next((kind for start, kind in _PACKED.items() if magic.startswith(start)), None)
        if unpack is not None:
            with unpack(packed) as inner, io.BufferedReader(_Counted(inner, packed, path), _BUFFER) as stream:
                yield stream
        elif zips and magic.startswith(_ZIP):
            with open_zip(path) as archive:
                names = archive.namelist()
                members = [one for one in names if not one.endswith("/") and "__MACOSX" not in one]
                if len(members) != 1:
                    raise fail(path, f"must hold one file, but holds {len(members)}")
                with archive.open(members[0]) as stream:
                    yield stream
        else:
            yield packed


def unpacked(path: Path) -> bytes:
    """Return a file's unpacked bytes; raises as :func:`unpacking` does."""
    with unpacking(path) as stream:
        return b"".join(iter(lambda: stream.read(_BUFFER), b""))


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Yield a zip whose members are together in proportion to its size; raises `InputError` if not.

    A member never gives more bytes than the zip's list says.
    """
    with zipfile.ZipFile(path) as archive:
        check_growth(path, sum(member.file_size for member in archive.infolist()), path.stat().st_size)
        yield archive
