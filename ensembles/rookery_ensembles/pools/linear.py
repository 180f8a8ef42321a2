"""The linear pool: the weighted mean of the members' probabilities or densities."""

import numpy as np

from rookery_ensembles.combine import Look, are_many, weighted_sum
from rookery_ensembles.member_values import Block
from rookery_ensembles.pools.base import FloatArray, Pool
from rookery_ensembles.target import Target


class LinearPool(Pool):
    """The weighted mean (Stone 1961); wider than its members are on average."""

    name = "linear"
    spoken = "weighted mean of probabilities"
    gated = True

    def _looked_at(
        self, target: Target, values_m: Block, weights_m: FloatArray, look: Look | None
    ) -> FloatArray:
        if weights_m.ndim == 1 and are_many(values_m):  # sums and looks while values are in the cache
            return weighted_sum(values_m, weights_m, look)
        return super()._looked_at(target, values_m, weights_m, look)

    def _combine(self, target: Target, values_m: Block, weights_m: FloatArray) -> FloatArray:
        if weights_m.ndim == 1:
            return weighted_sum(values_m, weights_m)
        total = np.zeros(np.shape(values_m[0]))
        for weight_n, values in zip(weights_m.T, values_m, strict=True):
            total += weight_n[:, None] * np.asarray(values, dtype=np.float64)
        return total
