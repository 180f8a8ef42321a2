"""Reader for any catalogue of galaxies: FITS, CSV, Parquet, text and structured .npy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from rookery.surveys._report import Faults, IngestReport, OnError, survey_name
from rookery.surveys.galaxies import new_galaxy_survey
from rookery.surveys.readers.galaxies._catalogue import Galaxies, dereddened, read_galaxies
from rookery.surveys.readers.galaxies._tables import ENDINGS, open_table, table_files
from rookery.surveys.readers.galaxies.settings import CatalogueOptions, CatalogueSettings
from rookery.surveys.store import open_survey, refuse_existing
from rookery_ensembles.errors import fail

Paths = str | Path | Sequence[str | Path]


def ingest_catalogue(
    path: Paths,
    out: str | Path,
    *,
    on_error: OnError = "stop",
    name: str | None = None,
    **options: Unpack[CatalogueOptions],
) -> IngestReport:
    """Read a catalogue with a galaxy a row into a survey folder.

    A role is played by the column that `columns` gives it, else by one with a usual name
    (`mag_u`, `MAGERR_U`, `objid`, `z_spec`, `ebv`; whatever the case). Columns without a role go to
    ``truth.parquet``. Without a column for `object_id` ids are row numbers, from 1, behind the file's
    name where there are several. NaN, -9999 and -999 mean "unknown" everywhere, 99, -99, 999 and their
    like in magnitudes, their errors and redshifts; so does every number of `missing`. Objects without
    some magnitude have the flag ``MISSING_MAGNITUDE``; a flux that is not positive has no magnitude.

    Parameters
    ----------
    path
        A table, several, or a folder of them: FITS, CSV, TSV, Parquet, text with blanks, or a
        structured ``.npy``; gzip, bzip2, xz and zip are unpacked.
    out
        The survey folder to make.
    on_error
        At the first row that breaks a rule: ``"stop"`` and write nothing, or ``"skip"`` it, log it
        and go on. A file that cannot be read always stops.
    name
        The survey's name; by default that of `path`.
    options
        See :class:`rookery.surveys.readers.galaxies.CatalogueSettings`.

    Raises
    ------
    InputError
        For the first broken row (a magnitude's error that is not positive, a repeated id, a value
        that is no number, a redshift below -0.02), a missing column, an unknown unit, dereddening
        without reddening or coefficient, a damaged file, or an `out` that exists.
    """
    paths = given_paths(path)
    settings, faults = CatalogueSettings(**options), Faults(on_error)
    refuse_existing(Path(out))
    tables = [
        open_table(one, names=settings.names) for one in table_files(paths, ENDINGS, what="a catalogue")
    ]
    galaxies = read_galaxies(tables, settings)
    files = [table.path for table in tables]
    return write_catalogue(
        galaxies,
        settings,
        faults,
        out=Path(out),
        name=paths_name(paths, name),
        reader="catalogue",
        files=files,
    )


def given_paths(path: Paths) -> list[Path]:
    """Return one path or several as a list, not empty."""
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(one) for one in path]
    if not paths:
        raise fail("path", "must be at least one file or folder, but is none")
    return paths


def paths_name(paths: Sequence[Path], name: str | None) -> str:
    """Return a survey's name: the one given, else that of its file, or of the folder of several."""
    return survey_name(paths[0] if len(paths) == 1 else paths[0].resolve().parent, name)


def write_catalogue(
    galaxies: Galaxies,
    settings: CatalogueSettings,
    faults: Faults,
    *,
    out: Path,
    name: str,
    reader: str,
    files: Sequence[Path],
    **notes: Any,
) -> IngestReport:
    """Write the objects that break no rule as a survey without images.

    Raises
    ------
    InputError
        For the first broken row, unless `faults` leaves it out, or when none is left.
    """
    galaxies = dereddened(galaxies, settings, files[0])
    keep = galaxies.kept(faults)
    with new_galaxy_survey(out, name=name, bands=galaxies.bands) as writer:
        writer.finish(
            objects=galaxies.frame.iloc[keep].reset_index(drop=True),
            truth=None if galaxies.truth is None else galaxies.truth.iloc[keep].reset_index(drop=True),
            provenance={
                "reader": reader,
                "source": files[0].name if len(files) == 1 else files[0].parent.name,
                "files": [file.name for file in files][:1000],
                **galaxy_notes(galaxies, settings),
                "objects_read": len(keep),
                "objects_skipped": len(faults.errors),
                "skipped": faults.errors[:1000],
                **notes,
            },
        )
    return IngestReport(open_survey(out, verify=False), len(keep), len(faults.errors), 0, faults.errors)


def galaxy_notes(galaxies: Galaxies, settings: CatalogueSettings) -> Mapping[str, Any]:
    """Return what a survey's provenance says of its catalogue."""
    photometry = settings.photometry
    flux = {band for band in galaxies.bands if f"flux_{band}" in galaxies.roles}
    return {
        "columns": dict(galaxies.roles),
        "ids": "column" if galaxies.has_ids else "row numbers",
        "units": {band: photometry.unit_of(band, is_flux=band in flux) for band in galaxies.bands},
        "offsets": dict(photometry.offsets),
        "dereddened": (
            {band: photometry.coefficient(band) for band in galaxies.bands} if photometry.deredden else False
        ),
        "without_some_magnitude": int(np.count_nonzero(galaxies.frame["flags"])),
    }
