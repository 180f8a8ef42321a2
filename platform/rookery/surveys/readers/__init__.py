"""Readers: files of any survey in, a survey store out. One file for each format."""

from collections.abc import Callable, Mapping

from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers.galaxies import (
    ingest_annz,
    ingest_catalogue,
    ingest_cubes,
    ingest_cutouts,
    ingest_frames,
    ingest_mlz,
)
from rookery.surveys.readers.light_curves import (
    ingest_headphot_csv,
    ingest_plasticc,
    ingest_snana,
    ingest_snana_fits,
    ingest_table,
)

READERS: Mapping[str, Callable[..., IngestReport]] = {
    function.__name__.removeprefix("ingest_").replace("_", "-"): function
    for function in (
        ingest_snana,
        ingest_snana_fits,
        ingest_headphot_csv,
        ingest_plasticc,
        ingest_table,
        ingest_catalogue,
        ingest_mlz,
        ingest_annz,
        ingest_cubes,
        ingest_cutouts,
        ingest_frames,
    )
}
"""Each reader by its name on the command line: a function of the files, the folder to make, and options."""
