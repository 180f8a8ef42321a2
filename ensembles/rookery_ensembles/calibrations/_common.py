"""Steps that several calibrations of class probabilities share."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations.base import CLASSES, Calibration, Covariates, FloatArray
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import log_loss
from rookery_ensembles.probabilities import (
    LOG_FLOOR,
    as_probabilities,
    check_sample_weight,
    check_truth_index,
)
from rookery_ensembles.shown import short_repr

C = TypeVar("C", bound=Calibration)
M = TypeVar("M")
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


@short_repr
class ClassCalibration(Calibration):
    """A calibration of class probabilities that its fit keeps only where it lowers the log-loss."""

    kinds: ClassVar[tuple[str, ...]] = (CLASSES,)

    @classmethod
    def fit(
        cls,
        values_nk: NDArray[Any],
        truth_index_n: NDArray[Any],
        sample_weight: NDArray[Any] | None = None,
        *,
        sharpen: bool = True,
        covariates: Covariates | None = None,
    ) -> Self:
        """Return the calibration of these objects, or the one that changes nothing where it is no better.

        Raises
        ------
        InputError
            When probabilities, truth or weights break their rules.
        """
        data = checked(values_nk, truth_index_n, sample_weight)
        return better(cls._found(data), cls._unchanged(data[0].shape[1]), data)

    @classmethod
    @abstractmethod
    def _found(cls, data: Checked) -> Self:
        """Return what suits the objects best."""

    @classmethod
    @abstractmethod
    def _unchanged(cls, k: int) -> Self:
        """Return what changes nothing of K classes."""


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


def fit_each(
    fit_one: Callable[[FloatArray, NDArray[np.bool_], FloatArray], M], data: Checked
) -> tuple[M, ...]:
    """Return the maps of `one_against_rest`: each from a column, who is of its class, and the weights."""
    probability, index, weight = data
    return tuple(fit_one(probability[:, k], index == k, weight) for k in range(n_maps(probability.shape[1])))


def n_maps(k: int) -> int:
    """Return of how many columns `one_against_rest` takes a map."""
    return 1 if k == 2 else k
