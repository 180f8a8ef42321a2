"""The logarithmic pool: the weighted geometric mean of the members' probabilities or densities."""

import numpy as np

from rookery_ensembles.member_values import Block
from rookery_ensembles.pools.base import FloatArray, Pool, generalised_mean
from rookery_ensembles.target import Target


class LogarithmicPool(Pool):
    """The weighted geometric mean, normalised (Genest & Zidek 1986): sharper than the linear pool.

    Probabilities below `LOG_FLOOR` are raised to it where another member is above; see
    `rookery_ensembles.pools.base.generalised_mean`.
    """

    name = "logarithmic"
    spoken = "weighted geometric mean of probabilities"

    def _combine(self, target: Target, values_m: Block, weights_m: FloatArray) -> FloatArray:
        return generalised_mean(target, values_m, weights_m, np.log, np.exp)
