"""Groups of objects that have conformal limits of their own: thirds of a covariate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations.base import Covariates
from rookery_ensembles.errors import fail
from rookery_ensembles.shown import short_repr

UNKNOWN = "unknown"


@short_repr
@dataclass(frozen=True)
class Groups:
    """Parts of the range of a covariate, and the objects of which it is unknown.

    Raises
    ------
    InputError
        When there is no edge, or edges do not increase.
    """

    column: str
    """The covariate."""
    edges: tuple[float, ...]
    """Where one part ends and the next begins."""

    def __post_init__(self) -> None:
        """Check the edges."""
        if not self.edges or not np.isfinite(self.edges).all() or not (np.diff(self.edges) > 0).all():
            listed = ", ".join(f"{edge:g}" for edge in self.edges)
            raise fail(
                f"groups of {self.column}", f"edges must be one or more that increase, but are {listed}"
            )

    @classmethod
    def thirds(cls, covariates: Covariates) -> "Groups":
        """Return thirds of objects by a covariate, the only one.

        Raises
        ------
        InputError
            When there are more or fewer, or fewer than three different values.
        """
        if len(covariates.names) != 1:
            raise fail(
                "groups", f"must be of one covariate, but found {', '.join(covariates.names) or 'none'}"
            )
        (column,) = covariates.names
        known = covariates.values[np.isfinite(covariates.values[:, 0]), 0]
        if len(np.unique(known)) < 3:
            rule = f"thirds of {column} need three different values or more"
            raise fail("groups", f"{rule}, but the objects have {len(np.unique(known))}")
        return cls(column, tuple(np.unique(np.quantile(known, [1 / 3, 2 / 3])).tolist()))

    def names(self, covariates: Covariates | None, n: int) -> NDArray[np.str_]:
        """Return (n,) names of objects' groups, such as ``below 20.5`` and ``from 21.75``."""
        values = np.full(n, np.nan) if covariates is None else covariates.columns((self.column,))[:, 0]
        inner = [
            f"{low:.6g} to {high:.6g}" for low, high in zip(self.edges[:-1], self.edges[1:], strict=True)
        ]
        listed = np.array([f"below {self.edges[0]:.6g}", *inner, f"from {self.edges[-1]:.6g}"])
        part = np.searchsorted(self.edges, values, side="right").clip(max=len(self.edges))
        return np.where(np.isfinite(values), listed[part], UNKNOWN)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for YAML or JSON."""
        return {"column": self.column, "edges": list(self.edges)}

    @classmethod
    def from_dict(cls, document: object, where: str) -> "Groups":
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields(document, where, ("column", "edges"))
        return cls(fields.take("column", str), fields.take_list("edges", float))
