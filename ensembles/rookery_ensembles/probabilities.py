"""The rules that every array of probabilities, weights and true classes keeps."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import InputError, fail

Floating = TypeVar("Floating", bound=np.floating[Any])

TOLERANCE = 1e-3
"""Rows may miss a total of 1 by this much, as rounded numbers from elsewhere do; they are renormalised."""

LOG_FLOOR = float(np.finfo(np.float32).eps)
"""Smallest probability whose logarithm is taken: predictions are float32, where 1 - p ends here."""

_ROUNDING = 1e-6


def normalised(
    values_nk: NDArray[Floating],
    where: str,
    *,
    object_id: Sequence[str] | NDArray[Any] | None = None,
    bin_widths: NDArray[np.float64] | None = None,
    first_row: int = 0,
) -> NDArray[Floating]:
    """Check an array of probabilities, or of PDFs on redshift bins, and normalise its rows.

    Parameters
    ----------
    values_nk
        (N, K) probabilities, or densities per unit redshift.
    where
        What the array is, for messages.
    object_id
        (N,) identifiers, for messages.
    bin_widths
        (K,) widths of the redshift bins; the rows' totals are then integrals instead of sums.
    first_row
        Number of the array's first row, for messages about a block of a larger one.

    Returns
    -------
    The array itself when its totals are 1 to within float32 rounding, so that checking costs no
    copy; else a copy of the same type with every row divided by its total.

    Raises
    ------
    InputError
        When the array is not (N, K) with N and K at least 1, or a value is not finite, is
        negative, or its row's total differs from 1 by more than `TOLERANCE`. The message names
        the row, the object and the value.
    """
    if values_nk.ndim != 2 or values_nk.size == 0:
        raise fail(where, f"must be an array of objects by columns, but has the shape {values_nk.shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        totals = _totals(values_nk, bin_widths)
        miss = float(np.abs(totals - 1).max())
        # A NaN or an infinity anywhere shows in its row's total: no pass over the cells is needed.
        if not (miss <= TOLERANCE and values_nk.min() >= 0):
            raise _first_fault(values_nk, totals, where, object_id, bin_widths is not None, first_row)
    if miss <= _ROUNDING:
        return values_nk
    return (values_nk / totals[:, None]).astype(values_nk.dtype)


def plainly_normalised(
    values_nk: NDArray[Any], bin_widths: NDArray[np.float64], within: float = TOLERANCE / 2
) -> bool:
    """Return whether a quick look is enough to see that rows keep the rules, and total 1 within a tolerance.

    In single precision totals are summed in single precision, to about 1e-6. False says nothing: then
    `normalised` decides. The values may be (N, K) or those of several members, (M, N, K).
    """
    if values_nk.ndim not in (2, 3) or values_nk.size == 0 or values_nk.dtype.char not in "fd":
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        totals = values_nk @ bin_widths.astype(values_nk.dtype)
        return bool(totals.min() >= 1 - within and totals.max() <= 1 + within and values_nk.min() >= 0)


def as_probabilities(values_nk: NDArray[Any], where: str = "probability") -> NDArray[np.float64]:
    """Return (N, K) class probabilities in double precision, checked and normalised."""
    return normalised(np.asarray(values_nk, dtype=np.float64), where)


def true_likelihood(
    values_nk: NDArray[Any],
    truth_index_n: NDArray[Any],
    where: str,
    bin_widths: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return (N,) probabilities of the true columns.

    Parameters
    ----------
    values_nk, where, bin_widths
        As in `normalised`: probabilities, or densities where there are widths.
    truth_index_n
        (N,) positions of the true columns.

    Raises
    ------
    InputError
        When the values or positions break their rules.
    """
    n, k = np.shape(values_nk)
    index = check_truth_index(truth_index_n, n, k)
    checked = normalised(np.asarray(values_nk), where, bin_widths=bin_widths)
    widths = np.ones(k) if bin_widths is None else bin_widths
    return np.asarray(checked[np.arange(n), index] * widths[index], dtype=np.float64)


def check_weights(weights_m: Sequence[float] | NDArray[Any], n: int, where: str) -> NDArray[np.float64]:
    """Return `n` weights in double precision.

    Raises
    ------
    InputError
        When there are not `n`, one is negative or not finite, or they do not sum to 1.
    """
    weights = np.asarray(weights_m, dtype=np.float64)
    if weights.shape != (n,):
        raise fail(where, f"there must be one weight for each of {n} members, but found {weights.size}")
    for i, weight in enumerate(weights):
        if not (np.isfinite(weight) and weight >= 0):
            raise fail(where, f"weights must be finite and not negative, but weight {i} is {weight}")
    if abs(weights.sum() - 1) > _ROUNDING:
        raise fail(where, f"the weights must sum to 1, but sum to {weights.sum():.8g}")
    return weights


def check_sample_weight(
    sample_weight_n: Sequence[float] | NDArray[Any] | None, n: int, where: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return `n` objects' weights in double precision, divided by their mean; ones where none are given.

    Raises
    ------
    InputError
        When there are not `n`, one is negative or not finite, or none is greater than 0.
    """
    if sample_weight_n is None:
        return np.ones(n)
    weights = np.asarray(sample_weight_n, dtype=np.float64)
    if weights.shape != (n,):
        raise fail(where, f"there must be one weight for each of {n} objects, but found {weights.shape}")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        rule = "weights must be finite and not negative"
        raise fail(f"{where}, row {bad[0]}", f"{rule}, but found {weights[bad[0]]}")
    if not weights.any():
        raise fail(where, f"at least one of {n} weights must be greater than 0, but none is")
    return np.asarray(weights / weights.mean())


def class_indices(
    truth: Sequence[str | None] | NDArray[Any], class_names: Sequence[str], where: str = "truth"
) -> NDArray[np.intp]:
    """Return (N,) positions of the true classes in `class_names`; -1 where the truth is None or NaN.

    Raises
    ------
    InputError
        When an entry is none of the class names; the message names the row and the value.
    """
    position: dict[object, int] = {name: i for i, name in enumerate(class_names)}
    position[None] = -1
    indices = np.empty(len(truth), dtype=np.intp)
    for row, value in enumerate(truth):
        index = position.get(value)
        if index is None:
            # pandas marks missing text with NaN.
            if not (isinstance(value, float) and np.isnan(value)):
                rule = f"must be one of {', '.join(class_names)}, or None where unknown"
                raise fail(f"{where}, row {row}", f"{rule}, but found {value!r}")
            index = -1
        indices[row] = index
    return indices


def check_truth_index(
    truth_index_n: Sequence[int] | NDArray[Any], n: int, k: int, where: str = "truth"
) -> NDArray[np.intp]:
    """Return (n,) positions of true classes.

    Raises
    ------
    InputError
        When there are not `n`, or one is not in 0 ... k-1.
    """
    indices = np.asarray(truth_index_n)
    if indices.shape != (n,) or not np.issubdtype(indices.dtype, np.integer):
        found = f"shape {indices.shape} of {indices.dtype}"
        raise fail(where, f"there must be one class index for each of {n} objects, but found {found}")
    outside = np.flatnonzero((indices < 0) | (indices >= k))
    if outside.size:
        row = int(outside[0])
        raise fail(f"{where}, row {row}", f"class indices must be 0 to {k - 1}, but found {indices[row]}")
    return indices.astype(np.intp)


def _totals(values_nk: NDArray[Any], bin_widths: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if bin_widths is None:
        return np.asarray(values_nk.sum(axis=1, dtype=np.float64))
    return np.asarray(np.einsum("nk,k->n", values_nk, bin_widths, dtype=np.float64))


def _first_fault(
    values_nk: NDArray[Any],
    totals: NDArray[np.float64],
    where: str,
    object_id: Sequence[str] | NDArray[Any] | None,
    is_pdf: bool,
    first_row: int,
) -> InputError:
    bad_rows = ~(np.abs(totals - 1) <= TOLERANCE) | ~(values_nk.min(axis=1) >= 0)
    row = int(np.flatnonzero(bad_rows)[0])
    place = f"{where}, row {first_row + row}" + ("" if object_id is None else f" (object {object_id[row]})")
    for column, value in enumerate(values_nk[row]):
        if not np.isfinite(value):
            return fail(place, f"values must be finite, but column {column} holds {value}")
        if value < 0:
            return fail(place, f"values must not be negative, but column {column} holds {value:.6g}")
    total = f"{totals[row]:.6g}"
    if is_pdf:
        return fail(place, f"the PDF must integrate to 1 within {TOLERANCE}, but integrates to {total}")
    return fail(place, f"probabilities must sum to 1 within {TOLERANCE}, but sum to {total}")


def mean_loss(likelihood_n: NDArray[np.float64], weight_n: NDArray[np.float64] | None) -> float:
    """Return the mean of -ln of likelihoods, none of which counts as less than `LOG_FLOOR`."""
    return float(np.average(-np.log(np.maximum(likelihood_n, LOG_FLOOR)), weights=weight_n))
