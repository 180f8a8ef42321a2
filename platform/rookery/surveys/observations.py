"""The observations of a light-curve survey as NumPy columns, and the rules they must keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rookery.surveys._spool import RECORD, sort_records
from rookery.surveys._tables import no_nulls, open_parquet, parquet_batches, require_columns
from rookery_ensembles.errors import fail

COLUMNS = {
    "object_id": pa.string(),
    "mjd": pa.float64(),
    "band": pa.string(),
    "flux": pa.float32(),
    "flux_err": pa.float32(),
}

_BLOCK, _BATCH = 1 << 20, 1 << 17


@dataclass(frozen=True)
class ObservationArrays:
    """All observations of a survey, sorted by object (in the object table's order), then by time."""

    object_index: NDArray[np.int32]
    """(N,) int32, row of the object table."""
    mjd: NDArray[np.float64]
    """(N,) float64, days (Modified Julian Date)."""
    band_index: NDArray[np.int8]
    """(N,) int8, index into the survey's bands."""
    flux: NDArray[np.float32]
    flux_err: NDArray[np.float32]
    """(N,) float32, in the survey's flux unit (FLUXCAL, zero point 27.5)."""
    offsets: NDArray[np.int64]
    """(n_objects + 1,) int64: object `i` owns rows ``offsets[i]:offsets[i + 1]``, at least one."""

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self.mjd)

    def rows(self, index: int) -> slice:
        """Return the rows that belong to object `index`."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def rows_of(self, objects: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (owner, row) of every observation of some objects, repeats allowed.

        `owner` counts the entries of `objects`, `row` the observations.
        """
        start, count = self.offsets[:-1][objects], np.diff(self.offsets)[objects]
        owner = np.repeat(np.arange(len(objects)), count)
        return owner, start[owner] + place_in_group(count)


def place_in_group(count: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return 0, 1, ... `count` - 1 for each group in turn, joined: shape (sum of counts,)."""
    return np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)


def select(
    arrays: ObservationArrays, row: NDArray[Any], object_index: NDArray[np.integer], n_objects: int
) -> ObservationArrays:
    """Return some observations under new object numbers, which must ascend."""
    return assemble(
        object_index,
        arrays.mjd[row],
        arrays.band_index[row],
        arrays.flux[row],
        arrays.flux_err[row],
        n_objects,
    )


def assemble(
    object_index: NDArray[Any],
    mjd: NDArray[np.float64],
    band_index: NDArray[Any],
    flux: NDArray[np.float32],
    flux_err: NDArray[np.float32],
    n_objects: int,
) -> ObservationArrays:
    """Return arrays from columns that are sorted by object, then time."""
    offsets = np.zeros(n_objects + 1, np.int64)
    np.cumsum(np.bincount(object_index, minlength=n_objects), out=offsets[1:])
    return ObservationArrays(
        object_index.astype(np.int32), mjd, band_index.astype(np.int8), flux, flux_err, offsets
    )


def arrays_from_frame(
    frame: pd.DataFrame, object_ids: Sequence[str], bands: Sequence[str], where: str | Path
) -> tuple[ObservationArrays, int]:
    """Sort and check a long table (object_id, mjd, band, flux, flux_err) of observations in any order.

    Returns
    -------
    The arrays, and the number of exact repeats left out of them.

    Raises
    ------
    InputError
        Naming column or row, the rule and the value.
    """
    for name in COLUMNS:
        if name not in frame.columns:
            raise fail(where, f"must have a column {name!r}; its columns are {', '.join(frame.columns)}")
    records = np.empty(len(frame), RECORD)
    records["object"] = _positions(
        frame["object_id"], object_ids, "object_id", "an object of the object table", where
    )
    records["band"] = _positions(frame["band"], bands, "band", f"one of {', '.join(bands)}", where)
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which the check reports
        for name in ("mjd", "flux", "flux_err"):
            records[name] = frame[name].to_numpy(np.float64)
    records, repeated = sort_records(records)
    offsets = np.zeros(len(object_ids) + 1, np.int64)
    np.cumsum(np.bincount(records["object"], minlength=len(object_ids)), out=offsets[1:])
    columns = {name: np.ascontiguousarray(records[name]) for name in RECORD.names or ()}
    arrays = _arrays(columns, offsets)
    check_observations(arrays, object_ids, where)
    return arrays, repeated


def read_arrays(path: Path, object_ids: Sequence[str], bands: Sequence[str]) -> ObservationArrays:
    """Read the arrays of a survey's observation table; ids, bands and schema are checked.

    The file is read in pieces, so that no more than the arrays (21 bytes a row) and one piece
    are ever in memory.
    """
    file = open_parquet(path)
    require_columns(file.schema_arrow.empty_table(), COLUMNS, path)
    rows = file.metadata.num_rows
    columns = {name: np.empty(rows, RECORD[name]) for name in RECORD.names or ()}
    position = {
        "object_id": {value: index for index, value in enumerate(object_ids)},
        "band": {value: index for index, value in enumerate(bands)},
    }
    among = {"object_id": "an object of the object table", "band": f"one of {', '.join(bands)}"}
    offsets = np.zeros(len(object_ids) + 1, np.int64)
    row = 0
    for batch in parquet_batches(file, path, list(COLUMNS), _BATCH):
        here = slice(row, row + len(batch))
        no_nulls(pa.Table.from_batches([batch]), COLUMNS, path, first_row=row)
        for name, stored in (("object_id", "object"), ("band", "band")):
            codes = codes_of(batch.column(name), position[name])
            if (codes < 0).any():
                first = int((codes < 0).argmax())
                value = batch.column(name)[first].as_py()
                raise fail(path, f"row {row + first}: {name!r} must be {among[name]}, but is {value!r}")
            columns[stored][here] = codes
        for name in ("mjd", "flux", "flux_err"):
            columns[name][here] = batch.column(name).to_numpy()
        counts = np.bincount(columns["object"][here], minlength=1)
        offsets[1 : len(counts) + 1] += counts
        row += len(batch)
    np.cumsum(offsets, out=offsets)
    return _arrays(columns, offsets)


def _arrays(columns: Mapping[str, NDArray[Any]], offsets: NDArray[np.int64]) -> ObservationArrays:
    """Return the columns of a record under the names that consumers use."""
    return ObservationArrays(
        object_index=columns["object"],
        mjd=columns["mjd"],
        band_index=columns["band"],
        flux=columns["flux"],
        flux_err=columns["flux_err"],
        offsets=offsets,
    )


def table_from_arrays(arrays: ObservationArrays, object_ids: Sequence[str], bands: Sequence[str]) -> pa.Table:
    """Return the long Arrow table, its two text columns dictionary-encoded."""
    objects = pa.DictionaryArray.from_arrays(pa.array(arrays.object_index), pa.array(object_ids, pa.string()))
    band = pa.DictionaryArray.from_arrays(pa.array(arrays.band_index), pa.array(bands, pa.string()))
    numbers = {name: getattr(arrays, name) for name in ("flux", "flux_err")}
    return pa.table({"object_id": objects, "mjd": arrays.mjd, "band": band, **numbers})


def check_observations(arrays: ObservationArrays, object_ids: Sequence[str], where: str | Path) -> None:
    """Refuse what no consumer should have to expect.

    The rules: numbers finite, errors positive, dates positive, rows sorted by object and time,
    no object without observations. Several observations of a band at one date are allowed.

    Raises
    ------
    InputError
        For the first row that breaks a rule, or the first object without observations.
    """
    for start in range(0, len(arrays), _BLOCK):  # in pieces: the masks of all rows take gigabytes
        _check_rows(arrays, start, min(start + _BLOCK, len(arrays)), object_ids, where)
    empty = np.diff(arrays.offsets) == 0
    if empty.any():
        raise fail(
            where, f"every object must have observations, but {object_ids[int(empty.argmax())]!r} has none"
        )


def _check_rows(
    arrays: ObservationArrays, start: int, stop: int, object_ids: Sequence[str], where: str | Path
) -> None:
    mjd, flux, flux_err = (getattr(arrays, name)[start:stop] for name in ("mjd", "flux", "flux_err"))
    rules = {
        "mjd": (np.isfinite(mjd) & (mjd > 0), "finite and positive"),
        "flux": (np.isfinite(flux), "finite"),
        "flux_err": (np.isfinite(flux_err) & (flux_err > 0), "finite and positive"),
    }
    for name, (good, rule) in rules.items():
        if not good.all():
            row = start + int((~good).argmax())
            owner, value = object_ids[arrays.object_index[row]], getattr(arrays, name)[row]
            place = f"row {row} (object {owner!r}, mjd {arrays.mjd[row]})"
            raise fail(where, f"{place}: {name!r} must be {rule}, but is {value}")
    before = max(start - 1, 0)
    step = np.diff(arrays.object_index[before:stop])
    unsorted = (step < 0) | ((step == 0) & (np.diff(arrays.mjd[before:stop]) < 0))
    if unsorted.any():
        row = before + int(unsorted.argmax()) + 1
        raise fail(where, f"row {row}: rows must be sorted by object (as in the object table), then by mjd")


def codes_of(column: pa.Array, position: Mapping[str, int]) -> NDArray[np.int32]:
    """Return each value's position, -1 where it has none, without a Python string per row."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    of_value = [position.get(value, -1) for value in encoded.dictionary.to_pylist()]
    return np.array(of_value, np.int32)[encoded.indices.to_numpy(zero_copy_only=False)]


def _positions(
    column: pd.Series, known: Sequence[str], name: str, among: str, where: str | Path
) -> NDArray[np.int64]:
    """Return each value's position in `known`, refusing values that are not there."""
    categorical = pd.Categorical(column)
    codes = np.asarray(categorical.codes)
    if (codes < 0).any():
        raise fail(where, f"row {int((codes < 0).argmax())}: {name!r} must not be missing")
    position = {value: index for index, value in enumerate(known)}
    of_category = np.array([position.get(value, -1) for value in categorical.categories], dtype=np.int64)
    positions = of_category[codes]
    if (positions < 0).any():
        row = int((positions < 0).argmax())
        raise fail(where, f"row {row}: {name!r} must be {among}, but is {categorical[row]!r}")
    return positions
