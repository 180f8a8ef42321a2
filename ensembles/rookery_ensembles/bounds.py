"""What a file may become in memory, judged by its own size before the memory is taken.

A few kilobytes of gzip, Parquet or FITS can promise terabytes. Honest data do not: text shrinks to a tenth,
tables of repeated values to a thirtieth. So a file may become `MOST_TIMES` its size, and `FREE_BYTES` in any
case; there is no limit beside this, since a survey of terabytes may be read as a stream.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery_ensembles._parquet_footer import chunks
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FREE_BYTES = 1 << 28
"""What any file may become: 268 MB."""
MOST_TIMES = 100
"""How many times its size a larger one may become."""
VARIABLE = "ROOKERY_MOST_TIMES"
"""Environment variable that raises `MOST_TIMES`, for data that are known to be honest."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, "BYTE_ARRAY": 4}
_ROWS = 1 << 16


def most_bytes(size: int) -> int:
    """Return the bytes that a file of `size` bytes may become.

    Raises
    ------
    InputError
        When the environment variable `ROOKERY_MOST_TIMES` is no number of 1 or more.
    """
    text = os.environ.get(VARIABLE, str(MOST_TIMES))
    try:
        times = float(text)
    except ValueError:
        times = 0.0
    if not 1 <= times < 1e12:
        raise fail(VARIABLE, f"must be a number of 1 or more, but is {text!r}")
    return max(FREE_BYTES, int(times * size))


def check_growth(where: str | Path, found: int, size: int) -> None:
    """Refuse what `size` bytes of a file become.

    Raises
    ------
    InputError
        When `found` bytes are more than `most_bytes(size)`.
    """
    if found > (most := most_bytes(size)):
        rule = f"becomes {found:,} bytes or more when unpacked, but {size:,} bytes of it may become {most:,}"
        raise fail(where, f"{rule}: a larger {VARIABLE} (by default {MOST_TIMES}) allows more")


def open_parquet(path: str | Path, **options: Any) -> "pq.ParquetFile":
    """Open a Parquet file whose columns, unpacked, are in proportion to its size.

    Parameters
    ----------
    options
        Of `pyarrow.parquet.ParquetFile`.

    Raises
    ------
    InputError
        When they are not: pages packed too well, or endless repetition of values.
    pyarrow.ArrowException, OSError
        When the file cannot be read.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, **options)
    try:
        _check_parquet(file, Path(path))
    except BaseException:
        file.close()
        raise
    return file


def _check_parquet(file: "pq.ParquetFile", path: Path) -> None:
    size = path.stat().st_size
    unpacked = decoded = 0
    repeated: set[str] = set()
    for chunk in chunks(path):
        unpacked += max(chunk.unpacked_bytes, 0)
        width = _WIDTHS.get(chunk.physical_type) or file.schema.column(chunk.column).length
        decoded += max(chunk.num_values, 0) * width
        if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary:
            longest = max(chunk.num_values, 0) * max(chunk.unpacked_bytes, 0)
            repeated |= {chunk.path} if longest > most_bytes(size) else set()
    check_growth(path, max(unpacked, decoded), size)
    for name in sorted(repeated):
        decoded += _text_bytes(path, name, most_bytes(size) - decoded)
        check_growth(path, decoded, size)


def _text_bytes(path: Path, column: str, most: int) -> int:
    """Return the bytes of all texts of a column, repetitions included; stops counting above `most`."""
    import pyarrow.parquet as pq

    total = 0
    with pq.ParquetFile(path, read_dictionary=[column], pre_buffer=False) as file:
        for batch in file.iter_batches(_ROWS, columns=[column], use_threads=False):
            total += sum(_bytes_of(array) for array in batch.columns)
            if total > most:
                break
    return total


def _bytes_of(array: "pa.Array") -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).take(array.indices.drop_null())
    return int(pc.sum(lengths.cast(pa.int64())).as_py() or 0)
