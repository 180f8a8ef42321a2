"""Whether what stands in a row of the fleet is whole: files of members, pages of a database."""

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rookery.dashboard.sources import Source
from rookery.search.storage.census import asking
from rookery_ensembles.errors import fail
from rookery_ensembles.files import sha256
from rookery_ensembles.plain_text import parse_json

_MOST_FILES, _MOST_BYTES = 2000, 64_000_000
"""So many files of a study, campaign or folder are looked at, an even part of more; of a bundle so many bytes
are compared with their digests, the rest at its beginning and end."""
_PARQUET, _FOOTER = b"PAR1", 8
_HEADER_BYTES = 100_000_000
_CUT = "is damaged: it was cut short or altered"


def check_whole(source: Source, *, own_database: bool = False) -> None:
    """Look whether something that nobody writes to is whole.

    Parameters
    ----------
    source
        A study, campaign, bundle or predictions.
    own_database
        Whether it is a study whose database is a file of its folder: all pages of that are looked at.

    Raises
    ------
    InputError
        With the first damaged file, and what is damaged.
    """
    path = source.path
    if source.kind == "bundle":
        _check_bundle(path)
        return
    if own_database:
        _check_database(path)
    files = path.glob("*.parquet") if source.kind == "predictions" else _member_files(path)
    for file in _evenly(sorted(files)):
        check_file(file)


def check_file(file: Path) -> None:
    """Look whether a file begins and ends as its name says; one of another kind counts as whole.

    Raises
    ------
    InputError
        When it does not, or cannot be read.
    """
    try:
        found = file.stat()
        whole = _is_whole(file, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise fail(file, f"is damaged: cannot be read ({error.strerror or error})") from error
    if not whole:
        raise fail(file, f"{_CUT} ({found.st_size:,} bytes are there)")


@lru_cache(maxsize=100_000)
def _is_whole(file: Path, changed: int, size: int) -> bool:
    if file.suffix not in (".parquet", ".safetensors", ".json"):
        return True
    with file.open("rb") as stream:
        if file.suffix == ".json":
            stream.seek(max(0, size - 100))
            return stream.read().rstrip().endswith(b"}")
        if file.suffix == ".safetensors":
            return _whole_weights(stream.read(8), stream, size)
        begin = stream.read(4)
        stream.seek(max(0, size - _FOOTER))
        end = stream.read(_FOOTER)
        length = int.from_bytes(end[:4], "little") + _FOOTER + len(_PARQUET)
        return begin == end[4:] == _PARQUET and length <= size


def _whole_weights(head: bytes, stream: Any, size: int) -> bool:
    """Return whether the header of a file of safetensors tells of as many bytes as there are."""
    if len(head) < 8 or (length := struct.unpack("<Q", head)[0]) > min(size - 8, _HEADER_BYTES):
        return False
    try:
        told = parse_json(stream.read(length), "header")
        ends = [one["data_offsets"][1] for name, one in told.items() if name != "__metadata__"]
        return bool(8 + length + max(ends, default=0) == size)
    except (ValueError, TypeError, LookupError, AttributeError):
        return False


def _member_files(folder: Path) -> Iterator[Path]:
    for pattern in ("*.parquet", "weights.safetensors", "card.json"):
        yield from folder.glob(f"members/[!.]*/{pattern}")


def _evenly(files: Sequence[Path]) -> Sequence[Path]:
    return files[:: -(-len(files) // _MOST_FILES) or 1]


def _check_database(folder: Path) -> None:
    with asking(folder, None) as ask:
        told = [] if ask is None else [str(row[0]) for row in ask("PRAGMA quick_check(1)")]
    if told not in ([], ["ok"]):
        raise fail(folder / "study.db", f"is damaged: {' '.join(' '.join(told).split())}")


def _check_bundle(folder: Path) -> None:
    from rookery_ensembles._bundle_document import BundleDocument  # not above: it loads numpy and scipy

    document, _ = BundleDocument.from_text((folder / "ensemble.yaml").read_bytes(), str(folder))
    left = _MOST_BYTES
    for member in document.members:
        for name, digest in member.digests.items():
            file = folder / "members" / member.id / name
            check_file(file)
            left -= file.stat().st_size
            if left >= 0 and sha256(file) != digest:
                raise fail(file, "is damaged: its SHA-256 is not the one in ensemble.yaml")
