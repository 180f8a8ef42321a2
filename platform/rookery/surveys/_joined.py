"""A survey and what comes to it, as one: known objects first, in their order; truth known later."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys._spool import RECORD, sort_records
from rookery.surveys.merge import as_text
from rookery.surveys.objects import OPTIONAL_TEXT
from rookery.surveys.observations import ObservationArrays, assemble
from rookery.surveys.readers._tables import missing_column, open_table
from rookery.surveys.readers.light_curves._types import types_of
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.tables import IDS, usual_name
from rookery_ensembles.known_truth import COLUMNS

_SAME = 1e-9
"""Relative difference up to which two numbers are one, written twice."""


def joined_objects(
    old: pd.DataFrame,
    new: pd.DataFrame,
    rows: NDArray[np.integer],
    where: str | Path,
    *,
    replace: bool,
    whole: bool,
) -> tuple[pd.DataFrame, int]:
    """Return one object table, and how many types and redshifts of known objects are new in it.

    Parameters
    ----------
    rows
        Each new object's row in the table to come; below ``len(old)`` it is a known one.
    replace, whole
        Whether what is known otherwise is replaced, and whether that goes for all known objects, whole rows.

    Raises
    ------
    InputError
        When something is known otherwise and not to be replaced.
    """
    fresh = rows >= len(old)
    known, row_of = np.flatnonzero(~fresh), rows[~fresh]
    if whole and len(known) and not replace:
        name = new["object_id"].iloc[known[0]]
        rule = f"{len(known)} of its objects are in the survey already, such as {name!r}"
        raise fail(where, f"{rule}: --overwrite replaces their rows")
    columns, truths = {}, 0
    for name in dict.fromkeys([*old.columns, *new.columns]):
        text = any(name in frame and frame[name].dtype == object for frame in (old, new))
        nothing = None if text else np.nan
        own = _values(old, name, nothing)
        theirs = _values(new, name, nothing)
        before, after = own[row_of], theirs[known]
        told = pd.notna(after)
        differs = told & pd.notna(before) & ~_same(before, after)
        if name in OPTIONAL_TEXT or name == "object_id":
            differs[:] = False
        elif differs.any() and not replace:
            first = int(differs.argmax())
            one = new["object_id"].iloc[known[first]]
            rule = f"object {one!r}: {name!r} is {before[first]!r} in the survey, but {after[first]!r} here"
            hint = f"{int(differs.sum())} objects differ; --overwrite takes what the file says"
            raise fail(where, f"{rule} ({hint})")
        taken = np.ones(len(known), bool) if whole else told & (pd.isna(before) | differs)
        values = own.copy()
        values[row_of[taken]] = after[taken]
        if name in ("type", "redshift"):
            truths += int((taken & told).sum())
        columns[name] = pd.Series(np.concatenate([values, theirs[fresh]]), dtype=object if text else float)
    return pd.DataFrame(columns), truths


def joined_truth(
    old: pd.DataFrame | None,
    new: pd.DataFrame | None,
    rows: NDArray[np.integer],
    ids: list[str],
    *,
    whole: bool,
) -> pd.DataFrame | None:
    """Return one table of what no network may see: what is new fills what was unknown."""
    if old is None and new is None:
        return None
    frame = pd.DataFrame({"object_id": ids})
    tables = [pd.DataFrame() if one is None else one.drop(columns="object_id") for one in (old, new)]
    text = {str(name) for one in tables for name in one if not pd.api.types.is_numeric_dtype(one[name])}
    own, theirs = (as_text(one, text) for one in tables)
    for name in dict.fromkeys([*own.columns, *theirs.columns]):
        values = np.full(len(ids), None, object) if name in text else np.full(len(ids), np.nan)
        if name in own:
            values[: len(own)] = own[name].to_numpy()
        if name in theirs:
            given = theirs[name].to_numpy()
            taken = pd.notna(given) & (pd.isna(values[rows]) | whole)
            values[rows[taken]] = given[taken]
        frame[name] = pd.Series(values, dtype=object if name in text else float)
    return frame


def joined_observations(
    old: Survey, new: Survey, rows: NDArray[np.integer], n_objects: int
) -> tuple[ObservationArrays, dict[str, int]]:
    """Return the observations of both without exact repeats, and the numbers of what is new."""
    parts = []
    for survey, row_of in ((old, np.arange(len(old))), (new, rows)):
        arrays = survey.observation_arrays()
        band = np.array([old.bands.index(name) for name in survey.bands], np.int8)
        records = np.empty(len(arrays), RECORD)
        records["object"], records["band"] = row_of[arrays.object_index], band[arrays.band_index]
        for name in ("mjd", "flux", "flux_err"):
            records[name] = getattr(arrays, name)
        parts.append(records)
    records, repeated = sort_records(np.concatenate(parts))
    columns: dict[str, Any] = {name: np.ascontiguousarray(records[name]) for name in RECORD.names or ()}
    joined = assemble(
        columns["object"], columns["mjd"], columns["band"], columns["flux"], columns["flux_err"], n_objects
    )
    before = np.diff(old.observation_arrays().offsets)
    extended = int((np.diff(joined.offsets)[: len(old)] > before).sum())
    new_rows = len(joined) - len(parts[0])
    return joined, {"extended": extended, "observations": new_rows, "repeated": repeated}


def _values(frame: pd.DataFrame, name: str, nothing: float | None) -> NDArray[Any]:
    if name not in frame:
        return np.full(len(frame), nothing, dtype=object if nothing is None else np.float64)
    return frame[name].to_numpy(dtype=object if nothing is None else np.float64)


def _same(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    if first.dtype == object:
        return np.asarray(first == second, dtype=bool)
    return np.isclose(first, second, rtol=_SAME, atol=0.0)


_USUAL = {"object_id": IDS, "redshift": COLUMNS["redshift_pdf"], "type": COLUMNS["class_probability"]}


def read_truth(path: Path, survey: Survey, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return `object_id` and what the table tells of `redshift` and `type`, in the survey's own words.

    Raises
    ------
    InputError
        For a role that is unknown or has no column, ids that repeat, or values that are no truth.
    """
    for role in columns:
        if role not in _USUAL:
            raise fail("--column", f"must be one of {', '.join(_USUAL)}, but is {role!r}")
    table = open_table(path)
    mapping = dict(survey.info.provenance.get("columns") or {})
    found: dict[str, str] = {}
    for role, usual in _USUAL.items():
        if role in columns and columns[role] not in table.names:
            raise missing_column(role, columns[role], table.names, path)
        known = [columns.get(role), mapping.get(role), usual_name(dict.fromkeys(table.names), usual)]
        name = next((one for one in known if one in table.names), None)
        if name is not None and not (role == "type" and survey.info.kind != "light_curves"):
            found[role] = name
    if "object_id" not in found:
        raise missing_column(
            "object_id", "object_id", table.names, path, ". Map one with --column object_id=NAME"
        )
    if len(found) == 1:
        wanted = "redshift=NAME or --column type=NAME"
        rule = f"must have a column of redshifts or types; its columns are {', '.join(table.names)}"
        raise fail(path, f"{rule}. Map one with --column {wanted}")
    frame = table.read(list(found.values()), [found[role] for role in ("object_id", "type") if role in found])
    made = pd.DataFrame({"object_id": frame[found["object_id"]].to_numpy(dtype=object)})
    if (absent := made["object_id"].isna().to_numpy()).any():
        raise fail(f"{path}, row {int(absent.argmax()) + 1}", "the object's id must not be missing")
    if (repeated := made["object_id"].duplicated().to_numpy()).any():
        row = int(repeated.argmax())
        rule = f"object ids must be unique, but {made['object_id'][row]!r} is repeated"
        raise fail(f"{path}, row {row + 1}", rule)
    if "redshift" in found:
        made["redshift"] = _redshifts(frame[found["redshift"]], path)
    if "type" in found:
        names = survey.info.provenance.get("options", {}).get("type_map", {})
        types, wrong = types_of(frame[found["type"]], names, closed=bool(names))
        if wrong:
            row, rule = min(wrong.items())
            raise fail(f"{path}, row {row + 1}", f"{found['type']!r} {rule}")
        made["type"] = pd.Series(types, dtype=object)
    return made


def _redshifts(column: pd.Series, path: Path) -> pd.Series:
    """Return redshifts, NaN where the table has none (also -9, -99, 99 and their like)."""
    try:
        values = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan).copy()
    except (ValueError, TypeError) as error:
        raise fail(path, f"column {column.name!r} must be redshifts ({error})") from error
    values[np.isin(values, (-9, -99, 99, -999, 999, -9999, 9999))] = np.nan
    low = values < -0.02
    if low.any() or np.isinf(values).any():
        row = int((low | np.isinf(values)).argmax())
        rule = f"{column.name!r} must be a redshift of at least -0.02 (or missing), but is {values[row]}"
        raise fail(f"{path}, row {row + 1}", rule)
    return pd.Series(values)
