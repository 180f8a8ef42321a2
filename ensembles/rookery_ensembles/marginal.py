"""What each member adds to the ensemble that is chosen from all of them, on objects that did not choose it.

Only the likelihood table is needed (see `rookery_ensembles.weights.greedy`). The objects are halved: greedy
selection on one half says who is in the ensemble, the other half says what that is worth, and both change
places. A gain so found is as large for new objects on average.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import LOG_FLOOR, check_sample_weight
from rookery_ensembles.weights.greedy import select_by_likelihood

FloatArray = NDArray[np.float64]
_MOST_OBJECTS = 10_000
_LEADING = 0.25
"""Without a member of so much weight the ensemble is another one: it is chosen anew."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What M members are worth together and each."""

    loss: float
    """Cross-fitted log loss of the ensemble."""
    gain_m: FloatArray
    """(M,) by how much each lowers the log loss of the ensemble without it; below 0 where it harms."""
    weights_m: FloatArray
    """(M,) mean of both halves' weights."""


def contributions(
    likelihood_mn: FloatArray, sample_weight: NDArray[np.float64] | None = None, *, seed: int = 0
) -> Contributions:
    """Return what each member adds to the ensemble of all.

    A member of the ensemble is taken out of it, and every member is then given as much weight as one of
    the ensemble has on average. So there are no ties: of members that would not be chosen, too, it is known
    how far they are from it. A member alone gains 0.

    Parameters
    ----------
    likelihood_mn
        (M, N) probability, or density, that each member gives to each object's truth. Of more than 10,000
        objects so many are drawn.
    sample_weight
        (N,) what each object counts; 1 by default.
    seed
        Of the halves; they depend on the objects' order, too.

    Raises
    ------
    InputError
        When there is no member, there are fewer than two objects, or a half of them counts nothing.
    """
    if likelihood_mn.ndim != 2 or not len(likelihood_mn) or likelihood_mn.shape[1] < 2:
        rule = "must be a table of one or more members by two or more objects"
        raise fail("likelihood", f"{rule}, but has the shape {likelihood_mn.shape}")
    m, n = likelihood_mn.shape
    weight_n = np.ones(n) if sample_weight is None else check_sample_weight(sample_weight, n)
    drawn = np.random.default_rng(seed).permutation(n)[:_MOST_OBJECTS]
    halves = np.sort(drawn[::2]), np.sort(drawn[1::2])
    loss, gain_m, weights_m = 0.0, np.zeros(m), np.zeros(m)
    for chooses, judges in (halves, halves[::-1]):
        counts, share = weight_n[chooses], weight_n[judges]
        if not counts.any() or not share.any():
            raise fail("sample_weight", "must count objects in both halves, but one half counts nothing")
        weights, without = _chosen(likelihood_mn[:, chooses], counts)
        judged = likelihood_mn[:, judges]
        loss += _loss(weights @ judged, share) / 2
        gain_m += _gains(judged, weights, without, share) / 2
        weights_m += weights / 2
    return Contributions(loss, gain_m, weights_m)


def _chosen(likelihood_mn: FloatArray, counts: FloatArray) -> tuple[FloatArray, dict[int, FloatArray]]:
    """Return the ensemble's weights (M,), and those of the ensemble without each of its leading members."""
    m = len(likelihood_mn)
    weights = select_by_likelihood(likelihood_mn, sample_weight=counts).weights_m
    without = {}
    for leader in np.flatnonzero(weights >= _LEADING).tolist() if m > 1 else ():
        others = np.delete(np.arange(m), leader)
        without[leader] = np.zeros(m)
        found = select_by_likelihood(likelihood_mn[others], sample_weight=counts)
        without[leader][others] = found.weights_m
    return weights, without


def _gains(
    judged_mn: FloatArray, weights: FloatArray, without: dict[int, FloatArray], share: FloatArray
) -> FloatArray:
    """Return (M,) by how much each member lowers the loss of the ensemble without it."""
    m = len(weights)
    gains = np.zeros(m)
    if m == 1:
        return gains
    pool, part = weights @ judged_mn, 1 / (1 + 1 / float((weights**2).sum()))
    whole = _loss(pool, share)
    for member, weight in enumerate(weights.tolist()):
        rest, before = pool, whole
        if member in without:
            rest = without[member] @ judged_mn
        elif weight > 0:
            rest = (pool - weight * judged_mn[member]) / (1 - weight)
        if weight > 0:
            before = _loss(rest, share)
        gains[member] = before - _loss((1 - part) * rest + part * judged_mn[member], share)
    return gains


def _loss(likelihood_n: FloatArray, share: FloatArray) -> float:
    return -float(share @ np.log(np.maximum(likelihood_n, LOG_FLOOR)) / share.sum())
