"""Reader for SuperNNova-style CSV: ``*HEAD.csv`` (an object a row) and ``*PHOT.csv`` (an observation a row).

Columns are named as in SNANA's FITS tables; rows find their object by SNID instead of pointers
(Moeller & de Boissiere 2020, MNRAS 491, 4277).
"""

from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.signature import OutPath
from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers._blocks import column_names, read_table
from rookery.surveys.readers.light_curves import _snana_heads as pairs
from rookery.surveys.readers.light_curves._ingest import CodedOptions, LightCurveIngest
from rookery.surveys.readers.light_curves._snana_columns import object_ids
from rookery.surveys.readers.light_curves._snana_tables import DEFAULT_TYPES
from rookery_ensembles.errors import fail


def ingest_headphot_csv(
    path: str | Path,
    out: OutPath,
    **options: Unpack[CodedOptions],
) -> IngestReport:
    """Read HEAD and PHOT CSV files, plain or gzipped, into a survey folder.

    Truth, covariates and rules are those of :func:`rookery.surveys.ingest_snana_fits`. Where HEAD
    has NOBS, every object must have so many rows in PHOT; a SNID of PHOT that HEAD lacks is an
    error of the pair.

    Parameters
    ----------
    path
        A HEAD file, or a folder with ``*HEAD*.csv`` in it or its subfolders.
    out
        Survey store to make.
    options
        As for :func:`rookery.surveys.ingest_snana_fits`.

    Raises
    ------
    InputError
        As for :func:`rookery.surveys.ingest_snana_fits`.
    """
    ingest = LightCurveIngest("headphot-csv", path, out, types=DEFAULT_TYPES, **options)
    if not ingest.path.exists():
        raise fail(ingest.path, "must be a HEAD file or a folder, but does not exist")
    heads = pairs.heads_in(ingest.path, (".csv",)) if ingest.path.is_dir() else [ingest.path]
    return pairs.write_pairs(ingest, heads, _add_pair)


def _add_pair(head_path: Path, found: pairs.Heads) -> None:
    labels = [found.type_column] if found.type_column else []
    head = read_table(head_path, ["SNID", *labels]).to_pandas()
    if not len(head):
        raise fail(head_path, "must have an object, but has none")
    ids = object_ids(head, head_path)
    phot_path = pairs.partner(head_path)
    if "SNID" not in (names := column_names(phot_path)):
        raise fail(phot_path, f"must have a column SNID; its columns are {', '.join(names)}")
    table = read_table(phot_path, ["SNID", "BAND", "FLT"])
    # Arrow guesses "null" for a column that is empty throughout: numbers like any other.
    found_columns = {
        name: table[name].cast("float64").to_numpy() if str(table[name].type) == "null"
        else table[name].to_numpy()
        for name in table.column_names
    }  # fmt: skip
    columns = pairs.phot_columns(found_columns, phot_path)
    owner = _owners(found_columns["SNID"], columns["MJD"], ids, head_path, phot_path)
    if "NOBS" in head:
        _check_counts(head["NOBS"], owner, ids, head_path, phot_path)
    found.add(head, head_path, columns, owner, lambda row: f"{phot_path}, row {row + 1}")


def _owners(
    snid: NDArray[Any], mjd: NDArray[Any], ids: list[str], head_path: Path, phot_path: Path
) -> NDArray[np.int32]:
    """Return the HEAD row of each PHOT row, -1 for separators."""
    number = {name: row for row, name in reversed(list(enumerate(ids)))}
    codes, names = pd.factorize(np.asarray(snid, object))
    of_name = [number.get(str(name).strip(), -1) for name in names]
    owner = np.array([*of_name, -1], np.int32)[codes]
    separator = mjd == pairs.SEPARATOR
    if (orphan := (owner < 0) & ~separator).any():
        row = int(orphan.argmax())
        rule = f"SNID must be one of {head_path.name}"
        raise fail(f"{phot_path}, row {row + 1}", f"{rule}, but is {snid[row]!r}")
    owner[separator] = -1
    return owner


def _check_counts(
    promised: pd.Series, owner: NDArray[np.int32], ids: list[str], head_path: Path, phot_path: Path
) -> None:
    wanted = pd.to_numeric(promised, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    counted = np.bincount(owner[owner >= 0], minlength=len(ids))
    wrong = (wanted != counted) & ~pd.Series(ids).duplicated(keep=False).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        rule = f"NOBS must be the number of rows in {phot_path.name}"
        found = f"NOBS is {promised.iloc[row]} and there are {counted[row]}"
        raise fail(f"{head_path}, row {row + 1} (object {ids[row]!r})", f"{rule}, but {found}")
