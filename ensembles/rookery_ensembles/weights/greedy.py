"""Greedy selection of members, with replacement (Caruana et al. 2004, "Ensemble selection").

The log-loss of a linear pool depends on nothing but the probability that each member gives to
what came true: a likelihood per member and object. Selection works on that table alone, so it
serves probabilities and PDFs alike, at M x N numbers instead of M x N x K.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import LOG_FLOOR, check_sample_weight, true_likelihood
from rookery_ensembles.shown import short_repr
from rookery_ensembles.weights.base import Weights
from rookery_ensembles.weights.evidence import Evidence

# A smaller drop of the loss is rounding, not progress.
_LEAST_GAIN = 1e-12
# At most 31 likelihoods are multiplied before the logarithm is taken: 1e-7 ** 31 is far from underflow.
_HALVINGS = 4
_BLOCK = 1024
_BAGS, _BRIEF_BAGS = 20, 5
_PICKS, _PATIENCE = 100, 20
_TOGETHER = 1_000_000
"""Bags are gone through together as long as their tables hold no more numbers."""


class GreedyWeights(Weights):
    """The mean of greedy selections with replacement on random halves of the objects."""

    name = "greedy"
    spoken = "bagged greedy selection"

    def _fit(self, evidence: Evidence, *, brief: bool = False) -> NDArray[np.float64]:
        bags = _BRIEF_BAGS if brief else _BAGS
        return bagged_selection(evidence.likelihood_mn, bags=bags, sample_weight=evidence.weight_n)


@short_repr
@dataclass(frozen=True, eq=False)
class GreedySelection:
    """What greedy selection chose."""

    weights_m: NDArray[np.float64]
    """(M,) each member's share of the picks; they sum to 1."""
    picks: tuple[int, ...]
    """Positions of the picked members, in the order of picking, with repetitions."""
    losses: tuple[float, ...]
    """Log-loss of the running mean after each pick."""


def greedy_selection(
    values_mnk: NDArray[Any] | Sequence[NDArray[Any]],
    truth_index_n: Sequence[int] | NDArray[Any],
    *,
    max_picks: int = _PICKS,
    patience: int = _PATIENCE,
) -> GreedySelection:
    """Select members by the log-loss of their averaged class probabilities.

    Parameters
    ----------
    values_mnk
        M arrays (N, K) of out-of-sample probabilities, stacked or in a list.
    truth_index_n
        (N,) positions of the true classes.
    max_picks, patience
        As in `select_by_likelihood`.

    Raises
    ------
    InputError
        When there is no member, or probabilities or truth break their rules.
    """
    if len(values_mnk) == 0:
        raise fail("members", "there must be at least one to select from, but found none")
    shape = np.shape(values_mnk[0])
    likelihood_mn = np.empty((len(values_mnk), len(values_mnk[0])))
    for i, values in enumerate(values_mnk):
        if np.shape(values) != shape:
            rule = f"all members must have the shape of the first, {shape}"
            raise fail("members", f"{rule}, but member {i} has {np.shape(values)}")
        likelihood_mn[i] = true_likelihood(values, np.asarray(truth_index_n), f"member {i}")
    return select_by_likelihood(likelihood_mn, max_picks=max_picks, patience=patience)


def select_by_likelihood(
    likelihood_mn: NDArray[np.float64],
    *,
    max_picks: int = _PICKS,
    patience: int = _PATIENCE,
    sample_weight: NDArray[Any] | None = None,
) -> GreedySelection:
    """Pick, again and again, the member whose addition lowers the running mean's log-loss most.

    Selection starts from nothing, so that the first pick is the best single member, and the
    result is never worse than that one on the same data. It ends after `max_picks`, or when
    `patience` picks in a row brought no progress; the picks after the best are then dropped.
    Of equally good members the first is picked.

    Parameters
    ----------
    likelihood_mn
        (M, N) probability, or density, that each member gives to each object's truth.
    max_picks
        Most picks: weights are multiples of one over the number of picks.
    patience
        Picks without progress after which to stop.
    sample_weight
        (N,) what each object counts; 1 by default.

    Raises
    ------
    InputError
        When the table is empty, `max_picks` or `patience` is less than 1, or the weights of the
        objects break their rules (see `check_sample_weight`).
    """
    if likelihood_mn.ndim != 2 or likelihood_mn.size == 0:
        raise fail(
            "likelihood", f"must be a table of members by objects, but has the shape {likelihood_mn.shape}"
        )
    for name, value in (("max_picks", max_picks), ("patience", patience)):
        if value < 1:
            raise fail(name, f"must be 1 or more, but is {value}")
    weight_n = None
    if sample_weight is not None:
        weight_n = check_sample_weight(sample_weight, likelihood_mn.shape[1])[None]
    return _select(likelihood_mn[None], weight_n, max_picks, patience)[0]


def _select(
    likelihood_bmn: NDArray[Any], weight_bn: NDArray[np.float64] | None, max_picks: int, patience: int
) -> list[GreedySelection]:
    """Return what `select_by_likelihood` picks of each of B tables, all gone through together."""
    n_bags, m, n = likelihood_bmn.shape
    running_bn = np.zeros((n_bags, n))
    picks: list[list[int]] = [[] for _ in range(n_bags)]
    losses: list[list[float]] = [[] for _ in range(n_bags)]
    best_size = np.zeros(n_bags, dtype=int)
    going = np.arange(n_bags)
    for size in range(1, max_picks + 1):
        whole = len(going) == n_bags
        table = likelihood_bmn if whole else likelihood_bmn[going]
        weight = weight_bn if weight_bn is None or whole else weight_bn[going]
        losses_bm = _losses_with_one_more(running_bn[going], table, size, weight)
        for bag, of_bag in zip(going.tolist(), losses_bm, strict=True):
            pick = int(of_bag.argmin())
            running_bn[bag] += likelihood_bmn[bag, pick]
            picks[bag].append(pick)
            losses[bag].append(float(of_bag[pick]))
            best = best_size[bag]
            if best == 0 or losses[bag][-1] < losses[bag][best - 1] - _LEAST_GAIN:
                best_size[bag] = size
        going = going[size - best_size[going] < patience]
        if not going.size:
            break
    return [
        GreedySelection(
            np.bincount(picks[bag][:best], minlength=m) / best,
            tuple(picks[bag][:best]),
            tuple(losses[bag][:best]),
        )
        for bag, best in enumerate(best_size.tolist())
    ]


def bagged_selection(
    likelihood_mn: NDArray[np.float64],
    *,
    bags: int = 20,
    max_objects: int = 10_000,
    seed: int = 0,
    sample_weight: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Return the mean weights (M,) of greedy selections on random halves of the objects.

    A few hundred objects decide between members by luck as much as by merit, and one greedy run
    then leans on few members. The mean over subsamples (subagging, Buehlmann & Yu 2002) leans less,
    and every bag sees at most `max_objects`, so that many objects cost no more.

    Parameters
    ----------
    likelihood_mn
        As in `select_by_likelihood`.
    bags
        Number of subsamples.
    seed
        Seed of the draws; the result depends on the order of the objects too.
    sample_weight
        (N,) what each object counts; 1 by default. A bag in which no object counts is left out.

    Raises
    ------
    InputError
        As `select_by_likelihood` does, or when `bags` is less than 1.
    """
    if bags < 1:
        raise fail("bags", f"must be 1 or more, but is {bags}")
    rng = np.random.default_rng(seed)
    n = likelihood_mn.shape[-1]
    size = max(1, min(n // 2, max_objects))
    weight_n = None if sample_weight is None else check_sample_weight(sample_weight, n)
    weights_m = np.zeros(len(likelihood_mn))
    together = max(1, _TOGETHER // (len(likelihood_mn) * size))
    drawn = [rng.choice(n, size, replace=False) for _ in range(bags)]
    drawn = [bag for bag in drawn if weight_n is None or weight_n[bag].any()]
    for start in range(0, len(drawn), together):
        some = np.array(drawn[start : start + together])
        weight_bn = (
            None if weight_n is None else np.array([check_sample_weight(weight_n[b], size) for b in some])
        )
        tables = np.ascontiguousarray(likelihood_mn[:, some].swapaxes(0, 1))
        for found in _select(tables, weight_bn, _PICKS, _PATIENCE):
            weights_m += found.weights_m
    if not weights_m.any():  # a single object carries all the weight and no bag drew it
        return select_by_likelihood(likelihood_mn, sample_weight=weight_n).weights_m
    return np.asarray(weights_m / weights_m.sum())


def _losses_with_one_more(
    running_bn: NDArray[np.float64],
    likelihood_bmn: NDArray[Any],
    size: int,
    weight_bn: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return (B, M) log-losses of the mean over `size` picks, the last of which is each member in turn."""
    n_bags, m, n = likelihood_bmn.shape
    losses_bm = np.zeros((n_bags, m))
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        total = running_bn[:, None, part] + likelihood_bmn[:, :, part]
        np.maximum(total, LOG_FLOOR * size, out=total)
        if weight_bn is not None:  # of mean 1, so that the mean is the weighted one
            losses_bm -= (np.log(total) @ weight_bn[:, part, None])[..., 0]
            continue
        for _ in range(_HALVINGS):  # the sum of logarithms is the logarithm of the product, which is cheaper
            half, odd = divmod(total.shape[2], 2)
            if half == 0:
                break
            products = total[:, :, :half] * total[:, :, half : 2 * half]
            if odd:
                products[:, :, 0] *= total[:, :, -1]
            total = products
        losses_bm -= np.log(total).sum(axis=2)
    count = n if weight_bn is None else weight_bn.sum(axis=1, keepdims=True)
    return np.asarray((losses_bm + count * np.log(size)) / n)
