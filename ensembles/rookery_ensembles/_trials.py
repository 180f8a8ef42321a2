"""Recipes fitted to some folds of the objects and judged on others; each is fitted but once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations import Covariates
from rookery_ensembles.covariates import some
from rookery_ensembles.pools import find_pool
from rookery_ensembles.probabilities import LOG_FLOOR, check_sample_weight
from rookery_ensembles.recipe import EQUAL, PLAIN, Recipe
from rookery_ensembles.target import Target
from rookery_ensembles.weights import Evidence, find_weights
from rookery_ensembles.weights.evidence import cells, gram_of_cells

FloatArray = NDArray[np.float64]


class Trials:
    """Losses of recipes on objects that they were not fitted to.

    Parameters
    ----------
    target, values_m, truth_n, weight_n, covariates, sharpen, seed
        As in `rookery_ensembles.auto.find_recipe`.
    n_folds
        Groups of the objects; each is judged by fits to the others.
    """

    def __init__(
        self,
        target: Target,
        values_m: Sequence[NDArray[Any]],
        truth_n: NDArray[Any],
        weight_n: FloatArray | None,
        *,
        covariates: Covariates | None = None,
        sharpen: bool,
        seed: int = 0,
        n_folds: int = 5,
    ) -> None:
        self.target, self.values_m, self.sharpen, self.n_folds = target, values_m, sharpen, n_folds
        self.index_n = target.index(truth_n)
        self.covariates = covariates
        self.weight_n = None if weight_n is None else check_sample_weight(weight_n, len(truth_n))
        cell_n = cells(len(truth_n), seed)
        self.fold_n = cell_n % n_folds
        self.evidence = Evidence(
            np.stack([target.likelihood(values, self.index_n) for values in values_m]),
            self.weight_n,
            cell_n,
            gram_of_cells(target, values_m, truth_n, self.weight_n, cell_n),
            covariates,
        )
        self._weights: dict[tuple[str, bool, int | None], FloatArray] = {}
        self._equal: dict[str, FloatArray] = {}
        self._pooled: dict[tuple[str, str, bool, int | None], FloatArray] = {}
        self._losses: dict[Recipe, FloatArray] = {}
        self.plain = self.pooled(PLAIN, None)
        self.plain_loss = self.loss(PLAIN)

    def gain(self, recipe: Recipe, outer: int | None, over: Recipe = PLAIN) -> tuple[float, float]:
        """Return the mean gain over another recipe on all folds but `outer`, and its standard error.

        Each object is judged by a fit to all folds but its own.
        """
        gain_n = self.loss(over) - self.loss(recipe)
        if outer is not None:
            gain_n = np.where(self.fold_n == outer, np.nan, gain_n)
        return self.mean_and_error(gain_n)

    def mean_and_error(self, gain_n: FloatArray) -> tuple[float, float]:
        """Return the mean over the objects that have a gain, and its standard error."""
        known = ~np.isnan(gain_n)
        gain = gain_n[known]
        share = np.full(len(gain), 1 / len(gain)) if self.weight_n is None else self.weight_n[known]
        share = share / share.sum()
        mean = float(share @ gain)
        return mean, float(np.sqrt(share**2 @ (gain - mean) ** 2 * len(gain) / max(len(gain) - 1, 1)))

    def loss(self, recipe: Recipe) -> FloatArray:
        """Return (N,) log-losses of each object after a fit to all folds but its own."""
        if recipe not in self._losses:
            likelihood = self._likelihood(recipe, None) if recipe == PLAIN else np.empty(len(self.fold_n))
            for fold in range(self.n_folds if recipe != PLAIN else 0):
                here = self.fold_n == fold
                likelihood[here] = self._likelihood(recipe, fold)[here]
            self._losses[recipe] = -np.log(np.maximum(likelihood, LOG_FLOOR))
        return self._losses[recipe]

    def _likelihood(self, recipe: Recipe, fold: int | None) -> FloatArray:
        """Return (N,) likelihoods after a fit to all folds but one; of a calibration those of that fold."""
        if recipe.pool == "linear" and recipe.calibration == "none":
            return self.evidence.pooled(self.weights(recipe, fold))
        values = self.pooled(recipe, fold)
        if recipe.calibration == "none":
            return self.target.likelihood(values, self.index_n)
        judged = self.fold_n == fold
        weight = None if self.weight_n is None else self.weight_n[~judged]
        calibration = recipe.fit_calibration(
            self.target, values[~judged], self.index_n[~judged], weight,
            sharpen=self.sharpen, covariates=some(self.covariates, ~judged),
        )  # fmt: skip
        found = np.full(len(values), np.nan)
        calibrated = self.target.calibrate(calibration, values[judged], some(self.covariates, judged))
        found[judged] = self.target.likelihood(calibrated, self.index_n[judged])
        return found

    def weights(self, recipe: Recipe, fold: int | None) -> FloatArray:
        """Return weights by the objects of all folds but one: (M,), or of a gate (N, M) of each object."""
        key = (recipe.weights, recipe.shrink, fold)
        if key not in self._weights:
            evidence = self.evidence
            if fold is not None:
                cell = np.arange(evidence.cell.max() + 1)
                evidence = evidence.chosen(cell[cell % self.n_folds == fold], without=True)
            found = find_weights(recipe.weights).fit(evidence, shrink=recipe.shrink)
            weights = found.weights_m
            if found.gate is not None and self.covariates is not None:
                names = [str(number) for number in range(len(weights))]
                weights = found.gate.weights(names, weights, self.covariates)
            self._weights[key] = weights
        return self._weights[key]

    def pooled(self, recipe: Recipe, fold: int | None) -> FloatArray:
        """Return (N, K) pooled values of all objects, with weights by all folds but one."""
        pool = find_pool(recipe.pool, self.target)
        if recipe.weights == EQUAL:
            if recipe.pool not in self._equal:
                self._equal[recipe.pool] = pool.combine(self.target, self.values_m)
            return self._equal[recipe.pool]
        key = (recipe.pool, recipe.weights, recipe.shrink, fold)
        if key not in self._pooled:
            weights = self.weights(recipe, fold)
            self._pooled[key] = pool.combine(self.target, self.values_m, weights)
        return self._pooled[key]
