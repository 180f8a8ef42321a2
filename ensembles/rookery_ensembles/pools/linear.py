"""The linear pool: the weighted mean of the members' probabilities or densities."""

from rookery_ensembles.combine import weighted_sum
from rookery_ensembles.member_values import Block
from rookery_ensembles.pools.base import FloatArray, Pool
from rookery_ensembles.target import Target


class LinearPool(Pool):
    """The weighted mean (Stone 1961); wider than its members are on average."""

    name = "linear"
    spoken = "weighted mean of probabilities"

    def _combine(self, target: Target, values_m: Block, weights_m: FloatArray) -> FloatArray:
        return weighted_sum(values_m, weights_m)
