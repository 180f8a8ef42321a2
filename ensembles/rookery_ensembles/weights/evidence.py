"""What weights are found by: members' likelihoods of the truth, and products of their errors.

The log score of a linear pool depends on its members' likelihoods alone, (M, N). The CRPS of binned PDFs, and
the Brier score of class probabilities, are quadratic in the weights w: w' G w with the M x M matrix of the
products of the members' residuals, which is summed up block by block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations.base import Covariates
from rookery_ensembles.errors import fail
from rookery_ensembles.member_values import Block, MemberValues, as_member_values, blocks
from rookery_ensembles.probabilities import check_sample_weight, mean_loss
from rookery_ensembles.target import Target

FloatArray = NDArray[np.float64]

N_CELLS = 20
"""The objects are divided into so many cells; what is found without some of them is judged by these."""
_BLOCK_VALUES = 16_000_000


@dataclass(frozen=True, eq=False)
class Evidence:
    """How members did on N objects.

    Raises
    ------
    InputError
        When the table is empty or holds what is no probability, or another array does not fit it.
    """

    likelihood_mn: NDArray[Any]
    """(M, N) probability of the true class or bin; single precision halves memory and time."""
    weight_n: FloatArray | None = None
    """(N,) what each object counts; None where all count the same."""
    cell_n: NDArray[np.intp] | None = None
    """(N,) the cell of each object, from 0; by default drawn by `cells`."""
    gram_cmm: FloatArray | None = None
    """(C, M, M) of each cell the sum of the products of the members' residuals; see `gram_of_cells`. None
    where no score but the log score matters."""
    covariates: Covariates | None = None
    """Of the N objects, for weights that depend on them."""

    def __post_init__(self) -> None:
        """Check the table, and draw cells where none are given."""
        table = self.likelihood_mn
        if not isinstance(table, np.ndarray) or table.ndim != 2 or table.size == 0:
            raise fail("likelihood", f"must be a table of members by objects, but is {np.shape(table)}")
        if not (table.min() >= 0 and np.isfinite(table.max())):
            member, row = np.argwhere(~((table >= 0) & np.isfinite(table)))[0]
            rule = "must be finite and not negative"
            raise fail(f"likelihood, member {member}, object {row}", f"{rule}, but is {table[member, row]}")
        n = table.shape[1]
        if self.weight_n is not None:
            object.__setattr__(self, "weight_n", check_sample_weight(self.weight_n, n))
        if self.cell_n is None:
            object.__setattr__(self, "cell_n", cells(n))
        elif self.cell_n.shape != (n,):
            raise fail("cells", f"there must be one for each of {n} objects, but found {self.cell_n.shape}")
        if self.covariates is not None and len(self.covariates) != n:
            rule = f"there must be one row for each of {n} objects"
            raise fail("covariates", f"{rule}, but found {len(self.covariates)}")

    def __len__(self) -> int:
        """Return M."""
        return len(self.likelihood_mn)

    @property
    def cell(self) -> NDArray[np.intp]:
        """(N,) the cell of each object."""
        assert self.cell_n is not None
        return self.cell_n

    def chosen(self, of_cells: Sequence[int] | NDArray[np.intp], *, without: bool = False) -> "Evidence":
        """Return the evidence of the objects of some cells, or of all others."""
        found = np.isin(self.cell, of_cells, invert=without)
        weight = None if self.weight_n is None else self.weight_n[found]
        if weight is not None and not weight.any():
            weight = None
        return replace(
            self,
            likelihood_mn=self.likelihood_mn[:, found],
            weight_n=weight,
            cell_n=self.cell[found],
            covariates=None if self.covariates is None else self.covariates.take(found),
        )

    def mass(self, of_cells: NDArray[np.intp]) -> float:
        """Return how much the objects of some cells count together."""
        found = np.isin(self.cell, of_cells)
        return float(found.sum() if self.weight_n is None else self.weight_n[found].sum())

    def folds(self, number: int = 5) -> list[NDArray[np.intp]]:
        """Return the cells that hold objects, in groups; a single one where there is one cell."""
        present = np.unique(self.cell)
        return [present[start::number] for start in range(min(number, len(present)))]

    @property
    def gram(self) -> FloatArray:
        """(M, M) mean products of the members' residuals over these objects."""
        if self.gram_cmm is None:
            raise fail("evidence", "the quadratic score needs products of residuals, but has none")
        return np.asarray(self.gram_cmm[np.unique(self.cell)].sum(axis=0) / self.likelihood_mn.shape[1])

    def pooled(self, weights_m: FloatArray) -> FloatArray:
        """Return (N,) likelihoods of the linear pool; weights may be (N, M), of each object its own."""
        if weights_m.ndim == 2:
            return np.asarray(np.einsum("nm,mn->n", weights_m, self.likelihood_mn), dtype=np.float64)
        weights = weights_m.astype(self.likelihood_mn.dtype)
        return np.asarray(weights @ self.likelihood_mn, dtype=np.float64)

    def loss(self, weights_m: FloatArray) -> float:
        """Return the mean log-loss of the linear pool, in nats."""
        return mean_loss(self.pooled(weights_m), self.weight_n)


def cells(n: int, seed: int = 0) -> NDArray[np.intp]:
    """Return (n,) cells of equal size, drawn at random."""
    return np.asarray(np.random.default_rng(seed).permutation(n) % N_CELLS, dtype=np.intp)


def gram_of_cells(
    target: Target,
    values_mnk: MemberValues | Block,
    truth_n: NDArray[Any],
    weight_n: FloatArray | None,
    cell_n: NDArray[np.intp],
) -> FloatArray:
    """Return (C, M, M) sums of the products of the members' residuals over the objects of each cell.

    Parameters
    ----------
    target
        What is predicted; its `residuals` tell what a member lacks.
    values_mnk
        M arrays (N, K), stacked or in a list, or `MemberValues`; they are read once, in blocks of objects.
    truth_n
        (N,) true classes or redshifts, known and within the bins of all objects that have a cell.
    weight_n
        (N,) what each object counts, of mean 1, or None.
    cell_n
        (N,) its cell; -1 of an object that is left out.
    """
    values = as_member_values(values_mnk, target)
    m = values.shape[0]
    gram = np.zeros((int(cell_n.max()) + 1, m, m))
    for place, block in blocks(values, _BLOCK_VALUES // 2):
        cell, truth = cell_n[place], truth_n[place]
        order = np.argsort(cell, kind="stable")
        order = order[cell[order] >= 0]
        if not order.size:
            continue
        root = None if weight_n is None else np.sqrt(weight_n[place][order])[:, None]
        parts = []
        for number in range(m):
            residual = target.residuals(np.asarray(block[number])[order], truth[order])
            parts.append((residual if root is None else residual * root).astype(np.float32))
        table = np.stack(parts)
        for one, start, stop in _runs(cell[order]):
            part = table[:, start:stop].reshape(m, -1)
            gram[one] += part @ part.T
    return gram


def _runs(sorted_n: NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """Yield each number of a sorted array, and the places where it begins and ends."""
    starts = np.flatnonzero(np.diff(sorted_n, prepend=sorted_n[0] - 1))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(sorted_n)], strict=True):
        yield int(sorted_n[start]), start, stop
