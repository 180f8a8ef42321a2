"""Rows of a Parquet file from one number to another, without the file in memory."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rookery.surveys._tables import parquet_error, unique_columns
from rookery_ensembles import bounds
from rookery_ensembles.errors import fail

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
