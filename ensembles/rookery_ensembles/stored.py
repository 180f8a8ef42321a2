"""Files of predictions whose values are read when they are needed, block by block."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.compact import unpacked_values, value_column
from rookery_ensembles.errors import fail
from rookery_ensembles.partitions import MANIFEST, open_partitions
from rookery_ensembles.predictions import opened_predictions, read_predictions
from rookery_ensembles.probabilities import plainly_normalised
from rookery_ensembles.schema import PredictionInfo, check_rows
from rookery_ensembles.shown import short_repr

if TYPE_CHECKING:
    import pyarrow as pa

_BUFFER = 1 << 18
_ROUNDING = 1e-6
_ids: "WeakValueDictionary[bytes, NDArray[np.str_]]" = WeakValueDictionary()


@short_repr
@dataclass(frozen=True, eq=False)
class StoredPredictions:
    """What `Predictions` are, but for the values, which stay in their file."""

    path: Path
    """The file, in Parquet, as `write_predictions` writes it; or the folder of partitions."""
    info: PredictionInfo
    """What the predictions are of, and where they come from."""
    object_id: NDArray[np.str_]
    """(N,) names; predictions of the same objects share one array."""
    truth: NDArray[Any] | None
    """(N,) as in `Predictions`."""
    files: tuple[Path, ...] = ()
    """The files that hold the values, in order."""

    @property
    def values(self) -> NDArray[np.float32]:
        """(N, K), read anew each time."""
        return read_predictions(self.path).values

    def reader(self) -> "ValuesReader":
        """Return what reads the values block by block."""
        return ValuesReader(self)


def open_predictions(path: str | Path) -> StoredPredictions:
    """Read a file or folder of predictions but for its values, which are checked when they are read.

    Raises
    ------
    InputError
        As `read_predictions` does, for all but the values.
    """
    where = str(path)
    files, table, info = _names(Path(path))
    if nulls := table["object_id"].null_count:
        raise fail(where, f"column `object_id` must not hold nulls, but holds {nulls}")
    names = table["object_id"].combine_chunks()
    digest = _digest(names)
    known = _ids.get(digest)
    object_id = table["object_id"].to_numpy() if known is None else known
    object_id, truth = check_rows(
        info, object_id, table["truth"].to_numpy(), where, checked=known is not None
    )
    if known is None:
        object_id.flags.writeable = False
        _ids[digest] = object_id
    return StoredPredictions(Path(path), info, object_id, truth, files)


def _names(path: Path) -> "tuple[tuple[Path, ...], pa.Table, PredictionInfo]":
    """Return the files of predictions, the columns `object_id` and `truth` of all, and what they are of."""
    import pyarrow as pa

    folder = open_partitions(path) if path.is_dir() else None
    files = (path,) if folder is None else folder.files
    tables, found = [], []
    for number, one in enumerate(files):
        with opened_predictions(one) as (file, info):
            tables.append(file.read(columns=["object_id", "truth"]))
        found.append(info)
        if folder is not None and (info != folder.info or len(tables[-1]) != folder.rows[number]):
            raise fail(one, f"must be what {path / MANIFEST} tells, but holds {len(tables[-1]):,} others")
    return files, pa.concat_tables([table.replace_schema_metadata(None) for table in tables]), found[0]


class ValuesReader:
    """Reads (n, K) values of a file; those that follow each other without reading anything twice."""

    def __init__(self, stored: StoredPredictions) -> None:
        self._stored = stored
        self._at = 0  # the first row that `_left` holds
        self._left: list[NDArray[np.float32]] = []
        self._stream: Iterator[NDArray[np.float32]] | None = None
        self._sorted: NDArray[np.float32] | None = None

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the values of rows from `start` up to, but without, `stop`."""
        if self._stream is None or start < self._at:
            self._stream, self._at, self._left = self._batches(stop - start), 0, []
        found: list[NDArray[np.float32]] = []
        while self._at < stop:
            part = self._left.pop() if self._left else next(self._stream, None)
            if part is None:
                raise fail(self._stored.path, f"must hold {stop} rows, but ends after {self._at}")
            end = self._at + len(part)
            if end > stop:
                self._left.append(part[stop - self._at :])
            if end > start:
                found.append(part[max(start - self._at, 0) : stop - self._at])
            self._at = min(end, stop)
        if stop == len(self._stored.object_id):
            self._stream, self._left = None, []
        whole = found[0] if len(found) == 1 else np.concatenate(found)
        return self._checked(whole, start)

    def take(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the values of any rows, by way of a temporary file that is mapped into memory."""
        if self._sorted is None:
            n, k = len(self._stored.object_id), self._stored.info.target.n_columns
            with tempfile.TemporaryFile(prefix="rookery-values-") as file:
                file.truncate(4 * n * k)
                self._sorted = np.memmap(file, dtype=np.float32, mode="r+", shape=(n, k))
            step = max(1, 4_000_000 // k)
            for start in range(0, n, step):
                self._sorted[start : start + step] = self.read(start, min(start + step, n))
        return np.asarray(self._sorted[rows])

    def _batches(self, rows: int) -> Iterator[NDArray[np.float32]]:
        target = self._stored.info.target
        total = 0
        for path in self._stored.files:
            with opened_predictions(path, buffer_size=_BUFFER, pre_buffer=False) as (file, info):
                total += file.metadata.num_rows
                last = path == self._stored.files[-1]
                if info != self._stored.info or (last and total != len(self._stored.object_id)):
                    raise fail(path, "must not change while it is read, but did")
                held = value_column(target, info.compact)
                for batch in file.iter_batches(rows, columns=[held.name], use_threads=False):
                    cells = _cells(batch, held.name, held.size, str(path))
                    yield unpacked_values(cells, target, info.compact)

    def _checked(self, values: NDArray[np.float32], first: int) -> NDArray[np.float32]:
        target = self._stored.info.target
        if plainly_normalised(values, target.widths, _ROUNDING):
            return values
        return target.normalised(
            values, str(self._stored.path), self._stored.object_id[first : first + len(values)], first
        )


def _cells(batch: "pa.RecordBatch", column: str, k: int, where: str) -> NDArray[Any]:
    values = batch.column(column)
    cells = values.flatten()
    if nulls := values.null_count + cells.null_count:
        raise fail(where, f"column `{column}` must not hold nulls, but holds {nulls}")
    return np.asarray(cells.to_numpy(zero_copy_only=True).reshape(-1, k))


def _digest(names: "pa.Array") -> bytes:
    found = hashlib.blake2b(str((names.type, len(names), names.offset)).encode())
    for buffer in names.buffers():
        if buffer is not None:
            found.update(buffer)
    return found.digest()
