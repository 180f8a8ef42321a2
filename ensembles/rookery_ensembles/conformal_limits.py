"""Conformal limits of an ensemble: found where it is chosen, kept in its bundle, applied when it predicts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.conformal import AdaptiveSets, ConformalIntervals, ConformalSets
from rookery_ensembles.covariates import some
from rookery_ensembles.errors import fail
from rookery_ensembles.likelihood_table import LikelihoodTable
from rookery_ensembles.recipe import Recipe
from rookery_ensembles.target import Target

Conformal = ConformalIntervals | ConformalSets
SERVED = (0.68, 0.95)
"""Coverages that bundles keep limits for."""
LEAST_OBJECTS = 40
"""Of fewer objects of known truth no limits are kept: at 95 % they would be infinite."""
_FOLDS = 5
_KINDS: dict[str, type[ConformalIntervals] | type[ConformalSets]] = {
    kind.method: kind for kind in (ConformalIntervals, ConformalSets, AdaptiveSets)
}


def find_limits(
    table: LikelihoodTable,
    recipe: Recipe,
    pooled_nk: NDArray[Any],
    group_n: NDArray[np.str_] | None = None,
) -> Conformal | None:
    """Return limits from objects each calibrated by the other four fifths; None where there are too few.

    What may have seen an object are the members' weights: a few numbers, of many objects.

    Parameters
    ----------
    table
        The objects.
    recipe
        Whose calibration is fitted.
    pooled_nk
        (n, K) what the pool makes of the objects of `table`, by its rows.
    group_n
        (n,) names of groups that shall have limits of their own.
    """
    n, target, known = len(pooled_nk), table.candidates.target, table.covariates
    if n < LEAST_OBJECTS:
        return None
    fold_n = np.random.default_rng(0).permutation(n) % _FOLDS
    honest = np.empty_like(pooled_nk, dtype=np.float64)
    for fold in range(_FOLDS):
        here = fold_n == fold
        fitted = table.fit_calibration(recipe, pooled_nk[~here], ~here, sharpen=True)
        honest[here] = target.calibrate(fitted, pooled_nk[here], some(known, here))
    truth = None if table.candidates.truth is None else table.candidates.truth[table.rows]
    return target.fit_limits(honest, truth, table.index_n, levels=SERVED, groups=group_n)


def read_conformal(document: object, where: str, target: Target) -> Conformal:
    """Read the limits of a bundle; raises InputError, beginning with `where`, for anything else."""
    method = document.get("method") if isinstance(document, dict) else None
    able = [name for name, kind in _KINDS.items() if kind.kind == target.kind]
    if method not in able:
        rule = f"the conformal limits of {target.spoken} must be of the method {' or '.join(able)}"
        raise fail(where, f"{rule}, but found {str(method)[:80]!r}")
    return _KINDS[str(method)].from_dict(document, where)


def conformal_columns(
    target: Target,
    limits: Conformal | None,
    values_nk: NDArray[Any],
    group_n: NDArray[np.str_] | None = None,
) -> dict[str, Any]:
    """Return the columns beside predictions that limits tell; see `rookery_ensembles.further_columns`.

    An object of a group (`group_n`) that has limits of its own has these.
    """
    return {} if limits is None else limits.columns(values_nk, target.edges, group_n)
