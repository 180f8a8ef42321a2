"""A simulation in chunks, each with its own seed: the result does not depend on who makes which."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from rookery.compute.pool import ProcessPool
from rookery.surveys.simulators.supernovae.cadence import Cadence
from rookery.surveys.simulators.supernovae.designs import Design, find_design
from rookery.surveys.simulators.supernovae.light_curves import build_model
from rookery.surveys.simulators.supernovae.sample import Sample, draw_sample

CHUNK = 500  # objects; part of what a seed means, so that it must not change
_MOST_PROCESSES = 8
_CHUNKS_WORTH_A_PROCESS = 5  # two seconds of imports and tables against half a second a chunk


@dataclass(frozen=True)
class Plan:
    """What is to be simulated."""

    survey: str
    """Which design."""
    n: int
    seed: int
    """How many supernovae, and the seed of all."""
    deep_fraction: float
    """Part of them in deep fields."""
    templates: str | None = None
    """Folder of core-collapse templates; None for analytic spectra alone."""
    superluminous: bool = False
    """Whether superluminous supernovae explode too."""

    @property
    def design(self) -> Design:
        """The survey's design."""
        return replace(find_design(self.survey), superluminous=self.superluminous)

    @property
    def n_chunks(self) -> int:
        """Number of chunks; the last may be smaller."""
        return -(-self.n // CHUNK)

    def cadences(self) -> list[Cadence]:
        """Draw the fields and visits that all chunks share."""
        seeds = np.random.SeedSequence(self.seed, spawn_key=(0,)).spawn(len(self.design.parts))
        return [
            part.draw(np.random.default_rng(seed))
            for part, seed in zip(self.design.parts, seeds, strict=True)
        ]

    def numbers(self, chunk: int) -> list[int]:
        """Return how many objects of each part a chunk has."""
        first, last = chunk * CHUNK, min((chunk + 1) * CHUNK, self.n)
        if len(self.design.parts) == 1:
            return [last - first]
        deep = round(self.deep_fraction * last) - round(self.deep_fraction * first)
        return [last - first - deep, deep]


def simulate(plan: Plan, processes: int | None) -> Iterator[Sample]:
    """Yield all chunks in order, simulated in this process or in several of their own."""
    pool = ProcessPool.for_parts(
        plan.n_chunks, processes, most=_MOST_PROCESSES, worth=_CHUNKS_WORTH_A_PROCESS
    )
    return pool.map(partial(simulate_chunk, plan), range(plan.n_chunks))


def simulate_chunk(plan: Plan, chunk: int) -> Sample:
    """Simulate one chunk."""
    model = build_model(plan.design.filters, plan.design.max_redshift, plan.templates)
    generator = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(1, chunk)))
    return draw_sample(plan.design, model, _cadences(plan), plan.numbers(chunk), generator)


@lru_cache(maxsize=1)
def _cadences(plan: Plan) -> list[Cadence]:
    return plan.cadences()
