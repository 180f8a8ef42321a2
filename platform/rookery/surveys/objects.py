"""The object table of a survey: identity, truth and covariates, and the rules it must keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rookery.surveys._tables import no_nulls, require_columns, value_type
from rookery_ensembles.errors import fail

REQUIRED = {"object_id": pa.string(), "type": pa.string(), "redshift": pa.float64()}
OPTIONAL_TEXT = ("source_file", "origin")
"""File, and survey before a merge, that an object is from: for splits and weights, never an input."""
TEXT = ("object_id", "type", *OPTIONAL_TEXT)
NOT_COVARIATES = (*REQUIRED, *OPTIONAL_TEXT)
# A last guard behind the readers: a column with such a name is truth and has its own table.
_TRUTH_PREFIXES = ("sim_", "true_", "search_", "peak_", "sntype")


def covariate_columns(names: list[str]) -> list[str]:
    """Return the columns that a network may see: all but identity and truth."""
    return [name for name in names if name not in NOT_COVARIATES]


def objects_frame(objects: pd.DataFrame, where: str | Path) -> pd.DataFrame:
    """Return `objects` in the store's types and column order, checked.

    Text columns become object arrays of `str` (``None`` where unknown), all others float64.

    Raises
    ------
    InputError
        Naming the column or row, the rule and the value.
    """
    for name in ("object_id", "type"):
        if name not in objects.columns:
            raise fail(where, f"must have a column {name!r}; its columns are {', '.join(objects.columns)}")
    frame = pd.DataFrame({"object_id": _text(objects["object_id"])})
    frame["type"] = _text(objects["type"])
    frame["redshift"] = _floats(objects["redshift"], where) if "redshift" in objects.columns else np.nan
    for name in OPTIONAL_TEXT:
        if name in objects.columns:
            frame[name] = _text(objects[name])
    for name in covariate_columns(list(objects.columns)):
        frame[name] = _floats(objects[name], where)
    check_objects(frame, where)
    return frame


def objects_table(frame: pd.DataFrame) -> pa.Table:
    """Return the Arrow table of a checked frame."""
    types = {name: pa.string() if name in TEXT else pa.float64() for name in frame.columns}
    return pa.table({name: pa.array(frame[name], types[name], from_pandas=True) for name in frame.columns})


def frame_from_table(table: pa.Table, where: str | Path) -> pd.DataFrame:
    """Return the frame of an object table read from disk, its schema checked (its rows are not)."""
    optional = {name: pa.string() for name in OPTIONAL_TEXT if name in table.column_names}
    require_columns(table, REQUIRED | optional, where)
    for name in covariate_columns(table.column_names):
        found = value_type(table.schema.field(name).type)
        if not found.equals(pa.float64()):
            raise fail(where, f"covariate column {name!r} must have type double, but has {found}")
    no_nulls(table, {"object_id": None}, where)
    frame = {}
    for name in table.column_names:
        values = table.column(name)
        if name in TEXT:
            frame[name] = _text(pd.Series(values.to_pylist(), dtype=object))
        else:
            frame[name] = pd.Series(np.array(values.to_numpy(), dtype=np.float64))
    return pd.DataFrame(frame)


def check_objects(frame: pd.DataFrame, where: str | Path) -> None:
    """Refuse no rows, empty or repeated ids, empty types, infinite numbers and truth among covariates."""
    if frame.empty:
        raise fail(where, "must have at least one object")
    for name in ("object_id", "type"):
        empty = (frame[name] == "").to_numpy(dtype=bool)
        if empty.any():
            raise fail(where, f"row {int(empty.argmax())}: {name!r} must not be empty")
    missing = frame["object_id"].isna().to_numpy(dtype=bool)
    if missing.any():
        raise fail(where, f"row {int(missing.argmax())}: 'object_id' must not be missing")
    repeated = frame["object_id"].duplicated().to_numpy(dtype=bool)
    if repeated.any():
        row = int(repeated.argmax())
        raise fail(
            where, f"row {row}: object ids must be unique, but {frame['object_id'][row]!r} is repeated"
        )
    for name in covariate_columns(list(frame.columns)):
        if name.lower().startswith(_TRUTH_PREFIXES):
            raise fail(
                where, f"column {name!r} is truth, which no network may see: put it in the truth table"
            )
    for name in ("redshift", *covariate_columns(list(frame.columns))):
        infinite = np.isinf(frame[name].to_numpy())
        if infinite.any():
            raise fail(
                where, f"row {int(infinite.argmax())}: {name!r} must be finite or missing, but is infinite"
            )


def survey_counts(frame: pd.DataFrame, observations: int, without_detection: int) -> dict[str, Any]:
    """Return what a survey's document counts."""
    by_type = frame["type"].fillna("unknown").value_counts().sort_index()
    return {
        "objects": len(frame),
        "observations": observations,
        "without_detection": without_detection,
        "by_type": {str(kind): int(number) for kind, number in by_type.items()},
    }


def _text(column: pd.Series) -> pd.Series:
    """Return a column of `str` and None, in the object type that pandas would otherwise replace."""
    missing = column.isna()
    values = [None if gone else str(value) for value, gone in zip(column, missing, strict=True)]
    return pd.Series(values, dtype=object)


def _floats(column: pd.Series, where: str | Path) -> NDArray[np.float64]:
    if not pd.api.types.is_numeric_dtype(column):
        raise fail(where, f"column {column.name!r} must be numbers, but has type {column.dtype}")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
