"""Redshift PDFs from a catalogue: magnitudes, colours, errors and covariates through a small network."""

from rookery.networks.photoz_mlp.configuration import PhotozMlpConfiguration
from rookery.networks.photoz_mlp.family import PhotozMlp

FAMILY = PhotozMlp()

__all__ = ["FAMILY", "PhotozMlp", "PhotozMlpConfiguration"]
