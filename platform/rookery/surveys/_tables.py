"""Parquet tables: read with clear errors, whole or some rows of them, and checked against typed columns."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
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


_BATCH, _BUFFER = 1 << 14, 1 << 18


class TableRows:
    """A Parquet file that is read from row to row; rows that follow each other are read once.

    Parameters
    ----------
    path
        The file.
    checked
        Whether its size was looked at before, by this process or by the one that sent it here.
    columns
        Those that are read; by default all.

    Raises
    ------
    InputError
        When the file is missing, lacks a column, is unreadable, or grows out of proportion
        (`rookery_ensembles.bounds`).
    """

    def __init__(self, path: Path, *, checked: bool = False, columns: Sequence[str] | None = None) -> None:
        if not path.is_file():
            raise fail(path, "is missing")
        self.path = path
        with parquet_error(path):
            if not checked:
                bounds.open_parquet(path).close()
            # Buffered: a whole column of a row group, a million rows, would be read at once else.
            self._file = pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
            unique_columns(self._file.schema_arrow.names, path)
        lacking = [name for name in columns or () if name not in self._file.schema_arrow.names]
        if lacking:
            raise fail(
                path, f"must have the columns {', '.join(columns or ())}, but lacks {', '.join(lacking)}"
            )
        self._columns = None if columns is None else list(columns)
        groups = self._file.metadata
        self._starts = [0]
        for number in range(groups.num_row_groups):
            self._starts.append(self._starts[-1] + groups.row_group(number).num_rows)
        self._at = 0  # the next row of `_stream`
        self._left: pa.Table | None = None  # what was read beyond
        self._stream: Iterator[pa.RecordBatch] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._starts[-1]

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self._file.schema_arrow.names)

    @property
    def group_starts(self) -> list[int]:
        """The first row of every row group: where reading may begin."""
        return self._starts[:-1]

    def read(self, start: int, stop: int) -> pa.Table:
        """Return the rows from `start` up to, but without, `stop`.

        Raises
        ------
        InputError
            When the file is damaged, or ends before.
        """
        group = bisect_right(self._starts, start) - 1
        if self._stream is None or start < self._at or self._at < self._starts[group]:
            self._begin(group)
        found = []
        while self._at < stop:
            part = self._next()
            end = self._at + len(part)
            if end > stop:
                self._left = part.slice(stop - self._at)
            if end > start:
                found.append(part.slice(max(start - self._at, 0), min(end, stop) - max(self._at, start)))
            self._at = min(end, stop)
        return pa.concat_tables(found) if found else self._file.schema_arrow.empty_table()

    def unread(self, rows: pa.Table) -> None:
        """Take back the last rows that were read: they are read next."""
        self._left = rows if self._left is None else pa.concat_tables([rows, self._left])
        self._at -= len(rows)

    def all_null(self, name: str) -> bool:
        """Return whether a column holds no value; by the file's statistics where it has them."""
        index = self._file.schema_arrow.names.index(name)
        for number in range(len(self.group_starts)):
            chunk = self._file.metadata.row_group(number).column(index)
            told = chunk.statistics
            if told is not None and told.has_null_count:
                if told.null_count < chunk.num_values:
                    return False
                continue
            with parquet_error(self.path):
                column = self._file.read_row_group(number, columns=[name])[name]
                if column.null_count < len(column):
                    return False
        return True

    def firsts(self, name: str) -> list[Any]:
        """Return a column's first value in every row group."""
        found = []
        for number in range(len(self.group_starts)):
            with parquet_error(self.path):
                first = next(self._file.iter_batches(1, [number], columns=[name], use_threads=False))
                found.append(first.column(0)[0].as_py())
        return found

    def column(self, name: str) -> Iterator[pa.Array]:
        """Yield a column in pieces."""
        with parquet_error(self.path):
            for batch in self._file.iter_batches(_BATCH, columns=[name], use_threads=False):
                yield batch.column(0)

    def _begin(self, group: int) -> None:
        rest = list(range(group, len(self.group_starts)))
        self._stream = self._file.iter_batches(
            _BATCH, row_groups=rest, columns=self._columns, use_threads=False
        )
        self._at, self._left = self._starts[group], None

    def _next(self) -> pa.Table:
        if self._left is not None:
            part, self._left = self._left, None
            return part
        assert self._stream is not None
        with parquet_error(self.path):
            batch = next(self._stream, None)
            if batch is None:
                raise fail(self.path, f"must have the {len(self)} rows that it promises, but has {self._at}")
            batch.validate(full=True)
            return pa.Table.from_batches([batch])
