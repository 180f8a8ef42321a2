"""Correct a folder's class probabilities for the class fractions that are found in all of them together."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console

from rookery.compute.progress import Progress
from rookery.inference import priors
from rookery.inference.partition import Partitioning, none_observed
from rookery.inference.unfinished import Unfinished
from rookery_ensembles.predictions import read_info, read_predictions, write_predictions
from rookery_ensembles.schema import PriorCorrection

MOST_OBJECTS = 1_000_000
"""Of more objects so many, evenly spaced, tell the fractions: to better than 0.001."""


def correct_partitions(
    todo: Partitioning,
    work: Unfinished,
    training: Sequence[float],
    estimate_on: NDArray[np.str_] | None,
    console: Console,
) -> PriorCorrection:
    """Estimate the class fractions of a folder whose partitions are all there, and correct each of them.

    The fractions are kept before the first partition is replaced: a run that takes this up goes on with them.

    Parameters
    ----------
    training
        (K,) class fractions at which the probabilities are calibrated.
    estimate_on
        Ids of the objects on which the fractions are estimated; by default all.
    """
    record = work.priors()
    if record is None:
        record = priors.find_fractions(_values(todo, estimate_on), training)
        work.keep_priors(record)
    left = [n for n in todo.with_objects() if read_info(todo.file(n)).prior_correction is None]
    done = todo.objects - sum(todo.size(number) for number in left)
    with Progress(todo.objects, console, done=done, name="corrected") as progress:
        for number in left:
            file = todo.file(number)
            write_predictions(priors.corrected(read_predictions(file), record), file)
            progress.add(todo.size(number))
    return record


def _values(todo: Partitioning, estimate_on: NDArray[np.str_] | None) -> NDArray[np.float64]:
    """Return the (n, K) probabilities that tell the fractions."""
    n = sum(pq.read_metadata(todo.file(number)).num_rows for number in todo.with_objects())
    if not n:
        raise none_observed(todo.called, todo.info)
    n = n if estimate_on is None else min(n, len(estimate_on))
    chosen = np.linspace(0, n - 1, min(n, MOST_OBJECTS)).astype(np.int64)
    found = []
    for values_nk, first in _eligible(todo, estimate_on):
        low, high = np.searchsorted(chosen, (first, first + len(values_nk)))
        found.append(values_nk[chosen[low:high] - first].astype(np.float64))
    return np.concatenate(found)


def _eligible(
    todo: Partitioning, estimate_on: NDArray[np.str_] | None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield the values of each partition's objects that may tell the fractions, and how many came before."""
    before = 0
    for number in todo.with_objects():
        part = read_predictions(todo.file(number))
        values = part.values
        if estimate_on is not None:
            values = values[np.isin(part.object_id, estimate_on)]
        yield values, before
        before += len(values)
