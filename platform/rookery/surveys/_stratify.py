"""Stratified draws: each type keeps its share, down to types with a single object."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_STRATA = 10


def strata(kind: str, objects: pd.DataFrame) -> NDArray[np.object_]:
    """Return what draws of objects shall share out evenly; None where the truth is unknown.

    Of light curves it is the type, of galaxies the tenth of the known redshifts, as text.
    """
    if kind == "light_curves":
        return objects["type"].to_numpy(dtype=object)
    redshift = objects["redshift"].to_numpy()
    known = np.isfinite(redshift)
    found = np.full(len(redshift), None, dtype=object)
    if known.any():
        edges = np.quantile(redshift[known], np.linspace(0, 1, _STRATA + 1)[1:-1])
        found[known] = [f"tenth {rank}" for rank in np.searchsorted(edges, redshift[known])]
    return found


def stratified_order(types: Sequence[str], generator: np.random.Generator) -> NDArray[np.intp]:
    """Return positions grouped by type (sorted by name), in random order within each type."""
    order = generator.permutation(len(types))
    return order[np.argsort(np.asarray(types, dtype=str)[order], kind="stable")]


def draw(types: Sequence[str], number: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Mark `number` of the objects, so that each type gives its share to within one object.

    The marks are spread evenly over the objects ordered by type: systematic sampling, which keeps
    both the total and every share without special cases for rare types. A random start gives
    every object the same chance.

    Parameters
    ----------
    types
        (N,) type of each object.
    number
        How many to mark, 0 to N.
    generator
        Source of randomness.

    Returns
    -------
    (N,) bool.
    """
    total = len(types)
    marked = np.zeros(total, dtype=bool)
    if total:
        position = np.arange(total) + int(generator.integers(total))
        even = (position + 1) * number // total > position * number // total
        marked[stratified_order(types, generator)] = even
    return marked


def deal(types: Sequence[str], folds: int, generator: np.random.Generator) -> NDArray[np.int16]:
    """Deal the objects onto folds whose sizes, and whose numbers of each type, differ by one at most."""
    fold = np.empty(len(types), np.int16)
    fold[stratified_order(types, generator)] = np.arange(len(types)) % folds
    return fold


def partition(
    types: Sequence[str],
    group: NDArray[np.int64],
    shares: Sequence[float],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal whole groups to sides, so that each side's number of each type comes near its share.

    Large groups first, each to the side where it does least harm: the squared distance of every
    type's number, and of the total, from what the side should have, over that type's number (the
    idea of scikit-learn's StratifiedGroupKFold, with shares). Sizes are jittered by up to a half,
    so that seeds differ. Groups of one object then fill what is missing of their type.

    Parameters
    ----------
    types
        (N,) type of each object.
    group
        (N,) group of each object.
    shares
        Fraction of each side; they add up to 1.
    generator
        Source of randomness.

    Returns
    -------
    (N,) side of each object.
    """
    _, code = np.unique(group, return_inverse=True)
    _, kind = np.unique(np.asarray(types, dtype=str), return_inverse=True)
    n_kinds = int(kind.max(initial=-1)) + 1
    count = np.zeros((int(code.max(initial=-1)) + 1, n_kinds))
    np.add.at(count, (code, kind), 1)
    total = count.sum(axis=0)
    wanted = np.outer(shares, total)
    found = np.zeros_like(wanted)
    side = np.zeros(len(count), dtype=np.int64)
    size = count.sum(axis=1)
    large = np.flatnonzero(size > 1)
    order = large[np.argsort(-size[large] * generator.uniform(0.5, 1.5, len(large)), kind="stable")]
    for each in order:
        harm = _distance(found + count[each] - wanted, total) - _distance(found - wanted, total)
        side[each] = _least(harm, generator)
        found[side[each]] += count[each]
    single = np.flatnonzero(size == 1)
    single_kind = count[single].argmax(axis=1)
    for one in range(n_kinds):
        members = generator.permutation(single[single_kind == one])
        numbers = _fill(wanted[:, one] - found[:, one], len(members), found.sum(axis=1) - wanted.sum(axis=1))
        side[members] = np.repeat(np.arange(len(shares)), numbers)
        found[:, one] += numbers
    return side[code]


def _distance(excess: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each side is from what it should have, per type and in total."""
    return np.asarray((excess**2 / total).sum(axis=1) + excess.sum(axis=1) ** 2 / total.sum())


def _least(values: NDArray[np.float64], generator: np.random.Generator) -> int:
    return int(generator.choice(np.flatnonzero(values <= values.min() + 1e-9)))


def _fill(missing: NDArray[np.float64], number: int, excess: NDArray[np.float64]) -> NDArray[np.int64]:
    """Part `number` objects among sides in proportion to what they miss; what is left to the emptiest."""
    gap = np.maximum(missing, 0)
    if gap.sum() == 0:
        gap = np.ones(len(missing))
    exact = gap / gap.sum() * number
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = number - int(whole.sum())
    order = np.lexsort((excess, -np.round(exact - whole, 9)))
    whole[order[:left]] += 1
    return whole
