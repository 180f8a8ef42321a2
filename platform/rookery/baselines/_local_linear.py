"""Local linear regression: a value at a point from a plane through its nearest neighbours.

Source: Beck et al. 2016 (MNRAS 460, 1371), section 3. Shapes: T training points, Q points to predict,
D features, k neighbours.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.compute.progress import tracked

Floats = NDArray[np.float64]

NEIGHBOURS = 100
CLIP = 3.0
# Of the largest eigenvalue of the normal equations; smaller ones are directions without any spread.
_SINGULAR = 1e-12
# Of the largest offset from the query; a smaller spread of the neighbours is rounding.
_FLAT = 1e-12
_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class LocalFits:
    """What local fits predict at Q points."""

    value: Floats
    """(Q,) the plane's value at the point."""
    error: Floats
    """(Q,) root mean square of the residuals of the neighbours that were kept."""
    extrapolated: NDArray[np.bool_]
    """(Q,) whether the point lies outside the bounding box of those neighbours."""
    n_neighbours: NDArray[np.int64]
    """(Q,) how many were kept."""

    def put(self, rows: NDArray[np.integer], found: "LocalFits") -> None:
        """Write down what was found at some of the points."""
        self.value[rows], self.error[rows] = found.value, found.error
        self.extrapolated[rows], self.n_neighbours[rows] = found.extrapolated, found.n_neighbours


def local_linear(
    features_td: Floats,
    value_t: Floats,
    query_qd: Floats,
    *,
    neighbours: int = NEIGHBOURS,
    clip: float = CLIP,
    threads: int | None = None,
) -> LocalFits:
    """Predict the value at each query by least squares over its nearest training points.

    Neighbours (Euclidean; all training points, where those are fewer) whose residual exceeds `clip`
    times the root mean square are dropped once, and the plane is fitted again. Directions in which
    the neighbours do not differ have no slope.

    Parameters
    ----------
    features_td, value_t, query_qd
        (T, D), (T,) and (Q, D), all finite; features on the scale by which distances are measured.
    threads
        Blocks of queries at once; by default one for each CPU that this process may use.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(features_td, leafsize=24)
    k = min(neighbours, len(features_td))
    n = len(query_qd)
    fits = LocalFits(np.empty(n), np.empty(n), np.empty(n, bool), np.empty(n, np.int64))

    def fit(rows: NDArray[np.int64]) -> None:
        query = query_qd[rows]
        _, found = tree.query(query, k=np.arange(1, k + 1))
        block = _fit_block(features_td[found] - query[:, None, :], value_t[found], clip)
        fits.put(rows, block)

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        blocks = list(_blocks(query_qd))
        for _ in tracked(zip(blocks, pool.map(fit, blocks), strict=True), "objects", n, size=_rows_of):
            pass
    return fits


def _rows_of(done: tuple[NDArray[np.int64], None]) -> int:
    return len(done[0])


def _blocks(query_qd: Floats) -> Iterator[NDArray[np.int64]]:
    """Yield rows in blocks of queries that lie near each other, whose neighbours then share caches."""
    from scipy.spatial import cKDTree

    if len(query_qd):
        order = np.asarray(cKDTree(query_qd, leafsize=64).indices, dtype=np.int64)
        yield from (order[start : start + _BLOCK] for start in range(0, len(order), _BLOCK))


def _fit_block(offset_bkd: Floats, value_bk: Floats, clip: float) -> LocalFits:
    """Fit B planes to neighbours at offsets (B, k, D) from their queries, twice."""
    # About the neighbours' mean and in units of their spread the normal equations are well conditioned.
    centre = offset_bkd.mean(axis=1)
    spread = offset_bkd.std(axis=1)
    flat = spread <= _FLAT * np.abs(offset_bkd).max(axis=1)
    spread = np.where(flat, np.inf, spread)
    scaled = (offset_bkd - centre[:, None, :]) / spread[:, None, :]
    design = np.concatenate([np.ones_like(value_bk)[:, :, None], scaled], axis=2)
    kept = np.ones(value_bk.shape, dtype=bool)
    _, residual, error = _least_squares(design, value_bk, kept)
    within = np.abs(residual) <= clip * error[:, None]
    # Rounding makes residuals of an exact relation; they are no reason to drop anything.
    kept = within | (np.abs(residual) <= 1e-9 * np.abs(value_bk).max(axis=1, keepdims=True))
    solution, _, error = _least_squares(design, value_bk, kept)
    value = solution[:, 0] - np.einsum("bd,bd->b", solution[:, 1:], centre / spread)
    low = np.where(kept[:, :, None], offset_bkd, np.inf).min(axis=1)
    high = np.where(kept[:, :, None], offset_bkd, -np.inf).max(axis=1)
    outside = ((low > 0) | (high < 0)).any(axis=1)
    return LocalFits(value, error, outside, kept.sum(axis=1))


def _least_squares(
    design_bkf: Floats, value_bk: Floats, kept_bk: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return coefficients (B, F), all residuals (B, k) and the root mean square (B,) of those kept.

    Of several solutions the shortest is taken, by the eigenvectors of the normal equations.
    """
    weighted = design_bkf * kept_bk[:, :, None]
    transposed = weighted.transpose(0, 2, 1)
    level = np.einsum("bk,bk->b", value_bk, kept_bk) / kept_bk.sum(axis=1)
    centred = value_bk - level[:, None]
    normal = transposed @ design_bkf
    eigenvalue, vector = np.linalg.eigh(normal)
    usable = eigenvalue > _SINGULAR * eigenvalue[:, -1:]
    inverse = np.where(usable, 1.0 / np.where(usable, eigenvalue, 1.0), 0.0)
    right = (transposed @ centred[:, :, None])[:, :, 0]
    along = np.einsum("bfe,bf->be", vector, right) * inverse
    solution = np.einsum("bfe,be->bf", vector, along)
    residual = centred - (design_bkf @ solution[:, :, None])[:, :, 0]
    error = np.sqrt(np.einsum("bk,bk->b", residual**2, kept_bk) / kept_bk.sum(axis=1))
    solution[:, 0] += level
    return solution, residual, error
