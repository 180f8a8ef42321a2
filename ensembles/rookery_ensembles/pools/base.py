"""What every pool does: check members and weights, leave out who counts nothing, go block by block."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.blas import one_blas_thread
from rookery_ensembles.combine import Look
from rookery_ensembles.errors import fail
from rookery_ensembles.member_values import (
    BLOCK_VALUES,
    ArrayValues,
    Block,
    MemberValues,
    as_member_values,
    blocks,
)
from rookery_ensembles.probabilities import LOG_FLOOR, check_weights, plainly_normalised
from rookery_ensembles.target import KINDS, Target

FloatArray = NDArray[np.float64]

_BLOCK_VALUES = 8_000_000
"""A block holds so many values of all members together: 64 MB in double precision."""
_MANY_VALUES, _MOST_THREADS = 50_000_000, 8


class Pool(ABC):
    """A way to make one prediction of several members' predictions for the same objects."""

    name: ClassVar[str]
    """As documents hold it."""
    spoken: ClassVar[str]
    """In words."""
    kinds: ClassVar[tuple[str, ...]] = KINDS
    """The kinds of targets whose predictions it takes."""
    gated: ClassVar[bool] = False
    """Whether each object may have weights of its own."""

    @classmethod
    def takes(cls, target: Target) -> bool:
        """Return whether it pools such predictions."""
        return target.kind in cls.kinds

    def combine(
        self,
        target: Target,
        values_mnk: MemberValues | Block,
        weights_m: Sequence[float] | NDArray[Any] | None = None,
        where: str = "members",
    ) -> FloatArray:
        """Pool the members' predictions for N objects.

        The objects are gone through in blocks, so that beside the result little memory is needed; arrays
        may be memory-mapped, and values may lie in files (see `rookery_ensembles.member_values`).

        Parameters
        ----------
        target
            What they predict.
        values_mnk
            M arrays (N, K), stacked or in a list, or `MemberValues`: probabilities, or densities per unit
            redshift.
        weights_m
            (M,) weights that sum to 1; equal ones by default. A member of weight 0 is left out, and not
            read. Of a pool that is `gated` also (N, M), of each object its own.
        where
            What the arrays are, for messages.

        Returns
        -------
        (N, K) in double precision; values keep the target's rules. Of 32 or more
        members in single precision the linear pool is exact to single precision.

        Raises
        ------
        InputError
            When there is no member, shapes are not (N, K), weights or values break their rules, or the
            pool does not take such predictions or weights.
        """
        return combine_all(target, values_mnk, [(self, weights_m)], where)[0]

    def pool_block(
        self,
        target: Target,
        block: Block,
        weights_m: FloatArray,
        out: FloatArray | None = None,
        look: Look | None = None,
    ) -> FloatArray:
        """Pool a block of objects whose weights, all above 0, were checked; into `out`, if any.

        So were the values, but where `look` checks them: it is given all of them.
        """
        if len(block) == 1:
            if look is not None:
                look(block, 0, 0)
            pooled = np.asarray(block[0], dtype=np.float64)
        else:
            pooled = self._looked_at(target, block, weights_m, look)
        if out is None:
            return np.array(pooled)
        out[:] = pooled
        return out

    def _looked_at(
        self, target: Target, values_m: Block, weights_m: FloatArray, look: Look | None
    ) -> FloatArray:
        """Pool one block of two members or more, and show it to `look`, if any."""
        if look is not None:
            look(values_m, 0, 0)
        return self._combine(target, values_m, weights_m)

    @abstractmethod
    def _combine(self, target: Target, values_m: Block, weights_m: FloatArray) -> FloatArray:
        """Pool one block of two members or more, whose values and weights (above 0) were checked."""


def combine_all(
    target: Target,
    values_mnk: MemberValues | Block,
    tasks: Sequence[tuple[Pool, Sequence[float] | NDArray[Any] | None]],
    where: str = "members",
) -> list[FloatArray]:
    """Pool the members' predictions in several ways, each a pool and weights, in one pass over the values.

    The arguments, results and errors are those of `Pool.combine`.
    """
    for pool, _ in tasks:
        if not pool.takes(target):
            raise fail(where, f"the {pool.name} pool does not combine {target.spoken}")
    members = as_member_values(values_mnk, target, where)
    m, n, k = members.shape
    weights = [_checked_weights(pool, given, m, n, f"{where}, weights") for pool, given in tasks]
    counts = [each != 0 if each.ndim == 1 else (each != 0).any(axis=0) for each in weights]
    needed = np.flatnonzero(np.any(counts, axis=0))
    chosen = [np.flatnonzero(each[needed]) for each in counts]
    above = [each[..., needed[some]] for each, some in zip(weights, chosen, strict=True)]
    everyone = [len(some) == len(needed) for some in chosen]
    pooled = [np.empty((n, k)) for _ in tasks]
    names = [f"{where}, item {number}" for number in needed.tolist()]
    size = max(1, _BLOCK_VALUES // (len(needed) * k))
    widths = target.widths
    looking = not members.checked
    looker = everyone.index(True) if looking and True in everyone else None  # checks what all others take

    def work(block: Block, first: int, rows: slice) -> None:
        part = block[:, rows] if isinstance(block, np.ndarray) else [values[rows] for values in block]

        def look(piece: Block, member: int, row: int) -> None:
            _check(target, widths, piece, names, member, first + rows.start + row)

        if looking and looker is None:
            look(part, 0, 0)
        for number, (pool, _) in enumerate(tasks):
            some = part if everyone[number] else [part[i] for i in chosen[number].tolist()]
            here = slice(first + rows.start, first + rows.stop)
            own = above[number] if above[number].ndim == 1 else above[number][here]
            pool.pool_block(target, some, own, pooled[number][here], look if number == looker else None)

    # Blocks are small: threads of a single operation would wait for each other, so each block has its own.
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS) if m * n * k > _MANY_VALUES else 1
    with one_blas_thread(), ThreadPoolExecutor(threads) as workers:
        # What lies in memory is gone through at once, so that threads wait for each other at its end alone.
        most = m * n * k if isinstance(members, ArrayValues) else BLOCK_VALUES
        for place, block in blocks(members.some(needed.tolist()), most):
            parts = even_parts(place.stop - place.start, size, threads)
            if threads == 1:
                for rows in parts:
                    work(block, place.start, rows)
            else:
                list(workers.map(partial(work, block, place.start), parts))
    return pooled


def even_parts(n: int, most: int, threads: int) -> list[slice]:
    """Return parts of n rows, none of more than `most`, that give every thread the same work."""
    count = min(n, -(-n // (most * threads)) * threads)
    ends = [n * number // count for number in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _checked_weights(
    pool: Pool, given: Sequence[float] | NDArray[Any] | None, m: int, n: int, where: str
) -> FloatArray:
    """Return (M,) weights, or (N, M) of each object its own."""
    if given is None:
        return np.full(m, 1 / m)
    if np.ndim(given) < 2:
        return check_weights(given, m, where)
    if not pool.gated:
        raise fail(
            where, f"the {pool.name} pool must have one weight for each member, the same for all objects"
        )
    weights = np.asarray(given, dtype=np.float64)
    if weights.shape != (n, m):
        raise fail(where, f"must be of {n} objects by {m} members, but are {weights.shape}")
    wrong = np.flatnonzero(~((weights >= 0).all(axis=1) & (np.abs(weights.sum(axis=1) - 1) <= 1e-6)))
    if wrong.size:
        row = weights[wrong[0]].tolist()
        raise fail(f"{where}, object {wrong[0]}", f"must be 0 or more and sum to 1, but are {row!r:.120}")
    return weights


def check_block(target: Target, block: Block, names: Sequence[str], first_row: int = 0) -> None:
    """Raise InputError unless the members' values of a block keep the rules of predictions.

    Parameters
    ----------
    target
        What they predict.
    block
        M arrays (n, K), stacked or in a list.
    names
        What each of the arrays is, for messages.
    first_row
        Number of the block's first object.
    """
    _check(target, target.widths, block, names, 0, first_row)


def _check(
    target: Target, widths: FloatArray, block: Block, names: Sequence[str], first: int, first_row: int
) -> None:
    """Do what `check_block` does; widths of the bins are at hand, and the first array's is name `first`."""
    if isinstance(block, np.ndarray) and plainly_normalised(block, widths):
        return
    for number, values in enumerate(block, first):
        if not plainly_normalised(values, widths):
            target.normalised(values, names[number], first_row=first_row)


def masses(target: Target, values_nk: NDArray[Any]) -> FloatArray:
    """Return (n, K) probabilities of the columns in double precision, which sum to 1 to rounding."""
    found = np.asarray(values_nk, dtype=np.float64) * target.widths
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def of_masses(target: Target, mass_nk: FloatArray) -> FloatArray:
    """Return values as predictions hold them, of probabilities that need not sum to 1."""
    found = mass_nk / mass_nk.sum(axis=1, keepdims=True)
    return np.asarray(found / target.widths)


def generalised_mean(
    target: Target,
    values_m: Block,
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
