"""Readers of galaxies: catalogues and images."""

from rookery.surveys.galaxy_readers.annz import ingest_annz
from rookery.surveys.galaxy_readers.catalogue import ingest_catalogue
from rookery.surveys.galaxy_readers.mlz import ingest_mlz
from rookery.surveys.galaxy_readers.settings import CatalogueOptions, CatalogueSettings

__all__ = ["CatalogueOptions", "CatalogueSettings", "ingest_annz", "ingest_catalogue", "ingest_mlz"]
