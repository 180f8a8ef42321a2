"""Fits of probabilities that are log-linear in the probabilities before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations._common import Checked, softmax
from rookery_ensembles.calibrations.base import FloatArray
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import LOG_FLOOR

_STEPS = 300
_LARGEST = 20.0


@dataclass(frozen=True, eq=False)
class LogLinear:
    """q proportional to exp(W ln p + b)."""

    matrix: FloatArray
    """(K, K) W, a row for each class of q."""
    offsets: tuple[float, ...]
    """K numbers b."""


def floored_log(probability: FloatArray) -> FloatArray:
    """Return ln p, with p no less than `LOG_FLOOR`."""
    return np.asarray(np.log(np.maximum(probability, LOG_FLOOR)))


def check_numbers(numbers: Sequence[float], where: str) -> None:
    """Raise InputError unless all are finite."""
    for number in numbers:
        if not math.isfinite(number):
            raise fail(where, f"must hold finite numbers, but found {number}")


def fit_log_linear(data: Checked, prior: float, *, diagonal: bool) -> LogLinear:
    """Return the map of least log-loss, pulled towards no change.

    Parameters
    ----------
    data
        (N, K) probabilities, (N,) true classes, (N,) weights of mean 1.
    prior
        The pull, in objects: it adds `prior` / N times the mean square of the off-diagonal elements and of
        the offsets to the mean log-loss (ODIR, Kull et al. 2019, section 3.3); of a diagonal map, that of
        the distances of the scales from 1.
    diagonal
        Whether W is diagonal and not negative.
    """
    from scipy.optimize import minimize

    probability, index, weight = data
    n, k = probability.shape
    log_p, rows, pull = floored_log(probability), np.arange(n), prior / n
    share = (weight / n)[:, None]
    free = np.eye(k, dtype=bool) if diagonal else np.ones((k, k), dtype=bool)
    pulled = np.eye(k, dtype=bool) if diagonal else ~np.eye(k, dtype=bool)
    n_free = int(free.sum())

    def unpacked(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        matrix = np.zeros((k, k))
        matrix[free] = parameters[:n_free]
        return matrix, parameters[n_free:]

    def loss(parameters: FloatArray) -> tuple[float, NDArray[np.float64]]:
        matrix, offset = unpacked(parameters)
        q = softmax(log_p @ matrix.T + offset)
        value = -float(np.sum(share[:, 0] * np.log(np.maximum(q[rows, index], 1e-300))))
        q[rows, index] -= 1
        q *= share
        away = np.where(pulled, matrix - np.eye(k), 0.0)
        value += pull * float((away**2).sum() / pulled.sum() + (offset**2).mean())
        slope = q.T @ log_p + 2 * pull * away / pulled.sum()
        return value, np.concatenate([slope[free], q.sum(axis=0) + 2 * pull * offset / k])

    start = np.concatenate([np.eye(k)[free], np.zeros(k)])
    lowest = 0.0 if diagonal else -_LARGEST
    limits = [(lowest, _LARGEST)] * n_free + [(-_LARGEST, _LARGEST)] * k
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"maxiter": _STEPS, "maxfun": 2 * _STEPS},
    )
    matrix, offset = unpacked(np.asarray(found.x, dtype=np.float64))
    return LogLinear(matrix, tuple(offset.tolist()))
