"""Weights of the greatest likelihood of a linear pool, by expectation and maximisation."""

import numpy as np

from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.weights.base import Weights
from rookery_ensembles.weights.evidence import Evidence, FloatArray

_MOST_STEPS, _BRIEF_STEPS = 240, 90
_TOLERANCE = 1e-5
"""Nats by which the log score may miss that of the best weights: an upper bound that every step tells."""


class EMWeights(Weights):
    """The weights of the best log score (Dempster, Laird & Rubin 1977), from equal ones on.

    A step multiplies a member's weight by the mean of its likelihood over the pool's. The greatest of these
    means less 1 bounds what is left to gain. Two steps are extrapolated where that raises the likelihood
    (SQUAREM: Varadhan & Roland 2008).
    """

    name = "em"
    spoken = "weights of the best log score"

    def _fit(self, evidence: Evidence, *, brief: bool = False) -> FloatArray:
        table = np.maximum(evidence.likelihood_mn, LOG_FLOOR)
        n = table.shape[1]
        share = (
            np.full(n, 1 / n) if evidence.weight_n is None else evidence.weight_n / evidence.weight_n.sum()
        )
        weights = np.full(len(table), 1 / len(table))

        def step(at: FloatArray) -> tuple[FloatArray, float, float]:
            """Return the next weights, the log score at these, and the bound of what is left to gain."""
            pooled = np.asarray(at.astype(table.dtype) @ table, dtype=np.float64)
            means = np.asarray(table @ (share / pooled).astype(table.dtype), dtype=np.float64)
            following = at * means
            return following / following.sum(), float(share @ np.log(pooled)), float(means.max() - 1)

        for _ in range((_BRIEF_STEPS if brief else _MOST_STEPS) // 3):
            once, score, left = step(weights)
            if left < _TOLERANCE:
                break
            twice, _, _ = step(once)
            change, bend = once - weights, (twice - once) - (once - weights)
            size = np.sqrt((bend**2).sum())
            length = -max(1.0, np.sqrt((change**2).sum()) / size) if size > 0 else -1.0
            leap = np.maximum(weights - 2 * length * change + length**2 * bend, 0.0)
            leap = 0.999 * leap / leap.sum() + 0.001 * twice  # a weight of 0 would stay so
            after, leapt, _ = step(leap)
            weights = after if leapt > score else twice
        return weights
