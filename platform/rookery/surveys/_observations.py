"""The observations of a light-curve survey as NumPy columns, and the rules they must keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rookery.surveys._tables import no_nulls, require_columns
from rookery_ensembles.errors import fail

COLUMNS = {
    "object_id": pa.string(),
    "mjd": pa.float64(),
    "band": pa.string(),
    "flux": pa.float32(),
    "flux_err": pa.float32(),
}


@dataclass(frozen=True)
class ObservationArrays:
    """All observations of a survey, sorted by object (in the object table's order), then by time.

    Attributes
    ----------
    object_index
        (N,) int32, row of the object table.
    mjd
        (N,) float64, days (Modified Julian Date).
    band_index
        (N,) int8, index into the survey's bands.
    flux, flux_err
        (N,) float32, in the survey's flux unit (FLUXCAL, zero point 27.5).
    offsets
        (n_objects + 1,) int64: object `i` owns rows ``offsets[i]:offsets[i + 1]``, at least one.
    """

    object_index: NDArray[np.int32]
    mjd: NDArray[np.float64]
    band_index: NDArray[np.int8]
    flux: NDArray[np.float32]
    flux_err: NDArray[np.float32]
    offsets: NDArray[np.int64]

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
        within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        return owner, start[owner] + within


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


def arrays_from_frame(
    frame: pd.DataFrame, object_ids: Sequence[str], bands: Sequence[str], where: str | Path
) -> ObservationArrays:
    """Sort and check a long table (object_id, mjd, band, flux, flux_err) of observations in any order.

    Raises
    ------
    InputError
        Naming column or row, the rule and the value.
    """
    for name in COLUMNS:
        if name not in frame.columns:
            raise fail(where, f"must have a column {name!r}; its columns are {', '.join(frame.columns)}")
    object_index = _positions(
        frame["object_id"], object_ids, "object_id", "an object of the object table", where
    )
    band_index = _positions(frame["band"], bands, "band", f"one of {', '.join(bands)}", where)
    mjd = frame["mjd"].to_numpy(np.float64)
    order = np.lexsort((band_index, mjd, object_index))
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which the check reports
        flux, flux_err = (
            frame[name].to_numpy(np.float64)[order].astype(np.float32) for name in ("flux", "flux_err")
        )
    arrays = assemble(object_index[order], mjd[order], band_index[order], flux, flux_err, len(object_ids))
    check_observations(arrays, object_ids, where)
    return arrays


def arrays_from_table(
    table: pa.Table, object_ids: Sequence[str], bands: Sequence[str], where: str | Path
) -> ObservationArrays:
    """Return the arrays of an observation table read from disk; ids, bands and schema are checked."""
    require_columns(table, COLUMNS, where)
    no_nulls(table, COLUMNS, where)
    categories = {name: _categorical(table.column(name)) for name in ("object_id", "band")}
    object_index = _positions(
        categories["object_id"], object_ids, "object_id", "an object of the object table", where
    )
    band_index = _positions(categories["band"], bands, "band", f"one of {', '.join(bands)}", where)
    # Copies, since Arrow's memory is read-only, which torch.from_numpy warns about.
    mjd, flux, flux_err = (np.array(table.column(name).to_numpy()) for name in ("mjd", "flux", "flux_err"))
    return assemble(object_index, mjd, band_index, flux, flux_err, len(object_ids))


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
    rules = {
        "mjd": (np.isfinite(arrays.mjd) & (arrays.mjd > 0), "finite and positive"),
        "flux": (np.isfinite(arrays.flux), "finite"),
        "flux_err": (np.isfinite(arrays.flux_err) & (arrays.flux_err > 0), "finite and positive"),
    }
    for name, (good, rule) in rules.items():
        if not good.all():
            row = int((~good).argmax())
            owner, value = object_ids[arrays.object_index[row]], getattr(arrays, name)[row]
            place = f"row {row} (object {owner!r}, mjd {arrays.mjd[row]})"
            raise fail(where, f"{place}: {name!r} must be {rule}, but is {value}")
    step = np.diff(arrays.object_index)
    unsorted = (step < 0) | ((step == 0) & (np.diff(arrays.mjd) < 0))
    if unsorted.any():
        row = int(unsorted.argmax()) + 1
        raise fail(where, f"row {row}: rows must be sorted by object (as in the object table), then by mjd")
    empty = np.diff(arrays.offsets) == 0
    if empty.any():
        raise fail(
            where, f"every object must have observations, but {object_ids[int(empty.argmax())]!r} has none"
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


def _categorical(column: pa.ChunkedArray) -> pd.Series:
    """Return an Arrow text column as a pandas categorical, without a Python string per row."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    # One dictionary for all row groups, so that the codes of different chunks mean the same.
    array = encoded.unify_dictionaries().combine_chunks()
    codes = array.indices.to_numpy(zero_copy_only=False)
    return pd.Series(pd.Categorical.from_codes(codes, categories=array.dictionary.to_pylist()))


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
