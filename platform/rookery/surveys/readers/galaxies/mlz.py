"""Reader for MLZ's text catalogues (Carrasco Kind & Brunner 2013): blanks between fields.

Their colours and colour errors follow from the magnitudes and play no role.
"""

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from rookery.signature import OutPath
from rookery.surveys.bands import EFFECTIVE_WAVELENGTH
from rookery.surveys.ingest import IngestReport, Paths
from rookery.surveys.readers._tables import OpenTable, open_table
from rookery.surveys.readers.galaxies._catalogue import read_galaxies
from rookery.surveys.readers.galaxies._ingest import GalaxyIngest
from rookery.surveys.readers.galaxies.settings import CatalogueOptions, CatalogueSettings

ENDINGS = (
    (".train", ".test", ".mlz", ".train.gz", ".test.gz", ".mlz.gz"),
    (".txt", ".dat", ".txt.gz", ".dat.gz"),
)


def ingest_mlz(path: Paths, out: OutPath, **options: Unpack[CatalogueOptions]) -> IngestReport:
    """Read MLZ's text catalogues into a survey folder.

    Columns called like a band (`u`, `g`, ...) are its AB magnitude, `eu` its error, `zs` the
    redshift; colours, and all else that `columns` gives no role, go to ``truth.parquet``. Ids are row
    numbers, from 1, behind the file's name where there are several.

    A header with too few names is mended where the values (magnitudes, colours) are followed
    by their errors in the same order and the missing names are errors: each is put into its
    place, and the provenance's `headers` say so. Any other header that does not fit the rows is refused;
    `names` then gives the names by hand.

    Parameters
    ----------
    path
        A file, several, or a folder of ``.train``, ``.test`` and ``.mlz`` (else ``.txt``, ``.dat``) files.
    out
        Survey store to make.
    options
        See :class:`rookery.surveys.readers.galaxies.CatalogueOptions`.

    Raises
    ------
    InputError
        As :func:`rookery.surveys.ingest_catalogue`, and for a header that does not fit the rows.
    """
    settings = CatalogueSettings(**options)
    ingest = GalaxyIngest("mlz", path, out, settings)
    files = ingest.files(ENDINGS, what="an MLZ catalogue")
    headers: dict[str, str] = {}
    tables = [_open(file, settings, headers) for file in files]
    usual = _usual_roles(tables[0].names)
    mapped = replace(settings, columns={**usual, **settings.mapping}, columns_file=None)
    return ingest.write_catalogue(read_galaxies(tables, mapped), mapped, files, headers=headers)


def _open(file: Path, settings: CatalogueSettings, headers: dict[str, str]) -> OpenTable:
    def resolve(names: list[str], width: int) -> list[str]:
        mended = mend_header(names, width)
        missing = [name for name in mended if name not in names]
        headers[file.name] = (
            f"names {len(names)} of {width} columns: missing are {', '.join(missing)}, put where the order "
            f"of the values has them: column {', '.join(str(mended.index(name) + 1) for name in missing)}"
        )
        return mended

    return open_table(file, names=settings.names, resolve=resolve)


def mend_header(names: list[str], width: int) -> list[str]:
    """Return the names of `width` columns, of which a header lacks some errors.

    Raises
    ------
    ValueError
        When the header cannot be mended so.
    """
    first = next((place for place, name in enumerate(names) if _is_error(name, names[:place])), len(names))
    measured = [name for name in names[:first] if _is_measured(name)]
    whole = names[:first] + [f"e{name}" for name in measured]
    rest = iter(whole)
    if len(whole) == width and all(name in rest for name in names):
        return whole
    raise ValueError(
        f"the header names {len(names)} columns ({', '.join(names)}), but the rows have {width}: "
        "give the names of all columns with --names"
    )


def _is_error(name: str, values: list[str]) -> bool:
    return name[:1] == "e" and name[1:] in values


def _is_measured(name: str) -> bool:
    """Whether a column is a magnitude or a colour."""
    return all(part in EFFECTIVE_WAVELENGTH for part in name.split("-"))


def _usual_roles(names: list[str]) -> dict[str, str]:
    bands = [name for name in names if name in EFFECTIVE_WAVELENGTH]
    if bands == ["z"]:  # a redshift, not a magnitude
        bands = []
    errors = {f"mag_err_{band}": f"e{band}" for band in bands if f"e{band}" in names}
    return {**{f"mag_{band}": band for band in bands}, **errors}
