"""The family `your_family`: redshift PDFs from a catalogue of magnitudes. Change what you like."""

from .configuration import YourFamilyConfiguration
from .family import YourFamily

FAMILY = YourFamily()

__all__ = ["FAMILY", "YourFamily", "YourFamilyConfiguration"]
