"""A table of redshifts or types that became known later."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rookery.surveys.readers._roles import missing_column
from rookery.surveys.readers._tables import open_table
from rookery.surveys.readers.light_curves._types import types_of
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.tables import IDS, usual_name
from rookery_ensembles.known_truth import COLUMNS

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
