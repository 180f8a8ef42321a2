"""Manifests of cutouts: which file is which galaxy's, in JSON or any table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rookery.surveys.readers._tables import open_table
from rookery_ensembles.errors import fail
from rookery_ensembles.plain_text import parse_json
from rookery_ensembles.unpacked import reading

_PATH_NAMES = ("npy", "path", "file", "filename", "file_name", "image", "cutout", "fits")
_TABLES = (".json", ".csv", ".parquet")
_NAMES = ("manifest.json", "manifest.csv", "manifest.parquet", "manifest.fits")


@dataclass(frozen=True)
class Manifest:
    """A manifest as it stands."""

    path: Path
    """Its file, or the folder of files whose names are the galaxies'."""
    paths: list[str]
    """Each galaxy's file, as written."""
    table: pd.DataFrame
    """All other columns."""

    def file(self, row: int) -> Path | None:
        """Return a galaxy's file: as written beside the manifest, else of that name there, else None."""
        written, folder = Path(self.paths[row]), self.path if self.path.is_dir() else self.path.parent
        for candidate in (folder / written, folder / written.name):
            if candidate.is_file():
                return candidate
        return None


def manifest_of_names(folder: Path, endings: Sequence[str], catalogue: Path | None) -> Manifest | None:
    """Return a manifest by which each file of a folder, ``ID.fits``, is that of the galaxy ID.

    None where the folder holds a table beside the `catalogue`, or no file with one of the endings.

    Raises
    ------
    InputError
        When two files have one name.
    """
    if not folder.is_dir():
        return None
    files = sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith("."))
    known = None if catalogue is None else catalogue.resolve()
    files = [one for one in files if one.resolve() != known]
    if any(one.suffix.lower() in _TABLES or one.name in _NAMES for one in files):
        return None
    ids: dict[str, Path] = {}
    for one in files:
        ending = next((end for end in endings if one.name.lower().endswith(end)), None)
        if ending is None:
            continue
        name = one.name[: -len(ending)]
        if name in ids:
            raise fail(one, f"is named as {ids[name].name} is: both would be the galaxy {name}")
        ids[name] = one
    paths = [one.name for one in ids.values()]
    return Manifest(folder, paths, pd.DataFrame({"object_id": list(ids)})) if ids else None


def find_manifest(path: Path, named: str | Path | None) -> Path:
    """Return the manifest of a folder of cutouts, or `path` itself when that is a file.

    Raises
    ------
    InputError
        When there is none, or several tables could be it.
    """
    if named is not None:
        return Path(named)
    if not path.exists():
        raise fail(path, "must be a folder of cutouts or their manifest, but does not exist")
    if path.is_file():
        return path
    for name in _NAMES:
        if (path / name).is_file():
            return path / name
    tables = [one for one in sorted(path.iterdir()) if one.suffix.lower() in _TABLES]
    if len(tables) == 1:
        return tables[0]
    rule = f"must hold one manifest ({', '.join(_NAMES)}; --manifest names another)"
    raise fail(path, f"{rule}, but holds {', '.join(one.name for one in tables) or 'no table'}")


def read_manifest(path: Path, *, path_column: str | None, names: Sequence[str] | None) -> Manifest:
    """Read a manifest.

    JSON is a list of entries (or an object with one such list); values nested in an entry count as its
    own. The files stand under `path_column`, else under the first of npy, path, file, filename, image,
    cutout and fits.

    Raises
    ------
    InputError
        When it is damaged or empty, an entry names no file, or two name the same.
    """
    table = _json_table(path) if path.suffix.lower() == ".json" else _plain_table(path, path_column, names)
    column = path_column if path_column is not None else _path_column(list(table.columns))
    if column is None or column not in table.columns:
        wanted = repr(column) if column else " or ".join(_PATH_NAMES)
        rule = f"must name each galaxy's file under {wanted} (--path-column)"
        raise fail(path, f"{rule}; its columns are {', '.join(map(str, table.columns))}")
    paths = []
    first: dict[str, int] = {}
    for row, value in enumerate(table[column]):
        if not isinstance(value, str) or not value.strip():
            raise fail(f"{path}, row {row + 1}", f"{column!r} must name a file, but is {value!r}")
        if (other := first.setdefault(value.strip(), row)) != row:
            raise fail(f"{path}, row {row + 1}", f"file {value!r} is also that of row {other + 1}")
        paths.append(value.strip())
    return Manifest(path, paths, table.drop(columns=column))


def _path_column(names: list[str]) -> str | None:
    lower = {str(name).lower(): name for name in reversed(names)}
    return next((lower[word] for word in _PATH_NAMES if word in lower), None)


def _plain_table(path: Path, path_column: str | None, names: Sequence[str] | None) -> pd.DataFrame:
    opened = open_table(path, names=names)
    column = path_column if path_column is not None else _path_column(opened.names)
    # Every column that may be an id is read as text: numbers would lose digits.
    text = [name for name in opened.names if name == column or "id" in name.lower()]
    return opened.read(opened.names, text)


def _json_table(path: Path) -> pd.DataFrame:
    with reading(path):
        entries = parse_json(path.read_bytes(), path)
    if isinstance(entries, dict):
        lists = [value for value in entries.values() if isinstance(value, list)]
        entries = lists[0] if len(lists) == 1 else None
    if not isinstance(entries, list) or not entries:
        raise fail(path, "must be a list with an entry for each galaxy, not empty")
    rows = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise fail(f"{path}, entry {number + 1}", f"must be an object, but is {str(entry)[:80]!r}")
        rows.append(_flat(entry, f"{path}, entry {number + 1}"))
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _flat(entry: dict[str, Any], where: str) -> dict[str, Any]:
    """Return an entry with the values of nested objects as its own; lists are left behind."""
    flat: dict[str, Any] = {}
    for key, value in entry.items():
        inner = value if isinstance(value, dict) else {key: value}
        for name, one in inner.items():
            if isinstance(one, (list, dict)):
                continue
            if name in flat:
                raise fail(where, f"key {name!r} stands twice, outside and inside of {key!r}")
            flat[name] = one
    return flat


def _column(values: list[Any]) -> Any:
    """Return numbers as numbers (whole ones stay whole), all else as text."""
    if all(isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    if all(
        value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values
    ):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array([None if value is None else str(value) for value in values], dtype=object)
