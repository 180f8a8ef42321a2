"""How an ensemble is made of members: which pool, which weights, which calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations import Calibration, Covariates, check_method, methods
from rookery_ensembles.errors import fail
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import Target
from rookery_ensembles.weights import WEIGHTS

AUTO, MEAN, GREEDY = "auto", "mean", "greedy"
EQUAL = "equal"
"""The weights of the plain average."""
Combining = Literal["auto", "mean", "greedy", "em", "crps", "top_k", "gate"]
"""How an ensemble may be asked for; see `rookery_ensembles.choose`."""


@short_repr
@dataclass(frozen=True)
class Recipe:
    """A pool, weights and a calibration, by their names."""

    pool: str = "linear"
    """One of `rookery_ensembles.pools.POOLS`."""
    weights: str = EQUAL
    """One of `rookery_ensembles.weights.WEIGHTS`."""
    calibration: str | None = "none"
    """One of the target's `calibrations`; None for the one that the target takes where none is asked for."""
    shrink: bool = True
    """Whether the weights are shrunk toward equal ones."""

    def __str__(self) -> str:
        """Return the recipe in a few words."""
        calibration = (
            "the usual calibration" if self.calibration is None else f"calibration {self.calibration}"
        )
        return f"{self.pool} pool, {self.weights} weights, {calibration}"

    def fit_calibration(
        self,
        target: Target,
        values_nk: NDArray[Any],
        index_n: NDArray[Any],
        weight_n: NDArray[np.float64] | None,
        *,
        sharpen: bool,
        covariates: Covariates | None = None,
    ) -> Calibration:
        """Return its calibration, fitted to pooled values (N, K) of objects with these true columns."""
        named = {} if self.calibration is None else {"method": self.calibration}
        return target.fit_calibration(
            values_nk, index_n, weight_n, sharpen=sharpen, covariates=covariates, **named
        )


PLAIN = Recipe()
"""The plain average: what everything else must beat."""
USUAL = Recipe(weights=GREEDY, calibration=None, shrink=False)
"""Bagged greedy selection and the target's usual calibration, without a choice among recipes."""


def ways() -> tuple[str, ...]:
    """Return the names by which an ensemble may be asked for."""
    return (AUTO, MEAN, *(name for name in WEIGHTS if name != EQUAL))


def named_recipe(by: str) -> Recipe | None:
    """Return the recipe of one of `ways`; None for `auto`, which has to be found.

    ``mean`` is the plain average, without a calibration; ``greedy`` bagged greedy selection as it always
    was, without shrinkage; the others are weights with shrinkage. All but ``mean`` are calibrated.

    Raises
    ------
    InputError
        When there is no such way.
    """
    if by not in ways():
        raise fail("by", f"must be one of {', '.join(ways())}, but found {by!r}")
    if by == AUTO:
        return None
    if by == MEAN:
        return PLAIN
    return USUAL if by == GREEDY else Recipe(weights=by, calibration=None)


def looks_at_covariates(by: str, calibration: str | None, kind: str, names: Sequence[str]) -> bool:
    """Return whether an ensemble may look at covariates: ``auto``, ``gate`` and local calibrations do.

    Parameters
    ----------
    by, calibration
        As in `rookery_ensembles.choose`.
    kind
        Of the target.
    names
        The covariates that are named, for whatever looks at them.

    Raises
    ------
    InputError
        When there is no such way or calibration, or covariates are named that nothing looks at.
    """
    local = calibration is not None and methods(kind)[check_method(kind, calibration)].local
    if by == AUTO or needs_covariates(by) or local:
        return True
    if names:
        rule = "are for what looks at them (`--by auto`, `--by gate`, `--calibration local`)"
        raise fail("covariates", f"{rule}, but {', '.join(names)} were given without")
    return False


def needs_covariates(by: str) -> bool:
    """Return whether an ensemble that is asked for in one of `ways` cannot do without covariates."""
    recipe = named_recipe(by)
    return recipe is not None and WEIGHTS[recipe.weights].local
