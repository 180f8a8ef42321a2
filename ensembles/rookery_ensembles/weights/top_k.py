"""The best few members, each with the same weight."""

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.probabilities import mean_loss
from rookery_ensembles.weights.base import Weights
from rookery_ensembles.weights.evidence import Evidence, FloatArray


class TopWeights(Weights):
    """Equal weights of the k members of the least log-loss; k is the best where others chose the members."""

    name = "top_k"
    spoken = "equal weights of the best members"

    def _fit(self, evidence: Evidence, *, brief: bool = False) -> FloatArray:
        m = len(evidence)
        numbers = np.unique(np.round(np.geomspace(1, m, min(m, 12))).astype(int))
        losses = np.zeros(len(numbers))
        folds = evidence.folds()
        for fold in folds if len(folds) > 1 else []:
            order = _ranked(evidence.chosen(fold, without=True))
            judged = evidence.chosen(fold)
            total = np.cumsum(judged.likelihood_mn[order], axis=0, dtype=np.float64)
            mass = evidence.mass(fold)
            losses += mass * np.array([mean_loss(total[k - 1] / k, judged.weight_n) for k in numbers])
        best = int(numbers[len(numbers) - 1 - losses[::-1].argmin()])
        weights = np.zeros(m)
        weights[_ranked(evidence)[:best]] = 1 / best
        return weights


def _ranked(evidence: Evidence) -> NDArray[np.intp]:
    """Return the members by their log-loss, the least first."""
    loss = [mean_loss(row.astype(np.float64), evidence.weight_n) for row in evidence.likelihood_mn]
    return np.argsort(loss, kind="stable")
