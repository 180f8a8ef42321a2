"""Class fractions of new data, estimated from predictions alone, and probabilities corrected for them.

A classifier's probabilities hold at the class fractions of the sample that it learned from. Where
other data hold the classes in other fractions, but each class looks the same (label shift), the
new fractions are those of greatest likelihood, found by expectation-maximisation, and Bayes' rule
corrects the probabilities (Saerens, Latinne & Decaestecker 2002, Neural Computation 14, 21).
Where the classes look different too (fainter, say), the estimate is as wrong as the probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import as_probabilities
from rookery_ensembles.shown import short_repr

FloatArray = NDArray[np.float64]

# The bootstrap resamples at most so many objects and scales the spread by the root of their share.
_BOOTSTRAP_OBJECTS = 20_000
_INTERVAL = (2.5, 97.5)


@short_repr
@dataclass(frozen=True, eq=False)
class PriorEstimate:
    """Class fractions of a sample."""

    fractions: FloatArray
    """(K,) estimated fractions; they sum to 1."""
    low: FloatArray
    high: FloatArray
    """(K,) ends of the 95 % bootstrap interval: the spread that the number of objects brings,
    not what a miscalibrated classifier does."""
    n_objects: int
    """Number of objects that the estimate rests on."""
    iterations: int
    """Steps of expectation-maximisation until it stood still."""


def estimate_fractions(
    probability_nk: NDArray[Any],
    training_fractions: Sequence[float] | NDArray[Any],
    *,
    tolerance: float = 1e-7,
    max_iterations: int = 20_000,
    prior_objects: float = 0.0,
    bootstrap: int = 100,
    seed: int = 0,
) -> PriorEstimate:
    """Estimate the class fractions of unlabelled objects (Saerens et al. 2002, equation 2.9).

    Parameters
    ----------
    probability_nk
        (N, K) probabilities, calibrated at the training fractions.
    training_fractions
        (K,) class fractions of the sample on which they are calibrated; all greater than 0.
    tolerance
        Largest step of a fraction at which the iteration ends.
    max_iterations
        Steps after which it fails.
    prior_objects
        Strength of a Dirichlet prior around the training fractions, in objects: damps the
        estimate of few objects. 0 for the likelihood alone.
    bootstrap
        Number of resamplings for the interval; 0 for none (the interval is then the estimate).
    seed
        Seed of the resamplings.

    Raises
    ------
    InputError
        When probabilities or fractions break their rules, a class has no mass (no object gives it
        any probability), an argument is out of range, or the iteration does not end.
    """
    probability = as_probabilities(probability_nk)
    training = _check_fractions(training_fractions, probability.shape[1], "training_fractions")
    if not (np.isfinite(prior_objects) and prior_objects >= 0):
        raise fail("prior_objects", f"must be finite and 0 or more, but is {prior_objects}")
    if bootstrap < 0:
        raise fail("bootstrap", f"must be 0 or more, but is {bootstrap}")
    mass = probability.sum(axis=0)
    if not mass.all():
        empty = int(np.flatnonzero(mass == 0)[0])
        rule = "every class must have some probability in some object"
        raise fail("probability", f"{rule}, but class {empty} has none in {len(probability)} objects")
    ratio_nk = probability / training
    pseudo = prior_objects * training
    ones = np.ones(len(ratio_nk))
    fractions, iterations = _maximise(ratio_nk, ones, training, pseudo, tolerance, max_iterations)
    if fractions is None:
        rule = f"the class fractions must settle to {tolerance:g} within {max_iterations} iterations"
        raise fail("probability", f"{rule}, but still move by more")
    low = high = fractions
    if bootstrap:
        rng = np.random.default_rng(seed)
        n = min(len(ratio_nk), _BOOTSTRAP_OBJECTS)
        rows = rng.choice(len(ratio_nk), n, replace=False) if n < len(ratio_nk) else slice(None)
        sample_nk = ratio_nk[rows]
        sample_pseudo = pseudo * n / len(ratio_nk)
        centre, _ = _maximise(sample_nk, np.ones(n), fractions, sample_pseudo, 1e-5, max_iterations)
        draws = []
        for _ in range(bootstrap):
            counts = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
            found, _ = _maximise(sample_nk, counts, fractions, sample_pseudo, 1e-5, max_iterations)
            if found is not None and centre is not None:
                draws.append(found - centre)
        if draws:
            ends = np.percentile(draws, _INTERVAL, axis=0) * np.sqrt(n / len(ratio_nk))
            low, high = (np.clip(fractions + end, 0.0, 1.0) for end in ends)
    return PriorEstimate(fractions, low, high, len(ratio_nk), iterations)


def correct_probabilities(
    probability_nk: NDArray[Any],
    training_fractions: Sequence[float] | NDArray[Any],
    fractions: Sequence[float] | NDArray[Any],
) -> FloatArray:
    """Return probabilities (N, K) as they are at other class fractions (Saerens et al. 2002, eq. 2.4).

    Each is multiplied by its class's new fraction over the training fraction; rows are normalised.

    Raises
    ------
    InputError
        When an argument breaks its rules, or an object has probability in classes of fraction 0 alone.
    """
    probability = as_probabilities(probability_nk)
    k = probability.shape[1]
    training = _check_fractions(training_fractions, k, "training_fractions")
    new = _check_fractions(fractions, k, "fractions", may_be_zero=True)
    if np.array_equal(new, training):
        return probability
    weighted_nk = probability * (new / training)
    total_n = weighted_nk.sum(axis=1, keepdims=True)
    if not total_n.all():
        row = int(np.flatnonzero(total_n[:, 0] == 0)[0])
        rule = "an object must have probability in a class whose fraction is not 0"
        raise fail(f"probability, row {row}", f"{rule}, but has none")
    return np.asarray(weighted_nk / total_n)


def _maximise(
    ratio_nk: FloatArray,
    weight_n: FloatArray,
    start: FloatArray,
    pseudo: FloatArray,
    tolerance: float,
    max_iterations: int,
) -> tuple[FloatArray | None, int]:
    """Iterate from `start` until no fraction moves by `tolerance`; None when that takes too long."""
    fractions = start
    total = weight_n.sum() + pseudo.sum()
    for iteration in range(1, max_iterations + 1):
        # The E step's responsibilities, summed over objects by the M step, without the (N, K) table.
        evidence_n = ratio_nk @ fractions
        share_n = np.divide(weight_n, evidence_n, out=np.zeros_like(evidence_n), where=evidence_n > 0)
        moved = (fractions * (share_n @ ratio_nk) + pseudo) / total
        moved = moved / moved.sum()
        if np.abs(moved - fractions).max() < tolerance:
            return moved, iteration
        fractions = moved
    return None, max_iterations


def _check_fractions(
    values: Sequence[float] | NDArray[Any], k: int, where: str, *, may_be_zero: bool = False
) -> FloatArray:
    fractions = np.asarray(values, dtype=np.float64)
    if fractions.shape != (k,):
        raise fail(where, f"there must be one for each of {k} classes, but the shape is {fractions.shape}")
    low = fractions >= 0 if may_be_zero else fractions > 0
    bad = np.flatnonzero(~(np.isfinite(fractions) & low))
    if bad.size:
        rule = "must be finite and 0 or more" if may_be_zero else "must be finite and greater than 0"
        raise fail(where, f"every class fraction {rule}, but class {bad[0]} has {fractions[bad[0]]}")
    if abs(fractions.sum() - 1) > 1e-3:
        raise fail(where, f"the class fractions must sum to 1, but sum to {fractions.sum():.6g}")
    return np.asarray(fractions / fractions.sum())
