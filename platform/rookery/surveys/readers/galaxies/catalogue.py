"""Reader for any catalogue of galaxies: FITS, CSV, Parquet, text and structured .npy."""

from typing import Unpack

from rookery.signature import OutPath
from rookery.surveys.ingest import IngestReport, Paths
from rookery.surveys.readers._tables import open_table
from rookery.surveys.readers.galaxies._catalogue import read_galaxies
from rookery.surveys.readers.galaxies._ingest import GalaxyIngest
from rookery.surveys.readers.galaxies.settings import CatalogueOptions, CatalogueSettings

# What a folder of catalogues is searched for: text of any kind only where there is nothing better.
ENDINGS = (
    (".fits", ".fit", ".fits.gz", ".fit.gz", ".csv", ".csv.gz", ".csv.zip", ".tsv", ".parquet", ".npy"),
    (".txt", ".dat", ".ascii", ".cat", ".tbl"),
)


def ingest_catalogue(path: Paths, out: OutPath, **options: Unpack[CatalogueOptions]) -> IngestReport:
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
        Survey store to make.
    options
        See :class:`rookery.surveys.readers.galaxies.CatalogueOptions`.

    Raises
    ------
    InputError
        For the first broken row (a magnitude's error that is not positive, a repeated id, a value
        that is no number, a redshift below -0.02), a missing column, an unknown unit, dereddening
        without reddening or coefficient, a damaged file, or an `out` that exists.
    """
    settings = CatalogueSettings(**options)
    ingest = GalaxyIngest("catalogue", path, out, settings)
    files = ingest.files(ENDINGS, what="a catalogue")
    galaxies = read_galaxies([open_table(file, names=settings.names) for file in files], settings)
    return ingest.write_catalogue(galaxies, settings, files)
