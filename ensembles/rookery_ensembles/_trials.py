"""Recipes fitted to some folds of the objects and judged on others; each is fitted but once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.pools import find_pool
from rookery_ensembles.probabilities import LOG_FLOOR, check_sample_weight
from rookery_ensembles.recipe import PLAIN, Recipe
from rookery_ensembles.target import Target
from rookery_ensembles.weights import Evidence, find_weights
from rookery_ensembles.weights.evidence import cells, gram_of_cells

FloatArray = NDArray[np.float64]
Folds = frozenset[int]


class Trials:
    """Losses of recipes on objects that they were not fitted to.

    Parameters
    ----------
    target, values_m, truth_n, weight_n, sharpen, seed
        As in `rookery_ensembles.auto.find_recipe`.
    n_folds
        Groups of the objects; what judges a recipe is left out of its fit by whole folds.
    """

    def __init__(
        self,
        target: Target,
        values_m: Sequence[NDArray[Any]],
        truth_n: NDArray[Any],
        weight_n: FloatArray | None,
        *,
        sharpen: bool,
        seed: int = 0,
        n_folds: int = 5,
    ) -> None:
        self.target, self.values_m, self.sharpen, self.n_folds = target, values_m, sharpen, n_folds
        self.index_n = target.index(truth_n)
        self.weight_n = None if weight_n is None else check_sample_weight(weight_n, len(truth_n))
        cell_n = cells(len(truth_n), seed)
        self.fold_n = cell_n % n_folds
        self.evidence = Evidence(
            np.stack([target.likelihood(values, self.index_n) for values in values_m]),
            self.weight_n,
            cell_n,
            gram_of_cells(target, values_m, truth_n, self.weight_n, cell_n),
        )
        self._weights: dict[tuple[str, Folds], FloatArray] = {}
        self._equal: dict[str, FloatArray] = {}
        self._losses: dict[tuple[Recipe, Folds], FloatArray] = {}
        self._latest: tuple[object, FloatArray] | None = None
        self.plain = self.pooled(PLAIN, frozenset())
        self.plain_loss = self.loss(PLAIN, frozenset())

    def gain(self, recipe: Recipe, outer: int | None) -> tuple[float, float]:
        """Return the mean gain over the plain average on all folds but `outer`, and its standard error."""
        gain_n = np.full(len(self.fold_n), np.nan)
        without = frozenset() if outer is None else frozenset({outer})
        for fold in set(range(self.n_folds)) - without:
            here = self.fold_n == fold
            gain_n[here] = self.plain_loss[here] - self.loss(recipe, without | {fold})[here]
        return self.mean_and_error(gain_n)

    def mean_and_error(self, gain_n: FloatArray) -> tuple[float, float]:
        """Return the mean over the objects that have a gain, and its standard error."""
        known = ~np.isnan(gain_n)
        gain = gain_n[known]
        share = np.full(len(gain), 1 / len(gain)) if self.weight_n is None else self.weight_n[known]
        share = share / share.sum()
        mean = float(share @ gain)
        return mean, float(np.sqrt(share**2 @ (gain - mean) ** 2 * len(gain) / max(len(gain) - 1, 1)))

    def loss(self, recipe: Recipe, without: Folds) -> FloatArray:
        """Return (N,) log-losses after a fit to all other folds; of those alone that the fit did not see."""
        if recipe == PLAIN:
            without = frozenset()  # there is nothing to fit
        if (recipe, without) not in self._losses:
            self._losses[recipe, without] = -np.log(np.maximum(self._likelihood(recipe, without), LOG_FLOOR))
        return self._losses[recipe, without]

    def _likelihood(self, recipe: Recipe, without: Folds) -> FloatArray:
        if recipe.pool == "linear" and recipe.calibration == "none":
            return self.evidence.pooled(self.weights(recipe.weights, without))
        values = self.pooled(recipe, without)
        if recipe.calibration == "none":
            return self.target.likelihood(values, self.index_n)
        judged = np.isin(self.fold_n, list(without))
        weight = None if self.weight_n is None else self.weight_n[~judged]
        calibration = recipe.fit_calibration(
            self.target, values[~judged], self.index_n[~judged], weight, sharpen=self.sharpen
        )
        found = np.full(len(values), np.nan)
        calibrated = self.target.calibrate(calibration, values[judged])
        found[judged] = self.target.likelihood(calibrated, self.index_n[judged])
        return found

    def weights(self, name: str, without: Folds) -> FloatArray:
        """Return (M,) weights by the objects of all other folds."""
        if (name, without) not in self._weights:
            some = np.flatnonzero(
                np.isin(np.arange(self.evidence.cell.max() + 1) % self.n_folds, list(without))
            )
            evidence = self.evidence.chosen(some, without=True)
            self._weights[name, without] = find_weights(name).fit(evidence).weights_m
        return self._weights[name, without]

    def pooled(self, recipe: Recipe, without: Folds) -> FloatArray:
        """Return (N, K) pooled values of all objects, with weights by all other folds."""
        pool = find_pool(recipe.pool, self.target)
        if recipe.weights == "equal":
            if recipe.pool not in self._equal:
                self._equal[recipe.pool] = pool.combine(self.target, self.values_m)
            return self._equal[recipe.pool]
        key = (recipe.pool, recipe.weights, without)
        if self._latest is None or self._latest[0] != key:
            weights = self.weights(recipe.weights, without)
            self._latest = key, pool.combine(self.target, self.values_m, weights)
        return self._latest[1]
