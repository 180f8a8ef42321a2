"""Readers of galaxies: catalogues and images."""

from rookery.surveys.readers.galaxies.annz import ingest_annz
from rookery.surveys.readers.galaxies.catalogue import ingest_catalogue
from rookery.surveys.readers.galaxies.cubes import ingest_cubes
from rookery.surveys.readers.galaxies.cutouts import ingest_cutouts
from rookery.surveys.readers.galaxies.frames import ingest_frames
from rookery.surveys.readers.galaxies.mlz import ingest_mlz
from rookery.surveys.readers.galaxies.settings import (
    CatalogueOptions,
    CatalogueSettings,
    ImageOptions,
    ImageSettings,
)

__all__ = [
    "CatalogueOptions",
    "CatalogueSettings",
    "ImageOptions",
    "ImageSettings",
    "ingest_annz",
    "ingest_catalogue",
    "ingest_cubes",
    "ingest_cutouts",
    "ingest_frames",
    "ingest_mlz",
]
