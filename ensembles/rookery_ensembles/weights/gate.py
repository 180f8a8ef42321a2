"""Weights that depend on covariates: a bright galaxy may trust other members than a faint one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.gate import Gate, softmax_weights
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.ranks import knots_of, rank_polynomials
from rookery_ensembles.weights.base import FittedWeights
from rookery_ensembles.weights.em import EMWeights
from rookery_ensembles.weights.evidence import Evidence, FloatArray

PRIORS = (3.0, 30.0, 300.0)
"""Pulls toward the weights for all, in objects, of which cross-validation chooses one."""
_PARTS, _STEPS, _MOST = 3, 60, 20_000
MOST_MEMBERS = 24
"""So many members, those of the greatest weights, have slopes; the others share what is left as before."""
LEAST_OBJECTS = 60


class GateWeights(EMWeights):
    """Weights of the best log score, and from these a softmax of covariates (`rookery_ensembles.gate.Gate`).

    Three-fold cross-validation chooses the pull toward the weights for all. Where no pull raises the log
    score of objects that were left out by more than its standard error, or covariates are unknown,
    the weights for all are all.
    """

    name = "gate"
    spoken = "weights that depend on covariates"
    local = True

    def fit(self, evidence: Evidence, *, shrink: bool = True) -> FittedWeights:
        """Return the weights for all objects, shrunk as others are, and the gate, if any helps."""
        found = super().fit(evidence, shrink=shrink)
        return replace(found, gate=_fit_gate(evidence, found.weights_m))


def _fit_gate(evidence: Evidence, weights_m: FloatArray) -> Gate | None:
    """Return the gate whose members are called by their numbers; None where none helps."""
    covariates, active = evidence.covariates, np.flatnonzero(weights_m)
    if covariates is None or not covariates.names or len(active) < 2:
        return None
    mass = np.ones(len(covariates)) if evidence.weight_n is None else evidence.weight_n
    known = np.flatnonzero(np.isfinite(covariates.values).all(axis=1) & (mass > 0))
    if len(known) < LEAST_OBJECTS:
        return None
    known = np.sort(np.random.default_rng(0).permutation(known)[:_MOST])
    knots = knots_of(covariates.values[known])
    features = rank_polynomials(covariates.values[known], knots)
    table = np.maximum(evidence.likelihood_mn[np.ix_(active, known)].T.astype(np.float64), LOG_FLOOR)
    heaviest = np.argsort(-weights_m[active], kind="stable")
    own, rest = heaviest[:MOST_MEMBERS], heaviest[MOST_MEMBERS:]
    base, table = _rest_as_one(weights_m[active], table, own, rest)
    prior = _best_prior(table, features, base, mass[known])
    if prior is None:
        return None
    slopes = np.zeros((features.shape[1], len(weights_m)))
    found = _slopes(table, features, base, mass[known], prior)
    if rest.size:  # a softmax does not change where the same is taken from all slopes
        found = found[:, :-1] - found[:, -1:]
    slopes[:, active[own]] = found
    rows = {str(number): tuple(row) for number, row in enumerate(slopes.T.tolist())}
    return Gate(covariates.names, knots, rows)


def _rest_as_one(
    weights_m: FloatArray, table_nm: FloatArray, own: NDArray[np.intp], rest: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Return weights and likelihoods of some members, and after them of the pool of the rest, if any."""
    if not rest.size:
        return weights_m[own], table_nm[:, own]
    together = weights_m[rest].sum()
    pooled = table_nm[:, rest] @ (weights_m[rest] / together)
    return np.append(weights_m[own], together), np.column_stack([table_nm[:, own], pooled])


def _best_prior(
    table_nm: FloatArray, features_np: FloatArray, weights_m: FloatArray, mass_n: FloatArray
) -> float | None:
    """Return the pull of the best log score of objects left out; None where none beats no gate."""
    part = np.random.default_rng(1).permutation(len(table_nm)) % _PARTS
    before, gain = np.log(table_nm @ weights_m), np.zeros((len(PRIORS), len(table_nm)))
    for i in range(_PARTS):
        seen, unseen = part != i, part == i
        for j, prior in enumerate(PRIORS):
            slopes = _slopes(table_nm[seen], features_np[seen], weights_m, mass_n[seen], prior)
            weights = softmax_weights(features_np[unseen], slopes, weights_m)
            gain[j, unseen] = np.log((weights * table_nm[unseen]).sum(axis=1)) - before[unseen]
    weighted = gain * mass_n / mass_n.mean()
    means, errors = weighted.mean(axis=1), weighted.std(axis=1) / np.sqrt(len(part))
    best = int(means.argmax())
    return PRIORS[best] if means[best] > errors[best] else None


def _slopes(
    table_nm: FloatArray, features_np: FloatArray, weights_m: FloatArray, mass_n: FloatArray, prior: float
) -> FloatArray:
    """Return (P, M) slopes of the greatest likelihood, less the pull: a concave part and a mixture's."""
    from scipy.optimize import minimize

    shape = features_np.shape[1], len(weights_m)
    share, pull = (mass_n / mass_n.sum())[:, None], prior / len(mass_n)

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        slopes = flat.reshape(shape)
        weights = softmax_weights(features_np, slopes, weights_m)
        parts = weights * table_nm
        pooled = parts.sum(axis=1, keepdims=True)
        value = -float((share * np.log(pooled)).sum()) + pull * float((slopes**2).sum())
        slope = -features_np.T @ (share * (parts / pooled - weights)) + 2 * pull * slopes
        return value, slope.ravel()

    start = np.zeros(shape[0] * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return np.asarray(found.x, dtype=np.float64).reshape(shape)
