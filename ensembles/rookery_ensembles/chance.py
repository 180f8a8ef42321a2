"""Whether predictions know anything of their objects: against the same predictions of shuffled objects."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.probabilities import LOG_FLOOR

_SIGMAS = 2.0
"""A gain of fewer standard errors is taken for chance; chosen."""
_BLOCK = 16_384


@dataclass(frozen=True)
class Chance:
    """What predictions gain over chance."""

    gain: float
    """Mean log likelihood of the truths, in nats an object, above its mean over all ways to deal the truths
    to the objects. Neither calibration nor class fractions count in it, only what tells objects apart."""
    error: float
    """Standard deviation of that mean over all ways to deal them."""

    @property
    def is_better(self) -> bool:
        """Whether the gain is more than chance would give."""
        return self.gain > _SIGMAS * self.error and self.gain > 0


def against_chance(values_nk: NDArray[Any], truth_n: NDArray[np.integer]) -> Chance | None:
    """Compare predictions with the same ones of shuffled objects; None of fewer than two objects.

    The mean and the variance over all N! permutations are exact: Hoeffding 1951, Ann. Math. Statist. 22, 558,
    theorem 2, for a sum of a(i, pi(i)) over a random permutation pi.

    Parameters
    ----------
    values_nk
        (N, K) probabilities of classes, or densities in redshift bins.
    truth_n
        (N,) class or bin of the truth.
    """
    n, n_values = values_nk.shape
    if n < 2:
        return None
    count_k = np.bincount(truth_n, minlength=n_values).astype(np.float64)
    used = np.flatnonzero(count_k)
    weight_k, place = count_k[used] / n, np.searchsorted(used, truth_n)
    column_k = np.zeros(len(used))
    own = squares = row_squares = 0.0
    for start in range(0, n, _BLOCK):
        log_nk = np.log(np.maximum(values_nk[start : start + _BLOCK][:, used].astype(np.float64), LOG_FLOOR))
        here = place[start : start + _BLOCK]
        own += float(log_nk[np.arange(len(here)), here].sum())
        column_k += log_nk.sum(axis=0)
        squares += float((log_nk**2 @ weight_k).sum())
        row_squares += float(((log_nk @ weight_k) ** 2).sum())
    column_k /= n
    mean = float(weight_k @ column_k)
    # The mean square of what neither the object nor the truth alone explains, over all N x N pairs.
    spread = squares / n - row_squares / n - float(weight_k @ column_k**2) + mean**2
    return Chance(own / n - mean, float(np.sqrt(max(spread, 0.0) / (n - 1))))
