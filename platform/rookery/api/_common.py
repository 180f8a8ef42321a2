"""What several parts of the API share."""

from pathlib import Path

PathLike = str | Path
BINARY = ("Ia", "non-Ia")
BINS = (0.0, 0.4, 180)
"""Lower edge, upper edge and number of redshift bins (Pasquet et al. 2019)."""
