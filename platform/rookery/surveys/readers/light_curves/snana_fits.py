"""Reader for SNANA's FITS format: HEAD tables (an object a row) and PHOT tables (an observation a row).

The format (SNANA manual, "FITS" data format): a version is a folder with a ``.LIST`` of its HEAD
files; each HEAD file names its PHOT file, and its columns PTROBS_MIN and PTROBS_MAX the rows.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rookery.surveys._dates import Dates, TimeUnit
from rookery.surveys._report import Faults, IngestReport, RowOnError, survey_name
from rookery.surveys._stream import SurveyStream
from rookery.surveys.readers._fits import read_fits
from rookery.surveys.readers.light_curves import _snana_heads as pairs
from rookery.surveys.readers.light_curves import _snana_tables as rules
from rookery.surveys.readers.light_curves._snana_pointers import owners
from rookery.surveys.readers.light_curves._types import TypeMap, text_map
from rookery.surveys.store import open_survey, refuse_existing
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_folder

_ENDINGS = (".fits", ".fit")


def ingest_snana_fits(
    path: str | Path,
    out: str | Path,
    *,
    on_error: RowOnError = "stop",
    band_aliases: Mapping[str, str] | None = None,
    type_map: TypeMap | None = None,
    type_column: str | None = None,
    time_unit: TimeUnit = "mjd",
    name: str | None = None,
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
        The survey folder to make.
    on_error
        At the first broken object: ``"stop"`` and write nothing, or ``"skip"`` it, log it, and go
        on. A pair of files that cannot be read, or whose pointers are wrong, is skipped whole.
    band_aliases, type_map, time_unit, name
        As for :func:`rookery.surveys.ingest_snana`.
    type_column
        Column that tells the type (a code of `type_map`, or a name). Without it SIM_TYPE_NAME,
        where that says nothing SIM_TYPE_INDEX, and else SNTYPE.

    Raises
    ------
    InputError
        For the first broken object or file (``on_error="stop"``), no object at all, dates that
        mix MJD and JD, or an `out` that exists.
    """
    path, out = Path(path), Path(out)
    faults, dates = Faults(on_error, rows=True), Dates(time_unit, path)
    refuse_existing(out)
    heads = head_files(path)
    with atomic_folder(out) as partial:
        stream = SurveyStream(partial, path, faults=faults, dates=dates, band_aliases=band_aliases or {})
        found = pairs.Heads(stream, {**rules.DEFAULT_TYPES, **text_map(type_map)}, type_column)
        for head in heads:
            try:
                _add_pair(head, found)
            except InputError as error:
                faults.add(head, error)
        objects, truth = found.tables()
        n_read = stream.finish(
            objects,
            truth,
            name=survey_name(path, name),
            out=out,
            provenance={
                "reader": "snana-fits",
                "source": path.name,
                "files": [head.name for head in heads][:1000],
                "rows_without_measurement": found.undefined_rows,
            },
        )
    return IngestReport(open_survey(out), n_read, len(faults.errors), 0, faults.errors, faults.dropped)


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
    owner = owners(head.columns, columns["MJD"].astype(np.float64), head_path, phot_path)
    found.add(
        pd.DataFrame(head.columns), head_path, columns, owner, lambda row: f"{phot_path}, row {row + 1}"
    )
