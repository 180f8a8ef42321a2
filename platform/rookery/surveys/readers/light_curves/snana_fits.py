"""Reader for SNANA's FITS format: HEAD tables (an object a row) and PHOT tables (an observation a row).

The format (SNANA manual, "FITS" data format): a version is a folder with a ``.LIST`` of its HEAD
files; each HEAD file names its PHOT file, and its columns PTROBS_MIN and PTROBS_MAX the rows.
"""

from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.signature import OutPath
from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers._tables import read_fits
from rookery.surveys.readers.light_curves import _snana_heads as pairs
from rookery.surveys.readers.light_curves._ingest import CodedOptions, LightCurveIngest
from rookery.surveys.readers.light_curves._snana_tables import DEFAULT_TYPES
from rookery_ensembles.errors import fail

_ENDINGS = (".fits", ".fit")


def ingest_snana_fits(
    path: str | Path,
    out: OutPath,
    **options: Unpack[CodedOptions],
) -> IngestReport:
    """Read SNANA HEAD and PHOT FITS files, plain or gzipped, into a survey folder.

    ``SIM_*`` columns, SNTYPE, peak dates and spectroscopic redshifts go to the truth table, where
    no network sees them; position, E(B-V) and the host's photometric redshift are covariates;
    other columns are left behind. A column of several numbers a row counts as so many columns
    (``NAME_0``, ``NAME_1``, ...). Rows whose flux and error are both -9 hold no measurement and
    are left out. Exact repeats of a row are dropped; different measurements of a band at one date
    are kept.

    Parameters
    ----------
    path
        A HEAD file, a ``.LIST`` of HEAD files, or a folder: its ``.LIST`` files count where it
        has some, else every ``*HEAD*.FITS`` in it and its subfolders.
    out
        Survey store to make.
    options
        See :class:`CodedOptions`. A pair of files that cannot be read, or whose pointers are wrong, is
        skipped whole. Without `type_column` SIM_TYPE_NAME tells the type, where that says nothing
        SIM_TYPE_INDEX, and else SNTYPE.

    Raises
    ------
    InputError
        For the first broken object or file (``on_error="stop"``), no object at all, dates that
        mix MJD and JD, or an `out` that exists.
    """
    ingest = LightCurveIngest("snana-fits", path, out, types=DEFAULT_TYPES, **options)
    return pairs.write_pairs(ingest, head_files(ingest.path), _add_pair)


def head_files(path: Path) -> list[Path]:
    """Return the HEAD files that a path stands for."""
    if path.is_dir():
        lists = sorted(entry for entry in path.iterdir() if entry.suffix.upper() == ".LIST")
        return [head for entry in lists for head in _listed(entry)] or pairs.heads_in(path, _ENDINGS)
    if not path.is_file():
        raise fail(path, "must be a HEAD file, a .LIST or a folder, but does not exist")
    return _listed(path) if path.suffix.upper() == ".LIST" else [path]


def _listed(path: Path) -> list[Path]:
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise fail(path, f"cannot be read as a list of HEAD files ({error})") from error
    heads = []
    for name in names:
        plain = path.parent / name.removesuffix(".gz")
        found = [here for end in pairs.COMPRESSED if pairs.is_file(here := Path(f"{plain}{end}"))]
        if not found:
            raise fail(path, f"names {name!r}, which does not lie beside it, plain or gzipped")
        heads.append(found[0])
    if not heads:
        raise fail(path, "must name a HEAD file, but is empty")
    return heads


def _add_pair(head_path: Path, found: pairs.Heads) -> None:
    head = read_fits(head_path)
    named = head.header.get("PHOTFILE")
    phot_path = pairs.partner(head_path, named if isinstance(named, str) else None)
    phot = read_fits(phot_path)
    for table in (head, phot):
        stated = {key: np.array([value]) for key, value in table.header.items()}
        pairs.columns.check_zero_point(stated, table.path)
    columns = pairs.phot_columns(phot.columns, phot_path)
    owner = _owners(head.columns, columns["MJD"].astype(np.float64), head_path, phot_path)
    found.add(
        pd.DataFrame(head.columns), head_path, columns, owner, lambda row: f"{phot_path}, row {row + 1}"
    )


def _owners(
    head: dict[str, NDArray[Any]], mjd: NDArray[np.float64], head_path: Path, phot_path: Path
) -> NDArray[np.int32]:
    """Return for each PHOT row the HEAD row that owns it, -1 for separators.

    PTROBS_MIN and PTROBS_MAX count rows from 1 and include both ends; an object without
    observations has PTROBS_MAX < PTROBS_MIN, or both 0 or negative.

    Raises
    ------
    InputError
        When pointers lie outside the table, overlap, take in a separator, disagree with NOBS, or
        leave a row that is no separator to nobody: the two tables do not belong together.
    """
    for name in ("PTROBS_MIN", "PTROBS_MAX"):
        if name not in head or head[name].dtype.kind not in "iu":
            raise fail(head_path, f"must have a column {name} of whole numbers")
    first, last = (head[name].astype(np.int64) for name in ("PTROBS_MIN", "PTROBS_MAX"))
    has_rows = last >= np.maximum(first, 1)
    _check_range(first, last, has_rows, len(mjd), head_path, phot_path)
    if "NOBS" in head and head["NOBS"].dtype.kind in "iu":
        _check_counts(head["NOBS"].astype(np.int64), np.where(has_rows, last - first + 1, 0), head_path)
    owner = np.full(len(mjd), -1, np.int32)
    order = np.flatnonzero(has_rows)
    for row in order[np.argsort(first[order], kind="stable")]:
        owner[first[row] - 1 : last[row]] = row
    separator = mjd == pairs.SEPARATOR
    if (wrong := (owner >= 0) & separator).any():
        row = int(wrong.argmax())
        rule = f"pointers must not take in a separator (MJD {pairs.SEPARATOR:g})"
        one = owner[row]
        found = f"PTROBS {first[one]} to {last[one]} takes in row {row + 1} of {phot_path.name}"
        raise fail(f"{head_path}, row {one + 1}", f"{rule}, but {found}")
    if (orphan := (owner < 0) & ~separator).any():
        row = int(orphan.argmax())
        rule = (
            f"every row but separators (MJD {pairs.SEPARATOR:g}) must belong to an object of {head_path.name}"
        )
        raise fail(f"{phot_path}, row {row + 1}", f"{rule}, but {int(orphan.sum())} rows belong to none")
    return owner


def _check_range(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    has_rows: NDArray[np.bool_],
    rows: int,
    head_path: Path,
    phot_path: Path,
) -> None:
    outside = has_rows & ((first < 1) | (last > rows))
    if outside.any():
        row = int(outside.argmax())
        rule = f"pointers must lie within the {rows} rows of {phot_path.name}"
        raise fail(f"{head_path}, row {row + 1}", f"{rule}, but PTROBS is {first[row]} to {last[row]}")
    order = np.flatnonzero(has_rows)
    order = order[np.argsort(first[order], kind="stable")]
    overlap = first[order[1:]] <= last[order[:-1]]
    if overlap.any():
        one, other = order[int(overlap.argmax())], order[int(overlap.argmax()) + 1]
        rule = "pointers of two objects must not overlap"
        found = f"PTROBS {first[one]} to {last[one]} (row {one + 1}) and {first[other]} to {last[other]} do"
        raise fail(f"{head_path}, row {other + 1}", f"{rule}, but {found}")


def _check_counts(promised: NDArray[np.int64], found: NDArray[np.int64], head_path: Path) -> None:
    wrong = np.maximum(promised, 0) != found
    if wrong.any():
        row = int(wrong.argmax())
        rule = "PTROBS_MIN to PTROBS_MAX must be NOBS rows"
        raise fail(
            f"{head_path}, row {row + 1}",
            f"{rule}, but NOBS is {promised[row]} and the pointers take in {found[row]}",
        )
