"""HATS catalogues: a sky in Parquet files, one for each HEALPix pixel, as LSDB makes and reads them.

The layout is that of the HATS note of the IVOA and of https://hats.readthedocs.io (hats 0.11)::

    sky/
        hats.properties                                 dataproduct_type=object, hats_nrows=500, ...
        dataset/Norder=1/Dir=0/Npix=22.parquet          or a folder Npix=22/ of Parquet files

Older ones have no ``dataset/``; a collection has ``collection.properties``, which names its main catalogue.
pyarrow reads it all: neither `hats` nor `lsdb` is needed.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from rookery.surveys._tables import parquet_error
from rookery_ensembles.errors import fail

_PROPERTIES, _COLLECTION = ("hats.properties", "properties"), "collection.properties"
_PIXEL = re.compile(r"Norder=(\d+)/Dir=\d+/Npix=(\d+)(?:\.parquet|/[^/]+\.parquet)")
_DEEPEST = 29
"""Order of the finest HEALPix pixels, by whose numbers the files stand in order."""
_OF_OBJECTS = ("object", "nested")
"""Types of catalogues with a row for each object."""


@dataclass(frozen=True)
class HatsCatalogue:
    """The files of a catalogue, in the order of the sky."""

    path: Path
    """Its folder."""
    files: tuple[Path, ...]
    rows: tuple[int, ...]
    """Objects of each file."""
    checksum: str
    """SHA-256 of the files' names, sizes and Parquet footers, which tell what their columns hold at least and
    at most; the columns themselves, perhaps terabytes, are not read for it."""

    def __len__(self) -> int:
        """Return the number of objects."""
        return sum(self.rows)


def is_hats(path: str | Path) -> bool:
    """Return whether a folder is a HATS catalogue, or a collection with one."""
    folder = Path(path)
    named = any((folder / name).is_file() for name in (*_PROPERTIES, _COLLECTION))
    return named and not (folder / "survey.json").exists()


def open_hats(path: str | Path) -> HatsCatalogue:
    """Find the files of a catalogue and read their footers.

    Raises
    ------
    InputError
        When it is no catalogue of objects, has no file or a damaged one, or not the rows that it promises.
    """
    path = Path(path)
    folder, told = path, {}
    if (path / _COLLECTION).is_file():
        main = _properties(path / _COLLECTION).get("hats_primary_table_url", "")
        folder = path / main
        if not main or not folder.is_dir():
            raise fail(path / _COLLECTION, f"must name its catalogue, a folder in {path}, but has {main!r}")
    where = next((folder / name for name in _PROPERTIES if (folder / name).is_file()), None)
    if where is None:
        raise fail(folder, f"must have {' or '.join(_PROPERTIES)}, as a HATS catalogue has")
    told = _properties(where)
    kind = told.get("dataproduct_type", _OF_OBJECTS[0])
    if kind not in _OF_OBJECTS:
        rule = f"dataproduct_type must be {' or '.join(_OF_OBJECTS)}, with a row for each object"
        raise fail(where, f"{rule}, but is {kind!r}")
    files = _files(folder)
    rows, digests = [], []
    for file in files:
        with parquet_error(file):
            rows.append(pq.read_metadata(file).num_rows)
        name = file.relative_to(folder).as_posix()
        digests.append([name, file.stat().st_size, hashlib.sha256(_footer(file)).hexdigest()])
    if (promised := told.get("hats_nrows", "")).isdecimal() and int(promised) != sum(rows):
        raise fail(where, f"hats_nrows promises {int(promised):,} rows, but the files have {sum(rows):,}")
    checksum = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    return HatsCatalogue(path, tuple(files), tuple(rows), checksum)


def _files(folder: Path) -> list[Path]:
    """Return the files of a catalogue in the order of their pixels."""
    base = folder / "dataset" if (folder / "dataset").is_dir() else folder
    found = []
    for file in base.glob("Norder=*/Dir=*/**/*.parquet"):
        name = file.relative_to(base).as_posix()
        if (pixel := _PIXEL.fullmatch(name)) is not None:
            order, number = map(int, pixel.groups())
            found.append((number << 2 * max(0, _DEEPEST - order), name, file))
    if not found:
        raise fail(base, "must hold files Norder=.../Dir=.../Npix=....parquet, but holds none")
    return [file for _, _, file in sorted(found)]


def _properties(path: Path) -> dict[str, str]:
    """Return the pairs KEY=VALUE of a file's lines."""
    lines = path.read_text("utf-8", errors="replace").splitlines()
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith(("#", "!")))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def _footer(path: Path) -> bytes:
    """Return the footer of a Parquet file that pyarrow could open."""
    with path.open("rb") as stream:
        end = stream.seek(-8, 2)
        size = int.from_bytes(stream.read(4), "little")
        stream.seek(end - size)
        return stream.read(size)
