"""What is known of objects beside their predictions, by the objects' names."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations.base import Covariates
from rookery_ensembles.errors import fail
from rookery_ensembles.redshift_pdf import bin_centres, std_of_masses
from rookery_ensembles.shown import short_repr

Z_MEAN, Z_WIDTH = "z_mean", "z_width"
OF_PDFS = (Z_MEAN, Z_WIDTH)
"""Covariates that every PDF has: its mean, and the logarithm of its standard deviation."""
_DIGITS = 4  # of the latter: PDFs of one width but for rounding must not be told apart


@short_repr
@dataclass(frozen=True, eq=False)
class ObjectCovariates:
    """Covariates of N objects that are known by their names: magnitudes, extinction, and the like.

    Raises
    ------
    InputError
        When there is not one row for each object, or a name occurs twice.
    """

    object_id: NDArray[np.str_]
    """(N,) names."""
    values: Covariates
    """Their covariates."""

    def __post_init__(self) -> None:
        """Check names and number."""
        object.__setattr__(self, "object_id", np.asarray(self.object_id).astype(str))
        if len(self.object_id) != len(self.values):
            rule = f"there must be one row for each of {len(self.object_id)} objects"
            raise fail("covariates", f"{rule}, but found {len(self.values)}")
        names, counts = np.unique(self.object_id, return_counts=True)
        if counts.size and counts.max() > 1:
            raise fail(
                "covariates", f"every object must occur once, but {names[counts.argmax()]} is there twice"
            )

    def of(self, object_id: NDArray[Any]) -> Covariates:
        """Return the covariates of some objects; NaN of those that are not there."""
        wanted = np.asarray(object_id).astype(str)
        found = np.full((len(wanted), len(self.values.names)), np.nan)
        if len(self.object_id):
            order = np.argsort(self.object_id)
            rank = np.searchsorted(self.object_id, wanted, sorter=order).clip(max=len(order) - 1)
            rows = order[rank]
            there = self.object_id[rows] == wanted
            found[there] = self.values.values[rows[there]]
        return Covariates(self.values.names, found)


def some(covariates: Covariates | None, rows: NDArray[Any] | slice) -> Covariates | None:
    """Return the covariates of some of the objects, where any are known."""
    return None if covariates is None else covariates.take(rows)


def with_own(
    covariates: Covariates | None, masses_nk: NDArray[np.float64], edges: NDArray[np.float64]
) -> Covariates:
    """Return covariates with those of `OF_PDFS` among them, of PDFs with these bin masses.

    They replace what is given under their names: a catalogue's ``z_mean`` is of another program's PDFs.
    """
    known = Covariates((), np.empty((len(masses_nk), 0))) if covariates is None else covariates
    width = np.maximum(std_of_masses(masses_nk, edges), np.diff(edges).min() * 1e-3)
    known = known.with_column(Z_MEAN, masses_nk @ bin_centres(edges))
    return known.with_column(Z_WIDTH, np.round(np.log(width), _DIGITS))
