"""A table of galaxies in any format -> named columns: FITS, Parquet, CSV, blanks, structured .npy."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.surveys.readers._fits import read_fits
from rookery.surveys.readers._unpacked import unpacked
from rookery.surveys.readers.galaxies._npy_header import array_of
from rookery.surveys.readers.galaxies._text import Resolve, TextLayout, parse_text, text_layout
from rookery_ensembles.bounds import open_parquet
from rookery_ensembles.errors import InputError, fail

# What a folder of catalogues is searched for: text of any kind only where there is nothing better.
ENDINGS = (
    (".fits", ".fit", ".fits.gz", ".fit.gz", ".csv", ".csv.gz", ".csv.zip", ".tsv", ".parquet", ".npy"),
    (".txt", ".dat", ".ascii", ".cat", ".tbl"),
)
_NPY = b"\x93NUMPY"


@dataclass(frozen=True)
class OpenTable:
    """A table whose columns are known, and not read yet."""

    path: Path
    names: list[str]
    _content: Any
    _layout: TextLayout | None = None

    def read(self, wanted: Collection[str], text: Collection[str]) -> pd.DataFrame:
        """Return columns: those of `text` as text (None where missing), others as numbers where they are.

        Raises
        ------
        InputError
            When the table is damaged or has no row.
        """
        with reading(self.path):
            if self._layout is not None:
                table = parse_text(self._content, self._layout, wanted, text)
                frame = pd.DataFrame({name: _from_arrow(table[name], name in text) for name in wanted})
            elif isinstance(self._content, pq.ParquetFile):
                table = self._content.read(columns=list(wanted), use_threads=False)
                frame = pd.DataFrame({name: _from_arrow(table[name], name in text) for name in wanted})
            else:
                frame = pd.DataFrame(
                    {name: column_values(np.asarray(self._content[name]), name in text) for name in wanted}
                )
        if frame.empty:
            raise fail(self.path, "must be a table with at least one row, but has none")
        return frame


def open_table(
    path: Path, *, names: Sequence[str] | None = None, resolve: Resolve | None = None
) -> OpenTable:
    """Open a table; its format is told by its first bytes.

    Parameters
    ----------
    names, resolve
        As for :func:`rookery.surveys.readers.galaxies._text.text_layout`; for text alone.

    Raises
    ------
    InputError
        When it is missing or damaged, or its columns cannot be told.
    """
    if not path.is_file():
        raise fail(path, "must be a table (FITS, CSV, Parquet, text or .npy), but does not exist")
    with reading(path):
        with path.open("rb") as stream:
            magic = stream.read(6)
        if magic[:4] == b"PAR1":
            parquet = open_parquet(path, pre_buffer=False)
            return OpenTable(path, _unique(list(parquet.schema_arrow.names), path), parquet)
        content = unpacked(path)
        if content[:6] == b"SIMPLE":
            columns = read_fits(path).columns
            return OpenTable(path, list(columns), columns)
        if content[:6] == _NPY:
            fields = structured_columns(array_of(content).ravel(), path)
            return OpenTable(path, list(fields), fields)
        if b"\x00" in content[:4096]:
            raise fail(path, "must be a table (FITS, CSV, Parquet, text or .npy), but holds other bytes")
        if b"\n" not in content:  # lines end as on an old Mac
            content = content.replace(b"\r", b"\n")
        layout = text_layout(content, path, names=names, resolve=resolve)
        return OpenTable(path, layout.names, content, layout)


def structured_columns(array: NDArray[Any], where: str | Path) -> dict[str, NDArray[Any]]:
    """Return the fields of a structured array; one of k numbers a row is `k` columns ``name_0`` ...

    Raises
    ------
    InputError
        For an array without fields.
    """
    if array.dtype.names is None:
        raise fail(where, f"must be a structured array with named fields, but has type {array.dtype}")
    columns: dict[str, NDArray[Any]] = {}
    for name in array.dtype.names:
        values = array[name]
        if values.ndim == 2 and values.dtype.kind in "iufb":
            columns |= {f"{name}_{place}": values[:, place] for place in range(values.shape[1])}
        elif values.ndim == 1 and values.dtype.kind in "iufbSU":
            columns[name] = values
    return columns


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn whatever a library raises for a damaged file into an error with its name."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise fail(path, f"cannot be read ({reason})") from error


def table_files(paths: Sequence[Path], endings: Sequence[tuple[str, ...]], *, what: str) -> list[Path]:
    """Return the files that paths mean: files as they stand, of folders all with a fitting ending.

    Parameters
    ----------
    endings
        Of a folder the first of these groups counts that some file in it has.

    Raises
    ------
    InputError
        For a path that does not exist, a folder without such a file, or no path.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            entries = [
                one for one in sorted(path.iterdir()) if one.is_file() and not one.name.startswith(".")
            ]
            groups = [[one for one in entries if one.name.lower().endswith(group)] for group in endings]
            inside = next((group for group in groups if group), None)
            if inside is None:
                told = ", ".join(ending for group in endings for ending in group)
                raise fail(path, f"must hold {what} ({told}), but holds none")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise fail(path, f"must be {what} or a folder of them, but does not exist")
    if not found:
        raise InputError(f"no path to {what} is given")
    return found


def _unique(names: list[str], path: Path) -> list[str]:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise fail(path, f"must have one column of each name, but has several {repeated[0]!r}")
    return names


def _from_arrow(column: pa.ChunkedArray, as_text: bool) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind, is_a = column.type, pa.types
    if as_text and not (is_a.is_string(kind) or is_a.is_large_string(kind)):
        if is_a.is_floating(kind):
            return column_values(column.to_numpy(), True)
        return np.array([None if v is None else str(v) for v in column.to_pylist()], dtype=object)
    if is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_boolean(kind) or is_a.is_decimal(kind):
        return np.array(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if is_a.is_null(kind):
        return np.full(len(column), np.nan)
    return np.array([None if v is None else str(v).strip() for v in column.to_pylist()], dtype=object)


def column_values(values: Any, as_text: bool = False) -> Any:
    """Return an array as float64, or as text (None where missing); whole numbers without a point."""
    kind = values.dtype.kind
    if kind == "S":
        values, kind = np.char.decode(values, "utf-8", "replace"), "U"
    if kind in "UO":
        return np.array([None if v is None or v != v else str(v).strip() for v in values], dtype=object)
    if not as_text:
        return values.astype(np.float64)
    if kind == "f":
        texts = [
            None if np.isnan(v) else f"{v:.0f}" if np.isinf(v) or v == int(v) else str(v) for v in values
        ]
        return np.array(texts, dtype=object)
    return np.array([str(v) for v in values], dtype=object)
