"""Predictions of every object by networks, weights and a calibration that never saw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.build import EnsembleChoice
from rookery_ensembles.candidates import CandidateMember, CandidateTable, tabulate_candidates
from rookery_ensembles.covariates import some
from rookery_ensembles.errors import fail
from rookery_ensembles.likelihood_table import LikelihoodTable
from rookery_ensembles.recipe import AUTO, Recipe
from rookery_ensembles.schema import PredictionInfo, Predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.weights import FittedWeights


def out_of_fold(
    candidates: Sequence[CandidateMember],
    choice: EnsembleChoice,
    *,
    sample_weight: Mapping[str, float] | None = None,
    name: str = "out_of_fold",
    parts: Sequence["Part"] | None = None,
) -> Predictions:
    """Return the ensemble's out-of-fold predictions of the objects of a cross-validated study.

    An object of a fold is predicted by the members that were validated on this fold, and so never
    saw it. Which configurations count how much, and the calibration, are found anew for each fold
    by the objects of all others, in the way of `choose`: neither saw it either, and scores of the
    result do not flatter as `EnsembleChoice.scores` do. What may still have seen it is what is common
    to all folds, the hyperparameters of a search; and the epoch of each member, where the fold that
    judges a member chose it too (the card of a Rookery member says so: `keep` best without an
    `inner_validation`).

    Parameters
    ----------
    candidates
        The members that were chosen from.
    choice
        What `choose` made of them: its `bags`, `sharpen`, `by` and `covariates` are taken.
    sample_weight
        As in `choose`.
    name
        Name of the ensemble in the result's ``info.bundle``.
    parts
        What `cross_fit` said of all these, where it was asked before.

    Returns
    -------
    Of every object that the candidates predicted, in the order of their ids, with its truth.

    Raises
    ------
    InputError
        As `choose` does, or when the choice was made from other candidates, there are fewer than
        two folds, configurations differ in an object's fold, or all objects of known truth are
        in one fold.
    """
    parts = parts or cross_fit(candidates, choice, sample_weight)
    found = parts[0].table.candidates
    values = np.empty(found.values.shape[1:], dtype=np.float32)
    for part in parts:
        seen = part.pooled_nk[part.table.rows[part.elsewhere]]
        calibration = part.table.fit_calibration(part.recipe, seen, part.elsewhere, sharpen=choice.sharpen)
        known = some(found.covariates, part.here)
        values[part.here] = found.target.calibrate(calibration, part.pooled_nk[part.here], known)
    first = candidates[0].validation.info
    info = PredictionInfo(
        found.target, bundle=name, role=first.role, survey=first.survey, version=first.version
    )
    return Predictions(info, found.object_id, found.truth, values)


@short_repr
@dataclass(frozen=True, eq=False)
class Part:
    """A fold: the recipe and weights that the other folds' objects give, and who is where."""

    table: LikelihoodTable
    weights_m: NDArray[np.float64]
    here: NDArray[np.intp]
    """Rows of the candidates' table that are in the fold."""
    elsewhere: NDArray[np.bool_]
    """(n,) which of the table's objects are not."""
    recipe: Recipe
    """How the members are combined."""
    pooled_nk: NDArray[np.float64]
    """(N, K) for each object the pool, by these weights, of the members that did not see it."""


def cross_fit(
    candidates: Sequence[CandidateMember],
    choice: EnsembleChoice,
    sample_weight: Mapping[str, float] | None = None,
) -> list[Part]:
    """Return for each fold what the objects of the others say; the arguments are those of `out_of_fold`."""
    table = tabulate_candidates(candidates, choice.covariates)
    if set(table.groups) != set(choice.losses):
        rule = "the choice must have been made from the same configurations"
        raise fail("choice", f"{rule}, {', '.join(table.groups)}, but found {', '.join(choice.losses)}")
    fold_n, likelihoods = _common_folds(table), LikelihoodTable(table, sample_weight)
    chosen: list[tuple[NDArray[np.intp], NDArray[np.bool_], Recipe, FittedWeights]] = []
    for fold in np.unique(fold_n):
        elsewhere = fold_n[likelihoods.rows] != fold
        if not elsewhere.any():
            raise fail("candidates", f"objects of known truth must not all be in one fold, but are in {fold}")
        recipe = choice.recipe
        if choice.by == AUTO:  # what combines an object's members must not have been chosen by it
            recipe = likelihoods.find(elsewhere, sharpen=choice.sharpen, honest=False).recipe
        weights = likelihoods.weigh(recipe, elsewhere, bags=choice.bags)
        chosen.append((np.flatnonzero(fold_n == fold), elsewhere, recipe, weights))
    pools = table.pooled(
        [(recipe.pool, likelihoods.weights_of_objects(weights)) for _, _, recipe, weights in chosen]
    )
    return [
        Part(likelihoods, weights.weights_m, here, elsewhere, recipe, pooled_nk)
        for (here, elsewhere, recipe, weights), pooled_nk in zip(chosen, pools, strict=True)
    ]


def _common_folds(table: CandidateTable) -> NDArray[np.int32]:
    """Return (N,) each object's fold, which must be the same in all configurations."""
    first: NDArray[np.int32] = table.folds[0]
    names = table.names
    for name, folds in zip(names, table.folds, strict=True):
        different = np.flatnonzero(folds != first)
        if different.size:
            row = int(different[0])
            rule = f"object {table.object_id[row]} must be in the same fold as in {names[0]}, {first[row]}"
            raise fail(f"predictions of {name}", f"{rule}, but is in {folds[row]}")
    if len(np.unique(first)) < 2:
        raise fail("candidates", "must have been validated on two folds or more, but were on one")
    return first
