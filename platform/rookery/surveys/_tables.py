"""Parquet tables: read with clear errors, checked against typed columns."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rookery_ensembles import bounds
from rookery_ensembles.errors import InputError, fail


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file.

    Raises
    ------
    InputError
        When the file is missing, unreadable or not Parquet.
    """
    if not path.is_file():
        raise fail(path, "is missing")
    with parquet_error(path), bounds.open_parquet(path) as file:
        unique_columns(file.schema_arrow.names, path)
        table = file.read()
        table.validate(full=True)  # text that is no UTF-8, which would fail only where it is used
        return table


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file to be read in pieces; raises `InputError` as :func:`read_table` does."""
    if not path.is_file():
        raise fail(path, "is missing")
    with parquet_error(path):
        file = bounds.open_parquet(path, read_dictionary=["object_id", "band"], pre_buffer=False)
        unique_columns(file.schema_arrow.names, path)
        return file


def parquet_batches(
    file: pq.ParquetFile, path: Path, columns: list[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield record batches of at most so many rows; raises `InputError` where the file is damaged."""
    found = 0
    batches = file.iter_batches(rows, columns=columns, use_threads=False)
    while True:
        with parquet_error(path):
            batch = next(batches, None)
            if batch is None:
                break
            batch.validate(full=True)
        found += len(batch)
        if found > file.metadata.num_rows:
            break
        yield batch
    if found != file.metadata.num_rows:
        raise fail(path, f"must have the {file.metadata.num_rows} rows that it promises, but has {found}")


@contextmanager
def parquet_error(path: Path) -> Iterator[None]:
    """Turn whatever Arrow raises for a damaged file into an error with its name."""
    try:
        yield
    except InputError:
        raise
    except (OSError, pa.ArrowException, ValueError, TypeError, LookupError, MemoryError) as error:
        raise fail(path, f"is not a readable Parquet file ({error})") from error


def unique_columns(names: list[str], where: str | Path) -> list[str]:
    """Return a table's columns; raises `InputError` when two have one name."""
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise fail(where, f"must have one column of each name, but has several {repeated[0]!r}")
    return names


def require_columns(table: pa.Table, columns: Mapping[str, pa.DataType], where: str | Path) -> None:
    """Hold a table to typed columns; further columns are allowed.

    A dictionary-encoded column counts as its value type.

    Raises
    ------
    InputError
        Naming the column, the rule and the type found.
    """
    for name, wanted in columns.items():
        if name not in table.column_names:
            raise fail(where, f"must have a column {name!r}; its columns are {', '.join(table.column_names)}")
        found = value_type(table.schema.field(name).type)
        if not found.equals(wanted):
            raise fail(where, f"column {name!r} must have type {wanted}, but has {found}")


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return a column's type with dictionary encoding and the width of string offsets taken away."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_large_string(plain) else plain


def no_nulls(table: pa.Table, columns: Mapping[str, Any], where: str | Path, *, first_row: int = 0) -> None:
    """Refuse nulls in the named columns, naming the row; the table's first row is `first_row`."""
    for name in columns:
        column = table.column(name)
        if column.null_count:
            row = first_row + column.is_null().index(True).as_py()
            raise fail(where, f"row {row}: {name!r} must not be null")
