"""PELICAN: classification of irregular light curves; a re-implementation from the text of the paper.

Pasquet, Pasquet, Chaumont & Fouchez 2019, A&A 627, A21. Layer widths, loss weights and schedule of
the original are not published in what was at hand: they are dimensions of the search space.
"""

from rookery.networks.pelican.configuration import PelicanConfiguration
from rookery.networks.pelican.family import Pelican

FAMILY = Pelican()

__all__ = ["FAMILY", "Pelican", "PelicanConfiguration"]
