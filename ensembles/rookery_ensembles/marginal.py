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
_PARTS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
"""Weights with which a member may come in. The least is above nothing: so there are no ties."""
_LEADING = 0.25
"""Without a member of so much weight the ensemble is another one: it is chosen anew."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What M members are worth together and each."""

    loss: float
    """Cross-fitted log loss of the ensemble."""
    gain_m: FloatArray
    """(M,) by how much each lowers the log loss of the ensemble without it; below 0 where it harms."""
    another_m: FloatArray
    """(M,) by how much one more member like each would lower the log loss of the ensemble as it is, coming in
    with the weight of an average member: near 0 for what the ensemble is made of, less for others."""
    weights_m: FloatArray
    """(M,) mean of both halves' weights."""


def contributions(
    likelihood_mn: FloatArray, sample_weight: NDArray[np.float64] | None = None, *, seed: int = 0
) -> Contributions:
    """Return what each member adds to the ensemble of all.

    For the gain a member of the ensemble is taken out of it. Every member then comes in with the weight that
    suits the half which chooses, but with some in any case: of members that would not be chosen it is known
    so how far they are from it. A member alone gains 0.

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
    loss, gain_m, another_m, weights_m = 0.0, np.zeros(m), np.zeros(m), np.zeros(m)
    for chooses, judges in (halves, halves[::-1]):
        counts, share = weight_n[chooses], weight_n[judges]
        if not counts.any() or not share.any():
            raise fail("sample_weight", "must count objects in both halves, but one half counts nothing")
        weights, without = _chosen(likelihood_mn[:, chooses], counts)
        tables = likelihood_mn[:, chooses], likelihood_mn[:, judges]
        loss += _loss(weights @ tables[1], share) / 2
        gain_m += _gains(tables, weights, without, (counts, share)) / 2
        another_m += _another(tables[1], weights, share) / 2
        weights_m += weights / 2
    return Contributions(loss, gain_m, another_m, weights_m)


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
    tables: tuple[FloatArray, FloatArray],
    weights: FloatArray,
    without: dict[int, FloatArray],
    shares: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Return (M,) by how much each member lowers the loss of the ensemble without it.

    Tables and shares are those of the half that chooses, which says with how much weight a member comes in,
    and of the half that judges.
    """
    m = len(weights)
    gains = np.zeros(m)
    if m == 1:
        return gains
    pools = [weights @ table for table in tables]
    for member, weight in enumerate(weights.tolist()):
        rests = pools
        if member in without:
            rests = [without[member] @ table for table in tables]
        elif weight > 0:
            rests = [
                (pool - weight * table[member]) / (1 - weight)
                for pool, table in zip(pools, tables, strict=True)
            ]
        losses = [_with(rests[0], tables[0][member], part, shares[0]) for part in _PARTS]
        part = _PARTS[int(np.argmin(losses))]
        gains[member] = _loss(rests[1], shares[1]) - _with(rests[1], tables[1][member], part, shares[1])
    return gains


def _another(judged_mn: FloatArray, weights: FloatArray, share: FloatArray) -> FloatArray:
    """Return (M,) by how much one more of each would lower the loss; there are as many as weights tell."""
    part = 1 / (1 + 1 / float((weights**2).sum()))
    pool_n = weights @ judged_mn
    with_one_more = np.log(np.maximum((1 - part) * pool_n + part * judged_mn, LOG_FLOOR))
    return np.asarray(_loss(pool_n, share) + with_one_more @ share / share.sum())


def _with(rest_n: FloatArray, member_n: FloatArray, part: float, share: FloatArray) -> float:
    """Return the loss of an ensemble in which a member has this part."""
    return _loss((1 - part) * rest_n + part * member_n, share)


def _loss(likelihood_n: FloatArray, share: FloatArray) -> float:
    return -float(share @ np.log(np.maximum(likelihood_n, LOG_FLOOR)) / share.sum())
