"""What every pool does: check members and weights, leave out who counts nothing, go block by block."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import LOG_FLOOR, check_weights
from rookery_ensembles.target import KINDS, Target

FloatArray = NDArray[np.float64]

_BLOCK_VALUES = 2_000_000
"""A block holds so many values of all members together: 16 MB in double precision."""


class Pool(ABC):
    """A way to make one prediction of several members' predictions for the same objects.

    Attributes
    ----------
    name
        As documents hold it.
    spoken
        In words.
    kinds
        The kinds of targets whose predictions it takes.
    """

    name: ClassVar[str]
    spoken: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = KINDS

    @classmethod
    def takes(cls, target: Target) -> bool:
        """Return whether it pools such predictions."""
        return target.kind in cls.kinds

    def combine(
        self,
        target: Target,
        values_mnk: NDArray[Any] | Sequence[NDArray[Any]],
        weights_m: Sequence[float] | NDArray[Any] | None = None,
        where: str = "members",
    ) -> FloatArray:
        """Pool the members' predictions for N objects.

        The objects are gone through in blocks, so that beside the result little memory is needed; arrays
        may be memory-mapped.

        Parameters
        ----------
        target
            What they predict.
        values_mnk
            M arrays (N, K), stacked or in a list: probabilities, or densities per unit redshift.
        weights_m
            (M,) weights that sum to 1; equal ones by default. A member of weight 0 is left out.
        where
            What the arrays are, for messages.

        Returns
        -------
        (N, K) in double precision; values keep the target's rules.

        Raises
        ------
        InputError
            When there is no member, shapes are not (N, K), weights or values break their rules, or the
            pool does not take such predictions.
        """
        if not self.takes(target):
            raise fail(where, f"the {self.name} pool does not combine {target.spoken}")
        m = len(values_mnk)
        if m == 0:
            raise fail(where, "there must be at least one to combine, but found none")
        weights = np.full(m, 1 / m) if weights_m is None else check_weights(weights_m, m, f"{where}, weights")
        shape = (np.shape(values_mnk[0])[:1] or (0,)) + (target.n_columns,)
        for number, values in enumerate(values_mnk):
            if np.shape(values) != shape:
                rule = f"must be of {shape[0]} objects by {shape[1]} columns"
                raise fail(f"{where}, item {number}", f"{rule}, but has the shape {np.shape(values)}")
            target.normalised(np.asarray(values), f"{where}, item {number}")
        chosen = np.flatnonzero(weights)
        return self._in_blocks(target, [values_mnk[number] for number in chosen.tolist()], weights[chosen])

    def _in_blocks(
        self, target: Target, values_m: Sequence[NDArray[Any]], weights_m: FloatArray
    ) -> FloatArray:
        n, k = np.shape(values_m[0])
        if len(values_m) == 1:
            return np.array(values_m[0], dtype=np.float64)
        pooled = np.empty((n, k))
        block = max(1, _BLOCK_VALUES // (len(values_m) * k))
        for start in range(0, n, block):
            rows = slice(start, start + block)
            pooled[rows] = self._combine(target, [values[rows] for values in values_m], weights_m)
        return pooled

    @abstractmethod
    def _combine(self, target: Target, values_m: Sequence[NDArray[Any]], weights_m: FloatArray) -> FloatArray:
        """Pool one block of two members or more, whose values and weights (above 0) were checked."""


def masses(target: Target, values_nk: NDArray[Any]) -> FloatArray:
    """Return (n, K) probabilities of the columns in double precision, which sum to 1 to rounding."""
    found = np.asarray(values_nk, dtype=np.float64) * _widths(target)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def of_masses(target: Target, mass_nk: FloatArray) -> FloatArray:
    """Return values as predictions hold them, of probabilities that need not sum to 1."""
    found = mass_nk / mass_nk.sum(axis=1, keepdims=True)
    return np.asarray(found / _widths(target))


def _widths(target: Target) -> FloatArray:
    return np.diff(target.edges) if target.has_pdfs else np.ones(target.n_columns)


def generalised_mean(
    target: Target,
    values_m: Sequence[NDArray[Any]],
    weights_m: FloatArray,
    into: "np.ufunc",
    back: "np.ufunc",
) -> FloatArray:
    """Return ``back`` of the weighted mean of ``into`` of the probabilities, normalised.

    Logarithms and reciprocals of 0 let one member forbid what all others deem likely. A probability
    counts as no less than `LOG_FLOOR`, as it does in the log score; where all members are below that, their
    plain mean is taken, so that equal members give themselves back, zeros included.
    """
    mean: FloatArray = np.zeros(np.shape(values_m[0]))
    plain, largest = np.zeros_like(mean), np.zeros_like(mean)
    for weight, values in zip(weights_m, values_m, strict=True):
        mass = masses(target, values)
        plain += weight * mass
        np.maximum(largest, mass, out=largest)
        np.maximum(mass, LOG_FLOOR, out=mass)
        into(mass, out=mass)
        mean += weight * mass
    back(mean, out=mean)
    return of_masses(target, np.where(largest < LOG_FLOOR, plain, mean))
