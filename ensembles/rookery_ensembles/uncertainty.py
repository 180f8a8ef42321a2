"""What the members of an ensemble agree on: parts of the uncertainty, disagreement, what each member adds.

Members are read one at a time and objects in blocks, so that predictions may be mapped from disk. Where
there are weights, they are those of the linear pool.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.member_values import ArrayValues, Block, MemberValues, as_member_values, blocks
from rookery_ensembles.probabilities import LOG_FLOOR, check_sample_weight, check_weights
from rookery_ensembles.redshift_pdf import FloatArray
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import Target

Values = MemberValues | Block
Weights = Sequence[float] | NDArray[Any] | None
BLOCK = 10_000
"""Objects that are worked on at a time, of few members."""
_BLOCK_VALUES = 8_000_000


@short_repr
@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How uncertain each of N objects is, and why.

    Of classes it is the entropy, in nats: the members' mean entropy and the mutual information of class and
    member (Depeweg et al. 2018). Of redshifts it is the variance: the members' mean variance and the
    variance of their means.
    """

    aleatoric: FloatArray
    """(N,) the part that every member sees, which more data of such objects would not take away."""
    epistemic: FloatArray
    """(N,) the part that members differ by."""
    disagreement: FloatArray
    """(N,) weighted mean of the members' total variation distances from the pool, from 0 (all the same)
    to below 1."""

    @property
    def total(self) -> FloatArray:
        """(N,) entropy, or variance, of the linear pool."""
        return self.aleatoric + self.epistemic


def split_uncertainty(target: Target, values_mnk: Values, weights_m: Weights = None) -> Uncertainty:
    """Split the uncertainty of the linear pool of M members.

    Parameters
    ----------
    target
        What is predicted.
    values_mnk
        M arrays (N, K) of class probabilities, or densities, or `MemberValues`.
    weights_m
        (M,) weights that sum to 1; equal ones by default. A member of weight 0 is not read.

    Raises
    ------
    InputError
        When there is no member, shapes differ, weights or values break their rules.
    """
    members, weights = _checked(target, values_mnk, weights_m)
    parts: list[FloatArray] = [np.empty(members.shape[1]) for _ in range(3)]
    chosen = np.flatnonzero(weights).tolist()
    for rows, block in _blocks_of(members.some(chosen)):
        masses = [
            (weights[i], _masses(target, values, f"member {i}", rows.start))
            for i, values in zip(chosen, block, strict=True)
        ]
        pooled = sum((weight * p for weight, p in masses), np.zeros(masses[0][1].shape))
        parts[0][rows] = sum(weight * target.spread(p) for weight, p in masses)
        parts[1][rows] = target.spread_between(pooled, masses)
        parts[2][rows] = sum(weight * 0.5 * np.abs(p - pooled).sum(axis=1) for weight, p in masses)
    return Uncertainty(*parts)


def member_errors(target: Target, values_mnk: Values, truth_n: NDArray[Any]) -> FloatArray:
    """Return (M, n) errors of the members for the objects of known truth.

    Of classes 1 - p of the true one; of redshifts (z_mean - z_spec) / (1 + z_spec), for redshifts in a bin.

    Raises
    ------
    InputError
        When no truth is known, or the values break their rules.
    """
    members, _ = _checked(target, values_mnk, None)
    truth, index = np.asarray(truth_n), target.index(truth_n)
    known = index >= 0
    if not known.any():
        raise fail("truth", f"there must be objects with a known {target.truth_name}, but there is none")
    found = np.empty((members.shape[0], len(known)))
    for rows, block in _blocks_of(members):
        for i, values in enumerate(block):
            masses = _masses(target, values, f"member {i}", rows.start)
            found[i, rows] = target.errors(masses, truth[rows], index[rows])
    return found[:, known]


def error_correlation(errors_mn: NDArray[Any]) -> FloatArray:
    """Return (M, M) correlations of the members' errors; a member whose errors are all alike has none.

    Raises
    ------
    InputError
        When there are fewer than two objects, or an error is not finite.
    """
    errors = np.asarray(errors_mn, dtype=np.float64)
    if errors.ndim != 2 or errors.shape[1] < 2 or not np.isfinite(errors).all():
        raise fail(
            "errors", f"must be finite, members by two or more objects, but the shape is {errors.shape}"
        )
    centred = errors - errors.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).mean(axis=1))
    unit = centred / np.where(size > 0, size, 1.0)[:, None]
    found: FloatArray = unit @ unit.T / errors.shape[1]
    np.fill_diagonal(found, 1.0)
    return found


def effective_members(errors_mn: NDArray[Any], weights_m: Weights = None) -> float:
    """Return how many members with unrelated errors would average as well: 1 / (w' R w).

    R is the correlation of the errors. M equal weights and unrelated errors give M, errors that are all
    the same give 1; errors that cancel give more than M.

    Raises
    ------
    InputError
        When errors or weights break their rules.
    """
    correlation = error_correlation(errors_mn)
    m = len(correlation)
    weights = np.full(m, 1 / m) if weights_m is None else check_weights(weights_m, m, "weights")
    variance = float(weights @ correlation @ weights)
    return 1 / variance if variance > 1e-12 else float("inf")


@dataclass(frozen=True)
class Gain:
    """What the pool's log-likelihood per object, in nats, gains by a member."""

    value: float
    error: float
    """Mean over objects and its standard error."""


def leave_one_out(
    likelihood_mn: NDArray[Any], weights_m: Weights = None, sample_weight: NDArray[Any] | None = None
) -> list[Gain]:
    """Return what the linear pool gains by each member: its log-likelihood less that of the others' pool.

    Parameters
    ----------
    likelihood_mn
        (M, N) probabilities that the members give to the truth.
    weights_m
        (M,) weights that sum to 1; equal ones by default. The others' are scaled to a sum of 1. Without a
        member that has all the weight, the others count alike.
    sample_weight
        (N,) what each object counts; 1 by default.

    Raises
    ------
    InputError
        When there are fewer than two members, or an argument breaks its rules.
    """
    table = _likelihoods(likelihood_mn, least=2)
    m, n = table.shape
    weights = np.full(m, 1 / m) if weights_m is None else check_weights(weights_m, m, "weights")
    counts = check_sample_weight(sample_weight, n)
    pooled = weights @ table
    gains = []
    for i, weight in enumerate(weights):
        others = np.delete(weights, i)
        others = others / others.sum() if weight < 1 else np.full(m - 1, 1 / (m - 1))
        gain = _log(pooled) - _log(others @ np.delete(table, i, axis=0))
        mean = float(np.average(gain, weights=counts))
        gains.append(Gain(mean, float(np.sqrt(np.mean((counts * (gain - mean)) ** 2) / n))))
    return gains


@dataclass(frozen=True, eq=False)
class ScoreByNumber:
    """The log score of pools of 1 to M members, drawn in random orders."""

    mean: FloatArray
    sd: FloatArray
    """(M,) over the orders of mean -ln likelihood in nats per object, of the first 1, 2, ... M members."""


def score_by_number(likelihood_mn: NDArray[Any], *, orders: int = 50, seed: int = 0) -> ScoreByNumber:
    """Return the log score of equally weighted pools against the number of members.

    Parameters
    ----------
    likelihood_mn
        (M, N) probabilities that the members give to the truth.
    orders
        Number of random orders.
    seed
        Of the orders.

    Raises
    ------
    InputError
        When there is no member, an order or object, or a likelihood is not from 0 to 1.
    """
    table = _likelihoods(likelihood_mn, least=1)
    if orders < 1:
        raise fail("orders", f"there must be at least 1, but found {orders}")
    m, n = table.shape
    rng, numbers = np.random.default_rng(seed), np.arange(1, m + 1)[:, None]
    scores = np.zeros((orders, m))
    drawn = [rng.permutation(m) for _ in range(orders)]
    for rows in _blocks(n):
        for i, order in enumerate(drawn):
            pooled = np.cumsum(table[order, rows], axis=0) / numbers
            scores[i] -= _log(pooled).sum(axis=1) / n
    return ScoreByNumber(scores.mean(axis=0), scores.std(axis=0))


def _checked(target: Target, values_mnk: Values, weights_m: Weights) -> tuple[MemberValues, FloatArray]:
    if isinstance(values_mnk, MemberValues):
        members = as_member_values(values_mnk, target)
    else:
        _check_shapes(target, values_mnk)
        members = ArrayValues(values_mnk)
    m = members.shape[0]
    weights = np.full(m, 1 / m) if weights_m is None else check_weights(weights_m, m, "weights")
    return members, weights


def _check_shapes(target: Target, values_mnk: Block) -> None:
    if len(values_mnk) == 0:
        raise fail("members", "there must be at least one, but found none")
    shape = np.shape(values_mnk[0])
    if len(shape) != 2 or shape[1] != target.n_columns:
        rule = f"predictions must be objects by {target.n_columns} columns"
        raise fail("members", f"{rule}, but those of member 0 have the shape {shape}")
    for i, values in enumerate(values_mnk):
        if np.shape(values) != shape:
            rule = f"all members must have the shape of the first, {shape}"
            raise fail("members", f"{rule}, but member {i} has {np.shape(values)}")


def _blocks_of(members: MemberValues) -> Iterator[tuple[slice, Block]]:
    m, _, k = members.shape
    return blocks(members, min(_BLOCK_VALUES, BLOCK * m * k))


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def _masses(target: Target, values_nk: NDArray[Any], where: str, first_row: int) -> FloatArray:
    checked = target.normalised(np.asarray(values_nk, dtype=np.float64), where, first_row=first_row)
    return checked * target.widths


def _likelihoods(likelihood_mn: NDArray[Any], least: int) -> NDArray[Any]:
    table = np.asarray(likelihood_mn)
    if table.ndim != 2 or table.shape[0] < least or not table.shape[1]:
        rule = f"must be {least} or more members by one or more objects"
        raise fail("likelihoods", f"{rule}, but the shape is {table.shape}")
    if not (table.min() >= 0 and table.max() <= 1 + 1e-6):
        raise fail("likelihoods", f"must be from 0 to 1, but are from {table.min()} to {table.max()}")
    return table


def _log(likelihood: NDArray[Any]) -> FloatArray:
    return np.asarray(np.log(np.maximum(likelihood, LOG_FLOOR)), dtype=np.float64)
