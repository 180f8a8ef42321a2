"""Reader for ANNZ's catalogues (Collister & Lahav 2004; Sadeh et al. 2016): a typed header above CSV."""

from pathlib import Path
from typing import Unpack

from rookery.signature import OutPath
from rookery.surveys.ingest import IngestReport, Paths
from rookery.surveys.readers._tables import open_table
from rookery.surveys.readers.galaxies._catalogue import read_galaxies
from rookery.surveys.readers.galaxies._ingest import GalaxyIngest
from rookery.surveys.readers.galaxies.settings import CatalogueOptions, CatalogueSettings
from rookery_ensembles.errors import fail
from rookery_ensembles.unpacked import reading, unpacking

ENDINGS = ((".csv", ".annz", ".csv.gz", ".annz.gz"), (".txt", ".dat", ".txt.gz", ".dat.gz"))


def ingest_annz(path: Paths, out: OutPath, **options: Unpack[CatalogueOptions]) -> IngestReport:
    """Read ANNZ's catalogues into a survey folder.

    The header is one comment, ``#F:MAG_U;F:MAGERR_U;...;D:Z``: a type and a name per column, ``;``
    between them; rows have commas or blanks. `MAG_U` is the magnitude of u, `MAGERR_U` its
    error, `Z` the redshift; other roles are mapped by `columns`. Ids are row numbers, from 1, behind
    the file's name where there are several, unless a column is mapped to `object_id`.

    Parameters
    ----------
    path
        A file, several, or a folder of ``.csv`` and ``.annz`` (or ``.txt``, ``.dat``) files of one header.
    out
        Survey store to make.
    options
        See :class:`rookery.surveys.readers.galaxies.CatalogueOptions`.

    Raises
    ------
    InputError
        As :func:`rookery.surveys.ingest_catalogue`, and for a file without such a header.
    """
    settings = CatalogueSettings(**options)
    ingest = GalaxyIngest("annz", path, out, settings)
    files, tables = ingest.files(ENDINGS, what="an ANNZ catalogue"), []
    for file in files:
        if settings.names is None:
            _require_header(file)
        tables.append(open_table(file, names=settings.names))
    return ingest.write_catalogue(read_galaxies(tables, settings), settings, files)


def _require_header(file: Path) -> None:
    """Refuse a file whose first line is no typed header."""
    with reading(file), unpacking(file) as stream:
        line = stream.read(1 << 16).split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    fields = line.lstrip("# ").split(";")
    if not line.startswith("#") or not all(
        len(field.split(":", 1)) == 2 for field in fields if field.strip()
    ):
        rule = "must begin with a header such as #F:MAG_U;F:MAGERR_U;D:Z, but begins with"
        raise fail(file, f"{rule} {line[:80]!r}")
