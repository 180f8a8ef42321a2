"""A simulation in chunks, each with its own seed, made here or by worker processes, read in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from rookery.compute.pool import ProcessPool
from rookery.surveys.simulators.galaxies.sample import Sample, draw_sample

CHUNK = 256  # galaxies; part of what a seed means, so that it must not change
_MOST_PROCESSES = 16
_CHUNKS_WORTH_A_PROCESS = 4  # two to three seconds of imports and tables against one a chunk
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # For glibc: keep freed memory. Arrays of some megabytes come and go, and fresh pages cost more than
    # what is computed in them.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 28),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
}


@dataclass(frozen=True)
class Plan:
    """What is to be simulated: number, seed, share of galaxies in Stripe 82, pixels of a side."""

    n: int
    seed: int
    """How many galaxies, and the seed of all."""
    stripe82_fraction: float
    """Part of them in Stripe 82."""
    size: int
    """Pixels of a side."""

    @property
    def n_chunks(self) -> int:
        """Number of chunks; the last may be smaller."""
        return -(-self.n // CHUNK)

    def numbers(self, chunk: int) -> list[int]:
        """Return how many galaxies of a chunk lie in single images, and in Stripe 82."""
        first, last = chunk * CHUNK, min((chunk + 1) * CHUNK, self.n)
        deep = round(self.stripe82_fraction * last) - round(self.stripe82_fraction * first)
        return [last - first - deep, deep]


def simulate(plan: Plan, processes: int | None) -> Iterator[Sample]:
    """Yield all chunks in order, simulated in this process or in several of their own."""
    pool = ProcessPool.for_parts(
        plan.n_chunks,
        processes,
        most=_MOST_PROCESSES,
        worth=_CHUNKS_WORTH_A_PROCESS,
        environment=_ENVIRONMENT,
    )
    return pool.map(partial(simulate_chunk, plan), range(plan.n_chunks))


def simulate_chunk(plan: Plan, chunk: int) -> Sample:
    """Simulate one chunk, with one thread: more would not pay, and might round otherwise."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    generator = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(3, chunk)))
    with threadpool_limits(limits=1):
        return draw_sample(plan.numbers(chunk), plan.size, generator)
