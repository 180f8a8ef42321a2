"""Readers of galaxies: catalogues and images."""

from rookery.surveys.galaxy_readers.annz import ingest_annz
from rookery.surveys.galaxy_readers.catalogue import ingest_catalogue
from rookery.surveys.galaxy_readers.cubes import ingest_cubes
from rookery.surveys.galaxy_readers.cutouts import ingest_cutouts
from rookery.surveys.galaxy_readers.frames import ingest_frames
from rookery.surveys.galaxy_readers.images import ImageOptions, ImageSettings
from rookery.surveys.galaxy_readers.mlz import ingest_mlz
from rookery.surveys.galaxy_readers.settings import CatalogueOptions, CatalogueSettings

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
