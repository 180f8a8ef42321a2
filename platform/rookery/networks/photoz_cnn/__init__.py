"""Redshift PDFs from galaxy images by an inception network, and a family around it.

Pasquet, Bertin, Treyer, Arnouts & Fouchez 2019, A&A 621, A26. With its defaults the network is the one of
their released code, layer by layer.
"""

from rookery.networks.photoz_cnn.configuration import PhotozCnnConfiguration
from rookery.networks.photoz_cnn.family import PhotozCnn

FAMILY = PhotozCnn()

__all__ = ["FAMILY", "PhotozCnn", "PhotozCnnConfiguration"]
