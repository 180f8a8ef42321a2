"""Stratified draws: each type keeps its share, down to types with a single object."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
