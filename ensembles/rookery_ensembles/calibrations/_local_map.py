"""Maps of 0 to 1 onto itself whose shape depends on features of each object: their fit and their values.

Two steps follow each other. In the first, quantiles of the normal distribution are shifted and scaled,
which mends PDFs that are off or of a wrong width with their tails; a mixture of beta distributions bends
what is left. Both only rise.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations._beta_mixture import component_chances, per_object_cdf
from rookery_ensembles.calibrations._common import softmax
from rookery_ensembles.calibrations.base import FloatArray
from rookery_ensembles.probabilities import LOG_FLOOR

COMPONENTS = 8
WIDTH = 2 + COMPONENTS
"""Numbers that a feature adds to: the shift, the log-scale, and the log-weights of the mixture."""
Loss = Callable[[FloatArray], tuple[float, FloatArray]]
_STEPS = 100
_FARTHEST = 8.0


def mapped(u_ne: FloatArray, features_np: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return (N, E) where each object's map sends its row.

    Parameters
    ----------
    u_ne
        (N, E) from 0 to 1.
    features_np
        (N, P).
    slopes
        (P, `WIDTH`); zeros change nothing.
    """
    numbers = features_np @ slopes
    return per_object_cdf(softmax(numbers[:, 2:]), _shifted(u_ne, numbers[:, 0], numbers[:, 1]))


def fit_slopes(ends: FloatArray, features_np: FloatArray, weight_n: FloatArray, prior: float) -> FloatArray:
    """Return the slopes of the greatest likelihood that objects lie between their two ends.

    Parameters
    ----------
    ends
        (2, N) from 0 to 1.
    features_np
        (N, P).
    weight_n
        (N,) what each counts.
    prior
        Pull to zero, in objects.
    """
    first = _fit_shift(ends, features_np, weight_n, prior)
    numbers = features_np @ first
    moved = _shifted(ends.T, numbers[:, 0], numbers[:, 1])
    return np.hstack([first, _fit_mixture(moved.T, features_np, weight_n, prior)])


def likelihood(ends: FloatArray, features_np: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return (N,) probabilities between the ends after the map, no less than `LOG_FLOOR`."""
    low, high = mapped(ends.T, features_np, slopes).T
    return np.asarray(np.maximum(high - low, LOG_FLOOR))


def _shifted(u_ne: FloatArray, shift_n: FloatArray, log_scale_n: FloatArray) -> FloatArray:
    from scipy.special import ndtr, ndtri

    # A scale beyond e^3 is no calibration; 0 times infinity would be none either.
    scale = np.exp(np.clip(log_scale_n, -3, 3))[:, None]
    return np.asarray(ndtr(np.clip(shift_n, -_FARTHEST, _FARTHEST)[:, None] + scale * ndtri(u_ne)))


def _fit_shift(ends: FloatArray, features_np: FloatArray, weight_n: FloatArray, prior: float) -> FloatArray:
    from scipy.special import ndtr, ndtri

    v_low, v_high = np.clip(ndtri(ends), -_FARTHEST, _FARTHEST)
    share, pull = weight_n / weight_n.sum(), prior / len(weight_n)

    def loss(table: FloatArray) -> tuple[float, FloatArray]:
        shift, log_scale = (features_np @ table).T
        scale = np.exp(np.clip(log_scale, -3, 3))
        t_low, t_high = shift + scale * v_low, shift + scale * v_high
        chance = ndtr(t_high) - ndtr(t_low)
        value = -float(share @ np.log(np.maximum(chance, LOG_FLOOR))) + pull * float((table**2).sum())
        rate = np.where(chance > LOG_FLOOR, share / np.maximum(chance, LOG_FLOOR), 0.0)
        d_low, d_high = (np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi) for t in (t_low, t_high))
        rates = np.column_stack([rate * (d_high - d_low), rate * scale * (v_high * d_high - v_low * d_low)])
        return value, -features_np.T @ rates + 2 * pull * table

    return _minimised(loss, (features_np.shape[1], 2))


def _fit_mixture(ends: FloatArray, features_np: FloatArray, weight_n: FloatArray, prior: float) -> FloatArray:
    chance_nj = component_chances(ends, COMPONENTS)
    share, pull = (weight_n / weight_n.sum())[:, None], prior / len(weight_n)

    def loss(table: FloatArray) -> tuple[float, FloatArray]:
        mixture = softmax(features_np @ table)
        total = np.sum(mixture * chance_nj, axis=1, keepdims=True)
        value = -float(np.sum(share * np.log(total))) + pull * float((table**2).sum())
        slope = features_np.T @ (share * mixture * (1 - chance_nj / total)) + 2 * pull * table
        return value, slope

    return _minimised(loss, (features_np.shape[1], COMPONENTS))


def _minimised(loss: Loss, shape: tuple[int, int]) -> FloatArray:
    from scipy.optimize import minimize

    def flat(parameters: FloatArray) -> tuple[float, NDArray[np.float64]]:
        value, slope = loss(parameters.reshape(shape))
        return value, slope.ravel()

    start = np.zeros(shape[0] * shape[1])
    found = minimize(flat, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    best: FloatArray = np.asarray(found.x, dtype=np.float64).reshape(shape)
    return best
