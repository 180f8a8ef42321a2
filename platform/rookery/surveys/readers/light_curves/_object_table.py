"""A table with an object a row -> a survey's objects and truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.readers.light_curves._stream import SurveyStream
from rookery.surveys.readers.light_curves._types import types_of
from rookery_ensembles.errors import InputError, fail


@dataclass(frozen=True)
class ObjectTable:
    """The objects of a survey that is being read."""

    ids: list[str]
    """Object ids in the table's order."""
    frame: pd.DataFrame
    """Identity, type, redshift and covariates."""
    truth: pd.DataFrame
    """All other columns."""
    wrong: Mapping[int, InputError]
    """What spoils an object, by its row."""

    def reject_wrong(self, stream: SurveyStream) -> None:
        """Raise the first error, or have the objects left out."""
        for row, error in sorted(self.wrong.items()):
            stream.reject(row, error)


def object_table(
    table: pd.DataFrame,
    path: Path,
    *,
    id_column: str,
    type_column: str | None,
    type_map: Mapping[str, str],
    redshift_columns: Sequence[str],
    covariates: Mapping[str, tuple[str, ...]],
    undefined: float | None = None,
    closed: bool = False,
) -> ObjectTable:
    """Part an object table into what networks may see, and truth.

    Parameters
    ----------
    table
        Ids and types as text.
    redshift_columns
        Where the true redshift stands: the first that is defined.
    covariates
        Name in the survey -> columns that may tell it. Every column that is in none of these is truth.
    undefined
        A number that means "unknown" in redshifts and covariates, but not in declinations.
    closed
        As for :func:`rookery.surveys.readers.light_curves._types.types_of`.

    Raises
    ------
    InputError
        When the id column, or an id, is missing.
    """
    if id_column not in table.columns:
        raise fail(path, f"must have a column {id_column!r}; its columns are {', '.join(table.columns)}")
    missing = table[id_column].isna().to_numpy(dtype=bool)
    ids = [str(value).strip() for value in table[id_column]]
    for row, name in enumerate(ids):
        if missing[row] or not name:
            raise fail(f"{path}, row {row + 1}", f"{id_column!r} must not be missing")
    types = np.full(len(table), None, dtype=object)
    wrong: dict[int, InputError] = {}
    if type_column is not None:
        types, problems = types_of(table[type_column], type_map, closed=closed)
        for row, rule in problems.items():
            wrong[row] = fail(f"{path}, row {row + 1} (object {ids[row]!r})", f"{type_column!r} {rule}")
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if (other := first.setdefault(name, row)) != row:
            rule = f"object ids must be unique, but {name!r} is also that of row {other + 1}"
            wrong.setdefault(row, fail(f"{path}, row {row + 1}", rule))
    frame = pd.DataFrame({"object_id": np.array(ids, dtype=object), "type": types})
    frame["redshift"] = first_defined(table, redshift_columns, undefined, path)
    frame["source_file"] = path.name.removesuffix(".gz").removesuffix(".zip")
    taken = {id_column}
    for name, columns in covariates.items():
        values = first_defined(table, columns, None if name == "dec" else undefined, path)
        taken |= set(columns)
        if not np.isnan(values).all():
            frame[name] = values
    truth = {"object_id": frame["object_id"]}
    for name in table.columns:
        if name not in taken:
            truth["id_in_source" if name == "object_id" else name] = plain_column(table[name])
    return ObjectTable(ids, frame, pd.DataFrame(truth), wrong)


def first_defined(
    table: pd.DataFrame, columns: Sequence[str], undefined: float | None, where: Path | None = None
) -> NDArray[np.float64]:
    """Return for each row the first of some columns that is a number and not `undefined`, else NaN.

    Parameters
    ----------
    where
        The table's file: a column that is no numbers is then an error, and else has nothing to say.

    Raises
    ------
    InputError
        For such a column.
    """
    values = np.full(len(table), np.nan)
    for name in (name for name in columns if name in table.columns):
        try:
            numbers = pd.to_numeric(table[name], errors="coerce" if where is None else "raise")
        except (ValueError, TypeError) as error:
            raise fail(str(where), f"column {name!r} must be numbers ({error})") from error
        found = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        if undefined is not None:
            found = np.where(found == undefined, np.nan, found)
        values = np.where(np.isnan(values), found, values)
    return values


def plain_column(column: pd.Series) -> pd.Series:
    """Return numbers as float64, and anything else as text with None where missing."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    values = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return pd.Series(values, dtype=object)
