"""Redshift PDFs on bins: their numbers, intervals and cumulative distributions.

A PDF is a density per unit redshift that is constant within each of K bins. Everything here is
exact for such a density: its mean is the sum over bin centres, its cumulative distribution rises
linearly within a bin, and its variance includes that of the bins themselves. Densities come as
float32 or float64; the work is done in double precision.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.edges import bin_positions, check_edges
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import normalised

FloatArray = NDArray[np.float64]
Edges = Sequence[float] | NDArray[Any]

# A Gaussian narrower than this part of all bins together lies within one bin.
_NARROWEST = 1e-8
# Below such a total of bin masses, a truncated Gaussian is worked out in logarithms.
_TINY = 1e-250
_BLOCK = 10_000


def edges_array(edges: Edges) -> FloatArray:
    """Return the K + 1 edges as an array; raises InputError unless they are finite and increase."""
    check_edges(edges, "bin_edges")
    return np.asarray(edges, dtype=np.float64)


def bin_centres(edges: Edges) -> FloatArray:
    """Return (K,) centres of the bins."""
    found = edges_array(edges)
    return (found[:-1] + found[1:]) / 2


def bin_indices(z_n: NDArray[Any], edges: Edges) -> NDArray[np.intp]:
    """Return (N,) bins of redshifts; -1 outside of all bins and for NaN.

    A bin holds its lower edge; the last one its upper edge too.
    """
    return bin_positions(np.asarray(z_n, dtype=np.float64), edges_array(edges))


def bin_masses(pdf_nk: NDArray[Any], edges: Edges) -> FloatArray:
    """Return (N, K) probabilities of the bins, which sum to 1.

    Raises
    ------
    InputError
        When the edges do not increase, there is no density for each bin, one is negative or not
        finite, or a PDF does not integrate to 1 (see `rookery_ensembles.probabilities.normalised`).
    """
    found = edges_array(edges)
    pdf, widths = np.asarray(pdf_nk, dtype=np.float64), np.diff(found)
    if pdf.ndim != 2 or pdf.shape[1] != len(widths):
        rule = f"must hold one density for each of {len(widths)} bins"
        raise fail("pdf", f"{rule}, but has the shape {pdf.shape}")
    masses: FloatArray = normalised(pdf, "pdf", bin_widths=widths) * widths
    masses /= masses.sum(axis=1, keepdims=True)
    return masses


def cdf_at_edges(pdf_nk: NDArray[Any], edges: Edges) -> FloatArray:
    """Return (N, K + 1) the cumulative distribution at the edges: from 0 to 1, never falling."""
    return cdf_of_masses(bin_masses(pdf_nk, edges))


def z_mean(pdf_nk: NDArray[Any], edges: Edges) -> FloatArray:
    """Return (N,) means: the sum of bin centres by probability."""
    return np.asarray(bin_masses(pdf_nk, edges) @ bin_centres(edges))


def z_median(pdf_nk: NDArray[Any], edges: Edges) -> FloatArray:
    """Return (N,) medians, interpolated within their bins."""
    return quantiles(pdf_nk, edges, (0.5,))[:, 0]


def z_mode(pdf_nk: NDArray[Any], edges: Edges) -> FloatArray:
    """Return (N,) centres of the bins of the greatest density; of equal ones the first."""
    masses = bin_masses(pdf_nk, edges)
    return mode_of_masses(masses, edges_array(edges))


def pdf_std(pdf_nk: NDArray[Any], edges: Edges) -> FloatArray:
    """Return (N,) standard deviations of the PDFs, the spread within a bin included."""
    return std_of_masses(bin_masses(pdf_nk, edges), edges_array(edges))


def quantiles(pdf_nk: NDArray[Any], edges: Edges, q: Sequence[float] | NDArray[Any]) -> FloatArray:
    """Return (N, Q) the smallest redshifts below which there is at least a probability `q`.

    The quantile of 0 is where the PDF begins.

    Raises
    ------
    InputError
        When a `q` is not between 0 and 1, or the PDFs are invalid.
    """
    wanted = np.atleast_1d(np.asarray(q, dtype=np.float64))
    for value in wanted:
        if not 0 <= value <= 1:
            raise fail("q", f"must be between 0 and 1, but found {value:g}")
    return quantiles_of_cdf(cdf_at_edges(pdf_nk, edges), edges_array(edges), wanted)


def credible_interval(pdf_nk: NDArray[Any], edges: Edges, level: float) -> FloatArray:
    """Return (N, 2) ends of the central interval of probability `level`, equal tails on both sides.

    Raises
    ------
    InputError
        When `level` is not between 0 and 1, or the PDFs are invalid.
    """
    return credible_interval_of_cdf(cdf_at_edges(pdf_nk, edges), edges_array(edges), level)


def bins_in_interval(pdf_nk: NDArray[Any], edges: Edges, level: float = 0.68) -> FloatArray:
    """Return (N,) how many bins, and parts of bins, the central interval of probability `level` spans.

    A PDF is flat within a bin, and so wider than the density that it stands for: true PDFs whose 68 %
    intervals span 6 bins hold 0.683 of the redshifts, of 4 bins 0.689, of 2 bins 0.72
    (`benchmarks/bin_widths.py`).

    Raises
    ------
    InputError
        When `level` is not between 0 and 1, or the PDFs are invalid.
    """
    number = np.arange(len(edges_array(edges)), dtype=np.float64)
    low_high = credible_interval_of_cdf(cdf_at_edges(pdf_nk, edges), number, level)
    return np.asarray(low_high[:, 1] - low_high[:, 0])


def pit(pdf_nk: NDArray[Any], edges: Edges, z_n: NDArray[Any]) -> FloatArray:
    """Return (N,) the cumulative distribution at the true redshifts (probability integral transform).

    0 below all bins, 1 above them, NaN where the redshift is NaN. Of PDFs that tell the truth, it
    is spread evenly from 0 to 1.

    Raises
    ------
    InputError
        When there is not one redshift per PDF, or the PDFs are invalid.
    """
    return cdf_at(cdf_at_edges(pdf_nk, edges), edges_array(edges), redshifts(z_n, len(pdf_nk)))


def gaussian_pdf(mean_n: NDArray[Any], sigma_n: NDArray[Any], edges: Edges) -> FloatArray:
    """Return (N, K) densities of Gaussians, truncated to the bins and normalised there.

    A bin's density is the Gaussian's mean over it. One whose mean lies far outside of the bins
    piles up at the nearest edge.

    Raises
    ------
    InputError
        When a mean is not finite, or a standard deviation is not finite and greater than 0.
    """
    found = edges_array(edges)
    mean, sigma = np.asarray(mean_n, dtype=np.float64), np.asarray(sigma_n, dtype=np.float64)
    if mean.ndim != 1 or mean.shape != sigma.shape:
        raise fail("gaussian", f"there must be one sigma per mean, but found {sigma.shape} and {mean.shape}")
    for name, values, good in (
        ("mean", mean, np.isfinite(mean)),
        ("sigma", sigma, np.isfinite(sigma) & (sigma > 0)),
    ):
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            rule = "must be finite" + (" and greater than 0" if name == "sigma" else "")
            raise fail(f"{name}, row {row}", f"{rule}, but found {values[row]}")
    sigma = np.maximum(sigma, _NARROWEST * (found[-1] - found[0]))
    masses = np.empty((len(mean), len(found) - 1))
    for start in range(0, len(mean), _BLOCK):
        part = slice(start, start + _BLOCK)
        masses[part] = _gaussian_masses((found - mean[part, None]) / sigma[part, None])
    return masses / np.diff(found)


def redshifts(z_n: NDArray[Any], n: int, name: str = "z_spec") -> FloatArray:
    """Return (n,) redshifts in double precision, NaN where unknown.

    Raises
    ------
    InputError
        When there are not `n`, or one is infinite or not above -1.
    """
    z = np.asarray(z_n, dtype=np.float64)
    if z.shape != (n,):
        raise fail(name, f"there must be one redshift for each of {n} objects, but found {z.shape}")
    bad = np.flatnonzero(np.isinf(z) | (z <= -1))
    if bad.size:
        rule = "must be finite and above -1, or NaN where unknown"
        raise fail(f"{name}, row {bad[0]}", f"{rule}, but found {z[bad[0]]:g}")
    return z


def read_redshifts(values_n: NDArray[Any], where: str, column: str) -> FloatArray:
    """Return (N,) redshifts that stand in a column of a table, NaN where there is none.

    Raises
    ------
    InputError
        With the row and the value, when one is no number, infinite or not above -1.
    """
    if values_n.dtype.kind in "fiu":
        z = values_n.astype(np.float64)
        bad = np.isinf(z) | (z <= -1)
    else:
        told = [
            None if value is None or value != value or value == "" else value for value in values_n.tolist()
        ]
        z = np.array([np.nan if value is None else _number(value) for value in told])
        bad = np.isinf(z) | (z <= -1) | (np.isnan(z) & np.array([value is not None for value in told]))
    for row in np.flatnonzero(bad):
        rule = f"`{column}` must be a redshift above -1, or empty where it is unknown"
        raise fail(f"{where}, row {row}", f"{rule}, but found {values_n.tolist()[row]!r}")
    return z


def _number(value: Any) -> float:
    """Return what a value says in words of Python, NaN where that is no number."""
    try:
        return np.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return np.nan


def _gaussian_masses(t_ne: FloatArray) -> FloatArray:
    """Return (N, K) normalised integrals of the unit Gaussian between neighbouring `t`."""
    from scipy.special import log_ndtr, ndtr

    # Of the two tails the smaller one, whose differences keep their digits.
    tail = ndtr(-np.abs(t_ne))
    masses: FloatArray = np.abs(np.diff(tail, axis=1))
    around = (t_ne[:, :-1] <= 0) & (t_ne[:, 1:] > 0)
    masses[around] = (1 - tail[:, :-1] - tail[:, 1:])[around]
    far = masses.sum(axis=1) < _TINY
    if far.any():
        log_tail = log_ndtr(-np.abs(t_ne[far]))
        larger, smaller = np.maximum(log_tail[:, :-1], log_tail[:, 1:]), -np.abs(np.diff(log_tail, axis=1))
        log_masses = larger + np.log(-np.expm1(np.minimum(smaller, -_TINY)))
        masses[far] = np.exp(log_masses - log_masses.max(axis=1, keepdims=True))
    masses /= masses.sum(axis=1, keepdims=True)
    return masses


def cdf_of_masses(masses_nk: FloatArray) -> FloatArray:
    """Return (N, K + 1) cumulative sums of bin masses: exactly 0 first, exactly 1 after the last mass."""
    cdf = np.zeros((masses_nk.shape[0], masses_nk.shape[1] + 1))
    np.cumsum(masses_nk, axis=1, out=cdf[:, 1:])
    cdf /= cdf[:, -1:]
    return cdf


def mode_of_masses(masses_nk: FloatArray, edges: FloatArray) -> FloatArray:
    """Return (N,) centres of the bins of the greatest density."""
    # Rounding in masses must not decide between bins of equal density.
    density = (masses_nk / np.diff(edges)).astype(np.float32)
    return np.asarray(bin_centres(edges)[density.argmax(axis=1)])


def std_of_masses(masses_nk: FloatArray, edges: FloatArray) -> FloatArray:
    """Return (N,) standard deviations of PDFs with these bin masses."""
    offset, widths = bin_centres(edges) - (edges[0] + edges[-1]) / 2, np.diff(edges)
    square = masses_nk @ (offset**2 + widths**2 / 12)
    return np.asarray(np.sqrt(np.maximum(square - (masses_nk @ offset) ** 2, 0.0)))


def quantiles_of_cdf(cdf_ne: FloatArray, edges: FloatArray, q: FloatArray) -> FloatArray:
    """Return (N, Q) quantiles of cumulative distributions at the edges."""
    rows, found = np.arange(len(cdf_ne)), np.empty((len(cdf_ne), len(q)))
    for i, wanted in enumerate(q):
        ends = cdf_ne[:, 1:]
        k = np.count_nonzero(ends < wanted if wanted > 0 else ends <= 0, axis=1)
        low, high = cdf_ne[rows, k], cdf_ne[rows, k + 1]
        inside = edges[k] + (edges[k + 1] - edges[k]) * ((wanted - low) / (high - low))
        found[:, i] = np.minimum(inside, edges[k + 1])  # by rounding the sum may exceed the edge
    return found


def credible_interval_of_cdf(cdf_ne: FloatArray, edges: FloatArray, level: float) -> FloatArray:
    """Return (N, 2) ends of the central intervals; raises InputError when `level` is not between 0 and 1."""
    if not 0 < level < 1:
        raise fail("level", f"must be between 0 and 1, but found {level:g}")
    return quantiles_of_cdf(cdf_ne, edges, np.array([(1 - level) / 2, (1 + level) / 2]))


def cdf_at(cdf_ne: FloatArray, edges: FloatArray, z_n: FloatArray) -> FloatArray:
    """Return (N,) cumulative distributions at one redshift each; NaN where that is NaN."""
    k, rows = bin_positions(z_n, edges), np.arange(len(z_n))
    inside = k >= 0
    k = np.where(inside, k, 0)
    low, high = cdf_ne[rows, k], cdf_ne[rows, k + 1]
    within = low + (high - low) * (z_n - edges[k]) / (edges[k + 1] - edges[k])
    outside = np.where(np.isnan(z_n), np.nan, np.where(z_n < edges[0], 0.0, 1.0))
    return np.where(inside, within, outside)
