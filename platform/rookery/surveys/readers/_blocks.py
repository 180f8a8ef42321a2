"""CSV and Parquet files read in blocks: plain, gzipped or in a zip, told by their first bytes."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.compute.progress import tracked
from rookery.surveys._tables import unique_columns
from rookery.surveys.readers._text import decimal_point, separator
from rookery_ensembles.bounds import open_parquet
from rookery_ensembles.errors import fail
from rookery_ensembles.unpacked import reading, unpacking

_KIND = " as a table"
_BLOCK_BYTES = 1 << 23
_HEAD_BYTES = 1 << 16
_PARQUET_ROWS = 1 << 18
TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Block:
    """Some consecutive rows of a file."""

    path: Path
    """The file."""
    first_row: int
    """Number of the first row, counted from 1; a header is no row."""
    text: dict[str, tuple[NDArray[np.int32], list[str]]]
    """Column -> position of each row's value in a list (-1 where missing), and the list."""
    numbers: dict[str, NDArray[np.float64]]
    """Column -> float64, NaN where missing."""
    parent: NDArray[np.int64] | None = None
    """For a table with a list of observations in each row: the row (from 0 in the block) that
    each observation comes from."""

    def place(self, row: int) -> str:
        """Return the name of a row, for messages."""
        return f"{self.path}, row {self.first_row + (row if self.parent is None else int(self.parent[row]))}"


def column_names(path: Path) -> list[str]:
    """Return a file's columns.

    Raises
    ------
    InputError
        When the file is missing or unreadable, or two columns have one name.
    """
    with reading(path, _KIND):
        if is_parquet(path):
            names = list(pq.read_schema(path).names)
        else:
            with _open(path) as stream, _csv_reader(path, stream) as reader:
                names = list(reader.schema.names)
    return unique_columns(names, path)


def read_table(path: Path, text: Collection[str]) -> pa.Table:
    """Return a whole file, the columns `text` as text and all others as their values look."""
    names = column_names(path)
    with reading(path, _KIND):
        if is_parquet(path):
            with open_parquet(path) as file:
                table = file.read(use_threads=False)
            columns = [_as_text(table[name]) if name in text else table[name] for name in names]
            return pa.table(dict(zip(names, columns, strict=True)))
        types = {name: pa.string() for name in text if name in names}
        options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=True)
        parse, convert = _written(path, options)
        with _open(path) as stream:
            return pacsv.read_csv(
                stream,
                read_options=pacsv.ReadOptions(use_threads=False),
                parse_options=parse,
                convert_options=convert,
            )


def read_blocks(path: Path, text: Collection[str], numbers: Collection[str]) -> Iterator[Block]:
    """Yield a file in blocks of some 10^5 rows, with the named columns alone.

    Raises
    ------
    InputError
        For a missing column, a value that is no number where one must be, or a damaged file.
    """
    names = column_names(path)
    wanted = [*dict.fromkeys([*text, *numbers])]
    for name in wanted:
        if name not in names:
            raise fail(path, f"must have a column {name!r}; its columns are {', '.join(names)}")
    with reading(path, _KIND):
        first_row = 1
        for batch in _batches(path, wanted, text):
            if len(batch):
                yield _block(path, first_row, batch, text)
            first_row += len(batch)


def _batches(path: Path, wanted: list[str], text: Collection[str]) -> Iterator[pa.RecordBatch]:
    if is_parquet(path):
        with open_parquet(path, pre_buffer=False) as file:
            batches = file.iter_batches(_PARQUET_ROWS, columns=wanted, use_threads=False)
            yield from tracked(batches, "rows", file.metadata.num_rows, size=len)
        return
    types = {name: TEXT if name in text else pa.float64() for name in wanted}
    options = pacsv.ConvertOptions(column_types=types, include_columns=wanted, strings_can_be_null=True)
    with _open(path) as stream, _csv_reader(path, stream, options) as reader:
        yield from _tracked(reader, stream)


def _tracked(reader: Iterable[pa.RecordBatch], stream: Any) -> Iterator[pa.RecordBatch]:
    """Yield batches, and show how much of a plain file is read, or how many rows of a packed one."""
    if not isinstance(stream, pa.OSFile):
        yield from tracked(reader, "rows", size=len)
        return
    read = 0

    def more(_: pa.RecordBatch) -> int:
        nonlocal read
        before, read = read, stream.tell() // 1000
        return read - before

    yield from tracked(reader, "kB", stream.size() // 1000, size=more)


def _csv_reader(
    path: Path, stream: Any, options: pacsv.ConvertOptions | None = None
) -> pacsv.CSVStreamingReader:
    # One thread: only then does a complaint name its row.
    read = pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
    parse, convert = _written(path, options or pacsv.ConvertOptions())
    return pacsv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)


def _written(path: Path, options: pacsv.ConvertOptions) -> tuple[pacsv.ParseOptions, pacsv.ConvertOptions]:
    """Return how a text file parts its fields, and `options` with how it writes the point of a number."""
    with _open(path) as stream:
        head = bytes(stream.read(_HEAD_BYTES)).decode("utf-8", errors="replace").lstrip("\ufeff")
    lines = head.split("\n")
    delimiter = separator(lines[0])
    options.decimal_point = decimal_point(lines[1:], delimiter)
    return pacsv.ParseOptions(delimiter="," if delimiter == " " else delimiter), options


def _magic(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


def is_parquet(path: Path) -> bool:
    return _magic(path) == b"PAR1"


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    magic = _magic(path)
    if magic[:2] == b"\x1f\x8b" or magic == b"PK\x03\x04":
        with unpacking(path) as stream:
            yield stream
    else:
        with pa.OSFile(str(path)) as stream:
            yield stream


def _block(path: Path, first_row: int, batch: pa.RecordBatch, text: Collection[str]) -> Block:
    columns = {name: batch.column(name) for name in batch.schema.names}
    parent = None
    nested = {name for name, column in columns.items() if _is_list(column.type)}
    if nested:
        columns, parent = _flatten(path, first_row, columns, nested)
    found_text, numbers = {}, {}
    for name, column in columns.items():
        if name in text:
            found_text[name] = _encoded(column)
        else:
            numbers[name] = _numbers(path, name, column)
    return Block(path, first_row, found_text, numbers, parent)


def _flatten(
    path: Path, first_row: int, columns: Mapping[str, pa.Array], nested: set[str]
) -> tuple[dict[str, pa.Array], NDArray[np.int64]]:
    """Turn a row with lists of observations into a row for each, the other columns repeated."""
    lengths = {
        name: pc.fill_null(pc.list_value_length(columns[name]), 0).to_numpy(zero_copy_only=False)
        for name in sorted(nested)
    }
    one, *others = lengths
    for other in others:
        if (differ := lengths[one] != lengths[other]).any():
            row = int(differ.argmax())
            found = f"{one!r} has {lengths[one][row]} entries and {other!r} {lengths[other][row]}"
            raise fail(f"{path}, row {first_row + row}", f"lists of a row must have one length, but {found}")
    parent = np.repeat(np.arange(len(lengths[one])), lengths[one])
    flat = {
        name: pc.list_flatten(column) if name in nested else column.take(pa.array(parent))
        for name, column in columns.items()
    }
    return flat, parent


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _as_text(column: Any) -> Any:
    """Return a column of text or whole numbers as text."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):  # whole numbers beside missing ones become floats in pandas
        whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
        column = column.cast(pa.int64()) if whole else column
    return column.cast(pa.string())


def _encoded(column: pa.Array) -> tuple[NDArray[np.int32], list[str]]:
    encoded = column if column.type.equals(TEXT) else _as_text(column).dictionary_encode()
    values = [value if value is None else value.strip() for value in encoded.dictionary.to_pylist()]
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    if not all(values):
        codes = np.array([index if value else -1 for index, value in enumerate(values)] + [-1])[codes]
    return codes.astype(np.int32), [value or "" for value in values]


def _numbers(path: Path, name: str, column: pa.Array) -> NDArray[np.float64]:
    kind, is_a = column.type, pa.types
    if not any(
        test(kind)
        for test in (is_a.is_integer, is_a.is_floating, is_a.is_boolean, is_a.is_decimal, is_a.is_null)
    ):
        raise fail(path, f"column {name!r} must be numbers, but has type {kind}")
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.array(values, np.float64)
