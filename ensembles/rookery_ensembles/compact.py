"""Redshift PDFs in few bytes: quantiles, bytes for the bins, or a few Gaussians of a basis.

Every form is an array of small whole numbers for each PDF, and only the bins' edges are needed to read it.
How much each loses: ``benchmarks/compact_pdfs.py`` and docs/ensembles.md, which has a recipe to read them
without this package.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.target import Target

Masses = NDArray[np.float64]
"""(N, K) probabilities of the bins, which sum to 1."""
_BLOCK = 1024


class CompactForm(ABC):
    """A way to write PDFs over bins as small whole numbers."""

    name: ClassVar[str]
    dtype: ClassVar[type[np.unsignedinteger]]
    """Of the numbers, as they are stored."""

    @abstractmethod
    def size(self, n_bins: int) -> int:
        """Return how many numbers a PDF takes."""

    @abstractmethod
    def encode(self, masses_nk: Masses, edges: Masses) -> NDArray[np.unsignedinteger]:
        """Return (N, size) numbers."""

    @abstractmethod
    def decode(self, numbers: NDArray[np.unsignedinteger], edges: Masses) -> Masses:
        """Return (N, K) probabilities of the bins, which sum to 1."""

    def n_bytes(self, n_bins: int) -> int:
        """Return the bytes of a PDF, before Parquet packs them."""
        return self.size(n_bins) * np.dtype(self.dtype).itemsize


class Quantiles(CompactForm):
    """Redshifts of 32 quantiles, each a multiple of 1/65535 of the bins' range: 64 bytes.

    Levels are j/31 in the middle and closer in the tails (sin^2 of even steps). Between two quantiles the
    density is even.
    """

    name = "quantiles"
    dtype = np.uint16
    levels: ClassVar[NDArray[np.float64]] = np.sin(np.linspace(0, np.pi / 2, 32)) ** 2

    def size(self, n_bins: int) -> int:
        """Return 32."""
        return len(self.levels)

    def encode(self, masses_nk: Masses, edges: Masses) -> NDArray[np.unsignedinteger]:
        """Return where the cumulative probability reaches each level, linear within a bin."""
        cdf = np.concatenate([np.zeros((len(masses_nk), 1)), np.cumsum(masses_nk, axis=1)], axis=1)
        cdf /= cdf[:, -1:]
        found = np.empty((len(cdf), len(self.levels)))
        for row, values in enumerate(cdf):
            found[row] = np.interp(self.levels, values, edges)
            # At the ends: where probability begins and ceases, not the end of an empty stretch.
            inside = np.flatnonzero(np.diff(values) > 0)
            found[row, 0], found[row, -1] = edges[inside[0]], edges[inside[-1] + 1]
        scaled = (found - edges[0]) / (edges[-1] - edges[0])
        return np.asarray(np.rint(scaled * np.iinfo(self.dtype).max).astype(self.dtype))

    def decode(self, numbers: NDArray[np.unsignedinteger], edges: Masses) -> Masses:
        """Return the probability between the edges of each bin."""
        z = edges[0] + numbers / np.iinfo(self.dtype).max * (edges[-1] - edges[0])
        smallest = (edges[-1] - edges[0]) / np.iinfo(self.dtype).max
        cdf = np.empty((len(z), len(edges)))
        for row, values in enumerate(z):
            # Quantiles that fell together are a step, which needs a width to be interpolated.
            rising = np.maximum.accumulate(values) + 1e-3 * smallest * np.arange(len(values))
            cdf[row] = np.interp(edges, rising, self.levels)
        cdf[:, 0], cdf[:, -1] = 0.0, 1.0
        return np.diff(cdf, axis=1)


class ScaledBins(CompactForm):
    """Each bin's probability as a multiple of 1/255 of the largest one's: K bytes."""

    name = "bins"
    dtype = np.uint8

    def size(self, n_bins: int) -> int:
        """Return K."""
        return n_bins

    def encode(self, masses_nk: Masses, edges: Masses) -> NDArray[np.unsignedinteger]:
        """Return each density, scaled by the largest."""
        density = masses_nk / np.diff(edges)
        return np.asarray(np.rint(density / density.max(axis=1, keepdims=True) * 255).astype(self.dtype))

    def decode(self, numbers: NDArray[np.unsignedinteger], edges: Masses) -> Masses:
        """Return the densities times the widths, normalised."""
        masses = numbers * np.diff(edges)
        return np.asarray(masses / masses.sum(axis=1, keepdims=True))


class SparseBasis(CompactForm):
    """At most 14 Gaussians of a fixed basis: a place in it and a weight (of 65535) each, 56 bytes.

    The basis has a Gaussian at the centre of every bin, in 12 widths from 0.35 to K/5 bins, in units of bins.
    The next one is always that which the rest resembles most; weights are fitted anew each time (orthogonal
    matching pursuit: Pati et al. 1993), as Carrasco Kind & Brunner 2014 (MNRAS 441, 3550) do for PDFs.
    """

    name = "basis"
    dtype = np.uint16
    terms: ClassVar[int] = 14
    widths: ClassVar[int] = 12

    def size(self, n_bins: int) -> int:
        """Return two numbers a term."""
        return 2 * self.terms

    def encode(self, masses_nk: Masses, edges: Masses) -> NDArray[np.unsignedinteger]:
        """Return the terms' places, then their weights; a term that is not needed has weight 0."""
        parts = [self._encode(masses_nk[at : at + _BLOCK]) for at in range(0, len(masses_nk), _BLOCK)]
        return np.concatenate(parts)

    def decode(self, numbers: NDArray[np.unsignedinteger], edges: Masses) -> Masses:
        """Return the weighted sum of the terms, normalised."""
        basis = _basis(len(edges) - 1, self.widths)
        places, weights = numbers[:, : self.terms], numbers[:, self.terms :].astype(np.float64)
        masses = np.zeros((len(numbers), len(edges) - 1))
        for term in range(self.terms):
            masses += weights[:, term, None] * basis[places[:, term]]
        return np.asarray(masses / masses.sum(axis=1, keepdims=True))

    def _encode(self, masses_nk: Masses) -> NDArray[np.unsignedinteger]:
        n, k = masses_nk.shape
        basis = _basis(k, self.widths)
        unit = basis / np.linalg.norm(basis, axis=1, keepdims=True)
        rough = unit.astype(np.float32).T  # good enough to choose by
        rest, chosen = masses_nk, np.zeros((n, 0), dtype=np.intp)
        for _ in range(self.terms):
            next_one = (rest.astype(np.float32) @ rough).argmax(axis=1)
            chosen = np.concatenate([chosen, next_one[:, None]], axis=1)
            terms = unit[chosen]  # (n, t, K)
            among = terms @ terms.transpose(0, 2, 1) + 1e-9 * np.eye(chosen.shape[1])
            along = terms @ masses_nk[:, :, None]
            weights = np.maximum(np.linalg.solve(among, along), 0)
            rest = masses_nk - (weights.transpose(0, 2, 1) @ terms)[:, 0]
        weights = weights[:, :, 0]
        heights = weights / np.linalg.norm(basis, axis=1)[chosen]
        top = heights.max(axis=1, keepdims=True)
        scaled = np.rint(heights / np.where(top > 0, top, 1) * np.iinfo(self.dtype).max)
        return np.concatenate([chosen, scaled], axis=1).astype(self.dtype)


@lru_cache(maxsize=4)
def _basis(n_bins: int, n_widths: int) -> NDArray[np.float64]:
    """Return (n_widths * K, K) Gaussians at the bins' centres, each of sum 1."""
    centre = np.arange(n_bins)
    widths = np.geomspace(0.35, max(n_bins / 5, 0.7), n_widths)
    away = (centre[None, None, :] - centre[None, :, None]) / widths[:, None, None]
    height = np.exp(-0.5 * away**2).reshape(-1, n_bins)
    found: NDArray[np.float64] = height / height.sum(axis=1, keepdims=True)
    return found


FORMS: Mapping[str, CompactForm] = {form.name: form for form in (Quantiles(), ScaledBins(), SparseBasis())}
"""Every form by its name."""


@dataclass(frozen=True)
class ValueColumn:
    """How a file of predictions holds its values."""

    name: str
    """Of the column."""
    size: int
    """Numbers of each object."""
    dtype: np.dtype[Any]
    """Of the numbers."""


def value_column(target: Target, form: str | None) -> ValueColumn:
    """Return how values are held: as they are, where `form` is None, or in a compact form."""
    if form is None:
        return ValueColumn(target.column, target.n_columns, np.dtype(np.float32))
    found = find_form(form)
    return ValueColumn(f"{target.column}_{form}", found.size(target.n_columns), np.dtype(found.dtype))


def packed(values_nk: NDArray[np.floating], target: Target, form: str | None) -> NDArray[Any]:
    """Return (N, size) numbers as a file holds them, of (N, K) values."""
    if form is None:
        return np.asarray(values_nk, dtype=np.float32)
    edges = np.asarray(target.edges)
    return find_form(form).encode(values_nk.astype(np.float64) * np.diff(edges), edges)


def unpacked_values(numbers: NDArray[Any], target: Target, form: str | None) -> NDArray[np.float32]:
    """Return (N, K) values of the numbers of a file."""
    if form is None:
        return numbers
    edges = np.asarray(target.edges)
    masses = find_form(form).decode(numbers, edges)
    return np.asarray(masses / np.diff(edges), dtype=np.float32)


def check_form(form: str, target: Target, out: str | Path, *, folder: bool = False) -> None:
    """Refuse, before work is done for it, a form that `out`, a file or a folder, cannot be written in.

    Raises
    ------
    InputError
        When there is no such form, `out` is a table rather than a prediction file, or there are no PDFs.
    """
    find_form(form)
    rule = f"the compact form {form!r} is for redshift PDFs, but these are class probabilities"
    target.require_pdfs(out, rule)
    if not folder and Path(out).suffix.lower() != ".parquet":
        rule = f"the compact form {form!r} is of prediction files, whose name must end in .parquet"
        raise fail(out, f"{rule}, but ends in {Path(out).suffix or 'nothing of the kind'!r}")


def find_form(name: str, where: str = "compact") -> CompactForm:
    """Return a form; raises InputError, beginning with `where`, where there is none of this name."""
    if name not in FORMS:
        raise fail(where, f"the compact form must be one of {', '.join(FORMS)}, but found {name!r}")
    return FORMS[name]
