"""What is known of objects beside their predictions, by the objects' names."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations.base import Covariates
from rookery_ensembles.errors import fail
from rookery_ensembles.shown import short_repr


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
