"""What configurations are chosen by: the probability that each gives to each object's truth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.auto import AutoReport, chosen_objects, find_recipe
from rookery_ensembles.calibrations import Calibration
from rookery_ensembles.candidates import CandidateTable
from rookery_ensembles.covariates import some
from rookery_ensembles.errors import fail
from rookery_ensembles.member_table import likelihoods
from rookery_ensembles.probabilities import check_sample_weight
from rookery_ensembles.recipe import GREEDY, Recipe
from rookery_ensembles.weights import Evidence, FittedWeights, find_weights
from rookery_ensembles.weights.evidence import cells, gram_of_cells
from rookery_ensembles.weights.greedy import bagged_selection, select_by_likelihood


class LikelihoodTable:
    """Likelihoods of the candidates' configurations, for the objects that have a true class or redshift bin.

    Parameters
    ----------
    candidates
        The configurations' predictions.
    sample_weight
        What each object counts, by `object_id`; by default all count the same.

    Attributes
    ----------
    rows
        (n,) those objects' rows of the candidates' table.
    index_n
        (n,) columns of their true classes or bins.
    weight_n
        (n,) their weights, of mean 1, or None.
    covariates
        Of these n objects, or None.
    likelihood_mn
        (M, n); of millions of numbers in single precision.

    Raises
    ------
    InputError
        When no object has a true class or bin, one of them has no weight, or a value is invalid.
    """

    def __init__(self, candidates: CandidateTable, sample_weight: Mapping[str, float] | None = None) -> None:
        target = candidates.target
        rule = f"must hold predictions of objects with a known {target.truth_name}"
        if candidates.truth is None:
            raise fail("candidates", f"{rule}, but found no truth")
        column = target.index(candidates.truth)
        self.candidates = candidates
        self.rows = np.flatnonzero(column >= 0)
        if not self.rows.size:
            raise fail("candidates", f"{rule}, but found none of {len(column)}")
        self.index_n = column[self.rows]
        self.covariates = some(candidates.covariates, self.rows)
        self.weight_n = _weights(sample_weight, candidates.object_id[self.rows].tolist())
        names = [f"predictions of {name}" for name in candidates.names]
        found = likelihoods(target, candidates.values, column[np.argsort(candidates.order)], names)
        self.likelihood_mn = found[:, candidates.order[self.rows]]

    def find(self, chosen: NDArray[np.bool_] | None = None, *, sharpen: bool, honest: bool) -> AutoReport:
        """Return the recipe that serves the chosen of the n objects best; see `find_recipe`."""
        rows = self.rows if chosen is None else self.rows[chosen]
        weight = self.weight_n if chosen is None or self.weight_n is None else self.weight_n[chosen]
        table = self.candidates
        part = chosen_objects(len(rows), table.values.shape[0] * table.target.n_columns)
        truth = np.asarray(table.truth)[rows[part]]
        weight = None if weight is None else weight[part]
        known = some(table.covariates, rows[part])
        values = table.gather(rows[part])
        return find_recipe(
            table.target, values, truth, weight, covariates=known, sharpen=sharpen, honest=honest
        )

    def weigh(self, recipe: Recipe, chosen: NDArray[np.bool_] | None = None, *, bags: int) -> FittedWeights:
        """Return a recipe's weights of the configurations by the chosen of the n objects.

        `bags` are those of greedy selection without shrinkage; 0 for one selection on all of them.
        """
        likelihood, weight, rows, known = self.likelihood_mn, self.weight_n, self.rows, self.covariates
        if chosen is not None:
            weight = None if weight is None else weight[chosen]
            likelihood, rows = likelihood[:, chosen], rows[chosen]
            known = some(known, chosen)
        if recipe.weights == GREEDY and not recipe.shrink:
            if bags == 0:
                return FittedWeights(select_by_likelihood(likelihood, sample_weight=weight).weights_m, 0.0)
            return FittedWeights(bagged_selection(likelihood, bags=bags, sample_weight=weight), 0.0)
        way, cell_n, gram = find_weights(recipe.weights), cells(likelihood.shape[1]), None
        if way.quadratic:
            gram = self._gram(rows, weight, cell_n)
        evidence = Evidence(likelihood, weight, cell_n, gram, known if way.local else None)
        found = way.fit(evidence, shrink=recipe.shrink)
        if found.gate is None:
            return found
        names = {name: str(number) for number, name in enumerate(self.candidates.names)}
        return replace(found, gate=found.gate.of(names))

    def weights_of_objects(self, found: FittedWeights) -> NDArray[np.float64]:
        """Return (M,) weights; of a gate (N, M), for all objects of the candidates' table."""
        known = self.candidates.covariates
        if found.gate is None or known is None:
            return found.weights_m
        return found.gate.weights(self.candidates.names, found.weights_m, known)

    def _gram(
        self, rows: NDArray[np.intp], weight_n: NDArray[np.float64] | None, cell_n: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the products of residuals of some objects, whose values are read once."""
        table, none = self.candidates, -1
        n = len(table.object_id)
        places = table.order[rows]
        cells_of, weights_of = np.full(n, none, dtype=np.intp), np.zeros(n)
        cells_of[places], weights_of[places] = cell_n, 1.0 if weight_n is None else weight_n
        truth = np.empty(n, dtype=np.asarray(table.truth).dtype)
        truth[table.order] = table.truth
        weights = None if weight_n is None else weights_of
        return gram_of_cells(table.target, table.values, truth, weights, cells_of)

    def fit_calibration(
        self,
        recipe: Recipe,
        values_nk: NDArray[Any],
        chosen: NDArray[np.bool_] | None = None,
        *,
        sharpen: bool,
    ) -> Calibration:
        """Fit a recipe's calibration to the chosen objects' pooled values, a row for each of them."""
        index, weight, known = self.index_n, self.weight_n, self.covariates
        if chosen is not None:
            index, weight = index[chosen], None if weight is None else weight[chosen]
            known = some(known, chosen)
        target = self.candidates.target
        return recipe.fit_calibration(target, values_nk, index, weight, sharpen=sharpen, covariates=known)


def _weights(given: Mapping[str, float] | None, object_id: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the objects' weights in their order, of mean 1."""
    if given is None:
        return None
    missing = [name for name in object_id if name not in given]
    if missing:
        rule = "there must be a weight for every object"
        raise fail("sample_weight", f"{rule}, but {len(missing)} have none, the first being {missing[0]!r}")
    return check_sample_weight([given[name] for name in object_id], len(object_id))
