"""A mixture of J beta distributions, Beta(j, J - j + 1): a smooth rising map of 0 to 1 onto itself.

With equal weights the mixture is the even distribution, and the map changes nothing. Its function is
a Bernstein polynomial whose coefficients are the cumulative weights (Petrone 1999).
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail

COMPONENTS = 12
"""J of a fit."""
MOST_COMPONENTS = 16
# Pull towards equal weights, in objects: a few hundred cannot tell a dozen weights.
_PRIOR = 100.0
_STEPS, _SETTLED = 300, 1e-5
_TINY = 1e-300


def check_mixture(weights_j: Sequence[float], where: str) -> None:
    """Raise InputError unless there are at most `MOST_COMPONENTS` weights on the simplex, or none."""
    if len(weights_j) > MOST_COMPONENTS:
        raise fail(where, f"there must be at most {MOST_COMPONENTS} weights, but there are {len(weights_j)}")
    for weight in weights_j:
        if not 0 <= weight <= 1:
            raise fail(where, f"weights must be from 0 to 1, but found {weight}")
    if len(weights_j) and abs(sum(weights_j) - 1) > 1e-6:
        raise fail(where, f"the weights must sum to 1, but sum to {sum(weights_j):.8g}")


def mixture_cdf(weights_j: Sequence[float], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mixture's function at `u`, of the same shape, to within 1e-9."""
    # Powers of t = 2u - 1, in which a polynomial of such a degree loses few digits.
    t, found = 2 * u - 1, np.zeros(np.shape(u))
    for coefficient in (np.asarray(weights_j) @ _table(len(weights_j)))[::-1]:
        found *= t
        found += coefficient
    return np.clip(found, 0.0, 1.0, out=found)


def per_object_cdf(weights_nj: NDArray[np.float64], u_ne: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, E) the functions of N mixtures, each at its own row of `u`."""
    j = weights_nj.shape[1]
    coefficients = weights_nj @ _table(j)
    t, found = 2 * u_ne - 1, np.zeros(u_ne.shape)
    for power in range(j, -1, -1):
        found *= t
        found += coefficients[:, power : power + 1]
    return np.clip(found, 0.0, 1.0, out=found)


def fit_mixture(ends: NDArray[np.float64], weight_n: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the weights that make it likeliest that each object lies between its two ends.

    Found by expectation maximisation from equal weights under a Dirichlet prior about them, so that
    the likelihood is never below theirs.

    Parameters
    ----------
    ends
        (2, N) from 0 to 1.
    weight_n
        (N,) what each object counts, of mean 1.
    """
    chance_nj = component_chances(ends, COMPONENTS)
    mixture = np.full(COMPONENTS, 1 / COMPONENTS)
    for _ in range(_STEPS):
        share = weight_n / (chance_nj @ mixture)
        fitted = mixture * (share @ chance_nj) + _PRIOR / COMPONENTS
        fitted /= fitted.sum()
        settled = np.abs(fitted - mixture).max() < _SETTLED
        mixture = fitted
        if settled:
            break
    return tuple(mixture.tolist())


def component_chances(ends: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return (N, J) probabilities between two ends (2, N) from 0 to 1 under each of J components, none 0."""
    from scipy.special import betainc

    j = np.arange(1, number + 1)
    low, high = betainc(j, number - j + 1, ends[:, :, None])
    return np.asarray(np.maximum(high - low, _TINY))


@cache
def _table(j: int) -> NDArray[np.float64]:
    """Return (J, J + 1) coefficients of each component's function in powers of t = 2u - 1."""
    found = np.zeros((j, j + 1))
    for k in range(1, j + 1):
        term = np.array([float(math.comb(j, k))])
        for factor in [(0.5, 0.5)] * k + [(0.5, -0.5)] * (j - k):  # u, and 1 - u
            term = np.convolve(term, factor)
        found[:k] += term  # Bernstein coefficients are cumulative weights
    found.flags.writeable = False
    return found
