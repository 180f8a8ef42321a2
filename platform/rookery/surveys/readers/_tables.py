"""A table in any format -> named columns: FITS, Parquet, CSV, blanks, structured .npy; and a missing one."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.documents import Source
from rookery.surveys._tables import unique_columns
from rookery.surveys.readers._text import Resolve, TextLayout, parse_text, text_layout
from rookery_ensembles.bounds import open_parquet
from rookery_ensembles.errors import InputError, did_you_mean, fail
from rookery_ensembles.fits_units import check_units, open_fits
from rookery_ensembles.npy_files import array_of
from rookery_ensembles.unpacked import reading, unpacked

# Arrays of varying length, whose heap may repeat endlessly; they are left out.
_VARYING = re.compile(r"\d*[PQ]")


@dataclass(frozen=True)
class FitsTable:
    """A file's first binary table."""

    path: Path
    """The file."""
    header: dict[str, Any]
    """Keys of the primary header, upper-case."""
    columns: dict[str, NDArray[Any]]
    """Name -> values, one per row, in the machine's byte order; text is stripped of its padding.
    A column of k > 1 numbers a row is `k` columns ``name_0`` ... ; columns of text with
    several entries, of varying length or of more than two dimensions are left out."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))


def read_fits(path: Path) -> FitsTable:
    """Read the first binary table of a FITS file, plain or packed (told by its first bytes).

    Raises
    ------
    InputError
        When the file is missing, damaged, truncated, or has no table with a row.
    """
    with reading(path):
        content = unpacked(path)
    try:
        table = _parse(path, content)
    except InputError:
        raise
    except Exception as error:
        raise fail(path, f"is not a readable FITS file ({type(error).__name__}: {error})") from error
    if not len(table):
        raise fail(path, "must hold a binary table with at least one row, but has none")
    return table


def _parse(path: Path, content: bytes) -> FitsTable:
    from astropy.io.fits import BinTableHDU

    with open_fits(content) as units:
        header = {str(key).upper(): value for key, value in units[0].header.items()}
        table = next((unit for unit in units if isinstance(unit, BinTableHDU)), None)
        if table is None:
            return FitsTable(path, header, {})
        check_units([table], path, len(content))
        columns: dict[str, NDArray[Any]] = {}
        for column in table.columns:
            if not _VARYING.match(str(column.format)):
                _add(columns, str(column.name).strip(), np.asarray(table.data[column.name]))
        return FitsTable(path, header, columns)


def _add(columns: dict[str, NDArray[Any]], name: str, values: NDArray[Any]) -> None:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind == "U" and values.ndim == 1:
        columns[name] = np.char.strip(values).astype(object)
    elif values.dtype.kind in "iufb" and values.ndim == 1:
        columns[name] = values.astype(values.dtype.newbyteorder("="))
    elif values.dtype.kind in "iufb" and values.ndim == 2:
        for index in range(values.shape[1]):
            _add(columns, f"{name}_{index}", values[:, index])


def read_columns(path: Path) -> dict[str, str]:
    """Read a YAML file with a line ``ROLE: COLUMN`` for each role.

    Raises
    ------
    InputError
        When it is unreadable or holds anything else.
    """
    document = Source.read(path).data
    for role, column in document.items():
        if not isinstance(role, str) or not isinstance(column, (str, int)) or isinstance(column, bool):
            raise fail(path, f"must be lines of ROLE: COLUMN, but holds {role!r}: {column!r}")
    return {role: str(column) for role, column in document.items()}


def missing_column(role: str, column: str, names: list[str], where: Path, hint: str = "") -> InputError:
    """Return the error of a table, with columns `names`, that lacks a role's column."""
    rule = f"must have a column {column!r} for {role}; its columns are {', '.join(names)}"
    return fail(where, f"{rule}{hint}{did_you_mean(column, names)}")


_NPY = b"\x93NUMPY"


@dataclass(frozen=True)
class OpenTable:
    """A table whose columns are known, and not read yet."""

    path: Path
    names: list[str]
    """The file, and its columns."""
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
                frame = frame_of(parse_text(self._content, self._layout, wanted, text), wanted, text)
            elif isinstance(self._content, pq.ParquetFile):
                table = self._content.read(columns=list(wanted), use_threads=False)
                frame = frame_of(table, wanted, text)
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
        As for :func:`rookery.surveys.readers._text.text_layout`; for text alone.

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
            return OpenTable(path, unique_columns(list(parquet.schema_arrow.names), path), parquet)
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


def frame_of(table: pa.Table, wanted: Collection[str], text: Collection[str]) -> pd.DataFrame:
    """Return columns: those of `text` as text (None where missing), others as numbers where they are."""
    return pd.DataFrame({name: _from_arrow(table[name], name in text) for name in wanted})


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
