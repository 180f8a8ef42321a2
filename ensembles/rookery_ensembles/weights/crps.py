"""Weights of the least CRPS of binned PDFs, or the least Brier score of class probabilities."""

import numpy as np

from rookery_ensembles.weights.base import Weights
from rookery_ensembles.weights.evidence import Evidence, FloatArray

_RIDGE = 1e-7
"""Part of the mean diagonal that is added to it: members that err alike then share their weight."""


class CRPSWeights(Weights):
    """The w on the simplex of the least w' G w, exactly: a quadratic programme.

    With v of the least v' G v / 2 - sum(v) that is not negative, w = v / sum(v) fulfils the conditions of
    the minimum; and v solves a problem of non-negative least squares (Lawson & Hanson 1974, chapter 23).
    """

    name = "crps"
    spoken = "weights of the least CRPS or Brier score"
    quadratic = True

    def _fit(self, evidence: Evidence, *, brief: bool = False) -> FloatArray:
        from scipy.linalg import solve_triangular
        from scipy.optimize import nnls

        m = len(evidence)
        gram = evidence.gram
        scale = np.trace(gram) / m
        if not scale > 0:  # nobody errs
            return np.full(m, 1 / m)
        upper = np.linalg.cholesky(gram / scale + _RIDGE * np.eye(m)).T
        v, _ = nnls(upper, solve_triangular(upper, np.ones(m), trans="T"), maxiter=30 * m)
        return np.asarray(v)
