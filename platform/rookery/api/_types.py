"""Types of arguments that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

from rookery.signature import Between, OutPath

__all__ = ["BINARY", "BINS", "Combining", "Count", "FileOrName", "OutPath", "PathLike", "Seed"]

PathLike = str | Path
FileOrName = Annotated[PathLike, "a file, or the name of one that ships"]
Count = Annotated[int, Between(1)]
Seed = Annotated[int, Between(0, 2**31 - 1)]
Combining = Literal["auto", "mean", "greedy", "em", "crps", "top_k", "gate"]
"""How members are combined; see :func:`rookery_ensembles.choose`. A copy of `recipe.Combining`, which a test
compares: the command line is parsed without that package."""
BINARY = ("Ia", "non-Ia")
BINS = (0.0, 0.4, 180)
"""Lower edge, upper edge and number of redshift bins (Pasquet et al. 2019)."""
