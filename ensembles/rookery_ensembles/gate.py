"""A gate: members' weights that depend on covariates, through a softmax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations.base import Covariates
from rookery_ensembles.errors import fail
from rookery_ensembles.ranks import (
    DEGREE,
    Knots,
    check_knots,
    covariates_to_list,
    rank_polynomials,
    read_covariates,
)
from rookery_ensembles.shown import short_repr

FloatArray = NDArray[np.float64]


@short_repr
@dataclass(frozen=True)
class Gate:
    """How members' weights depend on covariates.

    A member's weight is proportional to its weight for all objects times the exponential of a sum of
    polynomials of the covariates' ranks (see `rookery_ensembles.ranks`): a mixture of experts (Jacobs et al.
    1991) whose experts are the members. An object that lacks one of the covariates has the weights for all.

    Raises
    ------
    InputError
        When the sizes do not fit together, knots do not increase or a number is not finite.
    """

    names: tuple[str, ...]
    """C covariates."""
    knots: Knots
    """C lists of increasing values."""
    slopes: Mapping[str, tuple[float, ...]]
    """Of each member what its 3 C polynomials are multiplied by."""

    def __post_init__(self) -> None:
        """Check the rules."""
        check_knots(self.names, self.knots, "gate")
        width = DEGREE * len(self.names)
        for member, row in self.slopes.items():
            if len(row) != width or not np.isfinite(row).all():
                raise fail("gate", f"member {member} must have {width} finite slopes, but has {list(row)}")

    def __str__(self) -> str:
        """Return the gate in a few words."""
        return f"weights by {', '.join(self.names)}"

    def weights(
        self, members: Sequence[str], weights_m: NDArray[Any] | Sequence[float], covariates: Covariates
    ) -> FloatArray:
        """Return (N, M) weights of members for N objects; each row sums to 1.

        Parameters
        ----------
        members
            M names.
        weights_m
            (M,) their weights for all objects.
        covariates
            Of the N objects.

        Raises
        ------
        InputError
            When a member has no slopes.
        """
        missing = [name for name in members if name not in self.slopes]
        if missing:
            raise fail("gate", f"there must be slopes for every member, but {missing[0]} has none")
        given = covariates.columns(self.names)
        known = np.isfinite(given).all(axis=1)
        features = np.zeros((len(given), DEGREE * len(self.names)))
        features[known] = rank_polynomials(given[known], self.knots)
        table = np.array([self.slopes[name] for name in members])
        return softmax_weights(features, table.T, np.asarray(weights_m, dtype=np.float64))

    def of(self, members: Mapping[str, str]) -> "Gate":
        """Return the gate of other members: `members` names for each of them the one whose slopes it has."""
        return Gate(self.names, self.knots, {name: self.slopes[old] for name, old in members.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for YAML or JSON."""
        slopes = {name: list(row) for name, row in self.slopes.items()}
        return {"covariates": covariates_to_list(self.names, self.knots), "slopes": slopes}

    @classmethod
    def from_dict(cls, document: object, where: str) -> "Gate":
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields(document, where, ("covariates", "slopes"))
        names, knots = read_covariates(fields)
        rows = {}
        for member, given in fields.mapping("slopes").items():
            if not isinstance(given, list) or not all(isinstance(x, (int, float)) for x in given):
                raise fail(f"{fields.place('slopes')}.{member}", f"must be numbers, but found {given!r:.80}")
            rows[member] = tuple(float(x) for x in given)
        return cls(names, knots, rows)


def softmax_weights(features_np: FloatArray, slopes_pm: FloatArray, weights_m: FloatArray) -> FloatArray:
    """Return (N, M) weights proportional to w exp(features slopes); a weight of 0 stays 0."""
    raised = features_np @ slopes_pm
    raised -= raised.max(axis=1, keepdims=True)
    found = weights_m * np.exp(raised)
    return np.asarray(found / found.sum(axis=1, keepdims=True))
