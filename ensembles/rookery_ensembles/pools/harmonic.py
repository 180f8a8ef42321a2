"""The harmonic pool: the weighted harmonic mean of the members' probabilities or densities."""

import numpy as np

from rookery_ensembles.member_values import Block
from rookery_ensembles.pools.base import FloatArray, Pool, generalised_mean
from rookery_ensembles.target import Target


class HarmonicPool(Pool):
    """The weighted harmonic mean, normalised (CLAP: Lin et al. 2024, A&A 691, A331).

    It follows the smallest of the members' probabilities. Those below `LOG_FLOOR` are raised to it where
    another member is above; see `rookery_ensembles.pools.base.generalised_mean`.
    """

    name = "harmonic"
    spoken = "weighted harmonic mean of probabilities"

    def _combine(self, target: Target, values_m: Block, weights_m: FloatArray) -> FloatArray:
        return generalised_mean(target, values_m, weights_m, np.reciprocal, np.reciprocal)
