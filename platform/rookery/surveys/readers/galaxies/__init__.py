"""Readers of galaxies: catalogues and images."""

from rookery.surveys.readers.galaxies.settings import (
    CatalogueOptions,
    CatalogueSettings,
    ImageOptions,
    ImageSettings,
)

__all__ = ["CatalogueOptions", "CatalogueSettings", "ImageOptions", "ImageSettings"]
