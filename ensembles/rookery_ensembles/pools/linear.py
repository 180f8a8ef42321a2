"""The linear pool: the weighted mean of the members' probabilities or densities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.combine import average
from rookery_ensembles.pools.base import FloatArray, Pool
from rookery_ensembles.target import Target


class LinearPool(Pool):
    """The weighted mean (Stone 1961); wider than its members are on average."""

    name = "linear"
    spoken = "weighted mean of probabilities"

    def _combine(self, target: Target, values_m: Sequence[NDArray[Any]], weights_m: FloatArray) -> FloatArray:
        return average([np.asarray(values) for values in values_m], weights_m)
