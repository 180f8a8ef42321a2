"""Equal weights."""

import numpy as np

from rookery_ensembles.weights.base import Weights
from rookery_ensembles.weights.evidence import Evidence, FloatArray


class EqualWeights(Weights):
    """Every member counts the same."""

    name = "equal"
    spoken = "equal weights"

    def _fit(self, evidence: Evidence, *, brief: bool = False) -> FloatArray:
        return np.full(len(evidence), 1 / len(evidence))

    def _shrinkage(self, evidence: Evidence) -> float:
        return 0.0
