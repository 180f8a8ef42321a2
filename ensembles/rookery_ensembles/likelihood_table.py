"""What configurations are chosen by: the probability that each gives to each object's truth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrate import TemperatureCalibration
from rookery_ensembles.calibrate_pdf import Calibration, PdfCalibration
from rookery_ensembles.candidates import Pool
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import check_sample_weight
from rookery_ensembles.redshift_pdf import bin_masses
from rookery_ensembles.scoring import true_columns
from rookery_ensembles.select import bagged_selection, likelihoods, select_by_likelihood


class LikelihoodTable:
    """Likelihoods of a pool's configurations, for the objects that have a true class or redshift bin.

    Parameters
    ----------
    pool
        The configurations' predictions.
    sample_weight
        What each object counts, by `object_id`; by default all count the same.

    Attributes
    ----------
    rows
        (n,) those objects' rows of the pool.
    index_n
        (n,) columns of their true classes or bins.
    weight_n
        (n,) their weights, of mean 1, or None.
    likelihood_mn
        (M, n).

    Raises
    ------
    InputError
        When no object has a true class or bin, one of them has no weight, or a value is invalid.
    """

    def __init__(self, pool: Pool, sample_weight: Mapping[str, float] | None = None) -> None:
        stack = pool.stack
        truth_kind = "class" if stack.bin_edges is None else "redshift in a bin"
        rule = f"must hold predictions of objects with a known {truth_kind}"
        if stack.truth is None:
            raise fail("candidates", f"{rule}, but found no truth")
        column = true_columns(stack.truth, stack.class_names, stack.bin_edges)
        self.pool = pool
        self.rows = np.flatnonzero(column >= 0)
        if not self.rows.size:
            raise fail("candidates", f"{rule}, but found none of {len(column)}")
        self.index_n = column[self.rows]
        self.weight_n = _weights(sample_weight, stack.object_id[self.rows].tolist())
        # One member at a time: a copy of the whole stack may be large.
        self.likelihood_mn = np.concatenate(
            [likelihoods([values[self.rows]], self.index_n, stack.bin_edges) for values in stack.values]
        )

    def select(self, chosen: NDArray[np.bool_] | None = None, *, bags: int) -> NDArray[np.float64]:
        """Return (M,) weights of the configurations by their likelihoods of the chosen of the n objects."""
        likelihood, weight = self.likelihood_mn, self.weight_n
        if chosen is not None:
            likelihood, weight = likelihood[:, chosen], None if weight is None else weight[chosen]
        if bags == 0:
            return select_by_likelihood(likelihood, sample_weight=weight).weights_m
        return bagged_selection(likelihood, bags=bags, sample_weight=weight)

    def fit_calibration(
        self, values_nk: NDArray[Any], chosen: NDArray[np.bool_] | None = None, *, sharpen: bool
    ) -> Calibration:
        """Fit the calibration of the kind to the chosen objects' pooled values, a row for each of them."""
        index, weight = self.index_n, self.weight_n
        if chosen is not None:
            index, weight = index[chosen], None if weight is None else weight[chosen]
        edges = self.pool.stack.bin_edges
        if edges is None:
            return TemperatureCalibration.fit(values_nk, index, weight, sharpen=sharpen)
        return PdfCalibration.fit(bin_masses(values_nk, edges), index, weight, sharpen=sharpen)


def _weights(given: Mapping[str, float] | None, object_id: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the objects' weights in their order, of mean 1."""
    if given is None:
        return None
    missing = [name for name in object_id if name not in given]
    if missing:
        rule = "there must be a weight for every object"
        raise fail("sample_weight", f"{rule}, but {len(missing)} have none, the first being {missing[0]!r}")
    return check_sample_weight([given[name] for name in object_id], len(object_id))
