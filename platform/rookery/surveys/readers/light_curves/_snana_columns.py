"""Object columns of SNANA (a HEAD table, FITS or CSV) -> identity, truth and covariates.

The same rules as for ascii headers (:mod:`~rookery.surveys.readers.light_curves._snana_tables`), for columns.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.readers.light_curves import _snana_tables as rules
from rookery.surveys.readers.light_curves._object_table import first_defined, plain_column
from rookery.surveys.readers.light_curves._snana_text import UNDEFINED
from rookery.surveys.readers.light_curves._types import types_of
from rookery_ensembles.errors import fail


def object_ids(head: pd.DataFrame, where: Path) -> list[str]:
    """Return the SNIDs as text; raises `InputError` for a column or id that is missing."""
    if "SNID" not in head.columns:
        raise fail(where, f"must have a column SNID; its columns are {', '.join(map(str, head.columns))}")
    values = head["SNID"]
    missing = values.isna().to_numpy(dtype=bool)
    ids = [str(value).strip() for value in values]
    for row, value in enumerate(ids):
        if missing[row] or not value:
            raise fail(f"{where}, row {row + 1}", "SNID must not be empty")
    return ids


def types(
    head: pd.DataFrame, type_map: Mapping[str, str], type_column: str | None, where: Path
) -> tuple[NDArray[np.object_], dict[int, str]]:
    """Return the objects' types, and per row the rule that a label breaks.

    The column is `type_column`; without it each object's SIM_TYPE_NAME, where that says UNKNOWN
    or is absent its SIM_TYPE_INDEX, and without a positive one its SNTYPE.
    """
    if type_column is not None and type_column not in head.columns:
        names = ", ".join(map(str, head.columns))
        raise fail(where, f"must have the type column {type_column!r}; its columns are {names}")
    candidates = (type_column,) if type_column else ("SIM_TYPE_NAME", "SIM_TYPE_INDEX", "SNTYPE")
    found = np.full(len(head), None, dtype=object)
    wrong: dict[int, str] = {}
    for name in (name for name in candidates if name in head.columns):
        open_rows = np.array(
            [row for row in range(len(head)) if found[row] is None and row not in wrong], np.int64
        )
        some, bad = types_of(head[name].iloc[open_rows], type_map)
        found[open_rows] = some
        wrong |= {int(open_rows[row]): f"{name} {rule}" for row, rule in bad.items()}
    return found, wrong


def objects_frame(
    head: pd.DataFrame, ids: list[str], kinds: NDArray[np.object_], source: str
) -> pd.DataFrame:
    """Return identity, truth and covariates; a covariate that is nowhere defined is left out."""
    covariates = pd.DataFrame(
        {
            name: _finite(first_defined(head, keys, rules.undefined_of(name)))
            for name, keys in rules.COVARIATES.items()
        },
        dtype=np.float64,
    )
    if "host_photo_z_err" in covariates:
        errors = covariates["host_photo_z_err"]
        covariates["host_photo_z_err"] = errors.where(errors > 0)
    identity = {
        "object_id": np.array(ids, dtype=object),
        "type": kinds,
        "redshift": _finite(first_defined(head, rules.redshift_keys(head.columns), UNDEFINED)),
        "source_file": source,
    }
    frame = pd.DataFrame(identity)
    return pd.concat([frame, covariates.dropna(axis="columns", how="all")], axis="columns")


def truth_frame(head: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    """Return ``SIM_*`` and what else is truth, lower-case, numbers as float64 and the rest as text."""
    columns: dict[str, object] = {"object_id": np.array(ids, dtype=object)}
    for name in head.columns:
        if rules.is_truth(str(name)):
            columns[str(name).lower()] = plain_column(head[name])
    return rules.with_template(pd.DataFrame(columns))


def check_zero_point(columns: Mapping[str, NDArray[np.generic]], where: str | Path) -> None:
    """Refuse a table whose own column says that its fluxes have another zero point than FLUXCAL's."""
    for name in rules.FLUX_ZERO_POINTS:
        if name in columns:
            rules.check_zero_points(name, columns[name], where)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)
