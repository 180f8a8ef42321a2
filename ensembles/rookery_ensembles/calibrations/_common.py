"""Steps that several calibrations of class probabilities share."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations.base import Calibration, FloatArray
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import log_loss
from rookery_ensembles.probabilities import (
    LOG_FLOOR,
    as_probabilities,
    check_sample_weight,
    check_truth_index,
)

C = TypeVar("C", bound=Calibration)
Checked = tuple[FloatArray, NDArray[np.intp], FloatArray]


def checked(
    probability_nk: NDArray[Any], truth_index_n: NDArray[Any], sample_weight: NDArray[Any] | None
) -> Checked:
    """Return (N, K) probabilities, (N,) true classes and (N,) weights of mean 1; InputError for others."""
    probability = as_probabilities(probability_nk)
    index = check_truth_index(truth_index_n, *probability.shape)
    return probability, index, check_sample_weight(sample_weight, len(index))


def better(fitted: C, identity: C, data: Checked) -> C:
    """Return what was fitted if it lowers the log-loss of its own data, else what changes nothing."""
    probability, index, weight = data
    after = log_loss(fitted.apply(probability), index, weight)
    return fitted if after < log_loss(probability, index, weight) else identity


def require_columns(found: int, wanted: int, where: str) -> None:
    """Raise InputError unless probabilities have as many columns as the calibration was fitted to."""
    if found != wanted:
        rule = f"there must be {wanted} columns, as when the calibration was fitted"
        raise fail(where, f"{rule}, but found {found}")


def floored(probability: FloatArray) -> FloatArray:
    """Return probabilities from `LOG_FLOOR` to 1 - `LOG_FLOOR`, whose odds are finite."""
    return np.clip(probability, LOG_FLOOR, 1 - LOG_FLOOR)


def softmax(score_nk: FloatArray) -> FloatArray:
    """Return the probabilities whose logarithms are the scores, but for a constant of each row."""
    powers: FloatArray = np.exp(score_nk - score_nk.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def one_against_rest(
    probability_nk: FloatArray, maps: list[Callable[[FloatArray], FloatArray]]
) -> FloatArray:
    """Send each column through its own map and normalise; of two classes the first column tells both.

    Parameters
    ----------
    probability_nk
        (N, K).
    maps
        K maps of (N,) probabilities to such, or a single one where K is 2.
    """
    if probability_nk.shape[1] == 2:
        first = maps[0](probability_nk[:, 0])
        return np.column_stack([first, 1 - first])
    mapped = np.column_stack([each(column) for each, column in zip(maps, probability_nk.T, strict=True)])
    mapped = np.maximum(mapped, LOG_FLOOR)  # a row of zeros has no direction
    mapped /= mapped.sum(axis=1, keepdims=True)
    return mapped


def n_maps(k: int) -> int:
    """Return of how many columns `one_against_rest` takes a map."""
    return 1 if k == 2 else k
