"""Conformal limits of an ensemble: found where it is chosen, kept in its bundle, applied when it predicts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.conformal import AdaptiveSets, ConformalIntervals, ConformalSets
from rookery_ensembles.covariates import some
from rookery_ensembles.errors import fail
from rookery_ensembles.likelihood_table import LikelihoodTable
from rookery_ensembles.recipe import EQUAL, Recipe
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
    *,
    bags: int,
) -> Conformal | None:
    """Return limits from objects each combined and calibrated by the other four fifths; None of too few.

    An object that chose the weights looks more like its PDF than a new one does, and the more so the more
    members there are and the fewer objects. What may still have seen it is the choice of the
    recipe, and of the networks themselves where the validation objects chose their epochs.

    Parameters
    ----------
    table
        The objects.
    recipe
        Whose weights and calibration are fitted.
    pooled_nk
        (n, K) what the pool makes of the objects of `table`, by its rows, with weights by all of them.
    group_n
        (n,) names of groups that shall have limits of their own.
    bags
        As in `LikelihoodTable.weigh`.
    """
    n, target, known = len(pooled_nk), table.candidates.target, table.covariates
    if n < LEAST_OBJECTS:
        return None
    fold_n = np.random.default_rng(0).permutation(n) % _FOLDS
    honest = np.empty_like(pooled_nk, dtype=np.float64)
    for fold, seen_nk in enumerate(_pooled_by_others(table, recipe, pooled_nk, fold_n, bags)):
        here = fold_n == fold
        fitted = table.fit_calibration(recipe, seen_nk[~here], ~here, sharpen=True)
        honest[here] = target.calibrate(fitted, seen_nk[here], some(known, here))
    truth = None if table.candidates.truth is None else table.candidates.truth[table.rows]
    return target.fit_limits(honest, truth, table.index_n, levels=SERVED, groups=group_n)


def _pooled_by_others(
    table: LikelihoodTable, recipe: Recipe, pooled_nk: NDArray[Any], fold_n: NDArray[np.intp], bags: int
) -> list[NDArray[Any]]:
    """Return for each fold (n, K) pools of all objects, with weights by those of the other folds."""
    if recipe.weights == EQUAL or len(table.likelihood_mn) == 1:
        return [pooled_nk] * _FOLDS
    weights = [table.weigh(recipe, fold_n != fold, bags=bags) for fold in range(_FOLDS)]
    tasks = [(recipe.pool, table.weights_of_objects(found)) for found in weights]
    return [values_nk[table.rows] for values_nk in table.candidates.pooled(tasks)]


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
