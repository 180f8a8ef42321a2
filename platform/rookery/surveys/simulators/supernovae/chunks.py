"""A simulation in chunks, each with its own seed: the result does not depend on who makes which."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rookery.surveys.simulators.supernovae.cadence import Cadence
from rookery.surveys.simulators.supernovae.designs import Design, find_design
from rookery.surveys.simulators.supernovae.light_curves import build_model
from rookery.surveys.simulators.supernovae.population import Population
from rookery.surveys.simulators.supernovae.sample import Sample, draw_sample

CHUNK = 500  # objects; part of what a seed means, so that it must not change
_WORKER = "rookery.surveys.simulators.supernovae.worker"
_MOST_PROCESSES = 8
_CHUNKS_WORTH_A_PROCESS = 5  # two seconds of imports and tables against half a second a chunk


@dataclass(frozen=True)
class Plan:
    """What is to be simulated."""

    survey: str
    n: int
    seed: int
    deep_fraction: float

    @property
    def design(self) -> Design:
        """The survey's design."""
        return find_design(self.survey)

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


def simulate(plan: Plan, processes: int | None) -> list[Sample]:
    """Simulate all chunks, in this process or in several of their own."""
    if processes is None:
        processes = max(1, min(available_cores(), _MOST_PROCESSES, plan.n_chunks // _CHUNKS_WORTH_A_PROCESS))
    processes = min(processes, plan.n_chunks)
    if processes == 1:
        return list(simulate_chunks(plan, range(plan.n_chunks)))
    return _in_workers(plan, processes)


def simulate_chunks(plan: Plan, chunks: Iterable[int]) -> Iterator[Sample]:
    """Simulate some chunks, one after the other."""
    model = build_model(plan.design.filters, plan.design.max_redshift)
    cadences = plan.cadences()
    for chunk in chunks:
        generator = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(1, chunk)))
        yield draw_sample(plan.design, model, cadences, plan.numbers(chunk), generator)


def run_worker(task: dict[str, Any]) -> None:
    """Do one worker's task: some chunks of a plan, each into a file of the folder."""
    chunks = task["chunks"]
    for chunk, sample in zip(chunks, simulate_chunks(Plan(**task["plan"]), chunks), strict=True):
        _save(sample, _chunk_file(Path(task["folder"]), chunk))


def _in_workers(plan: Plan, processes: int) -> list[Sample]:
    """Simulate in processes that run this package alone.

    They are started as commands, not by multiprocessing: that would run a caller's script again in
    each of them, unless the script is guarded.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with tempfile.TemporaryDirectory(prefix="rookery-simulate-") as folder:
        workers = []
        try:
            for number in range(processes):
                chunks = list(range(number, plan.n_chunks, processes))
                task = json.dumps({"plan": asdict(plan), "chunks": chunks, "folder": folder})
                command = [sys.executable, "-m", _WORKER, task]
                workers.append(
                    subprocess.Popen(
                        command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
                    )
                )
            for worker in workers:
                _, message = worker.communicate()
                if worker.returncode:
                    last = message.decode(errors="replace").strip().splitlines()[-1:]
                    raise RuntimeError(f"a simulating process ended with {worker.returncode}: {last}")
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        return [_load(_chunk_file(Path(folder), chunk)) for chunk in range(plan.n_chunks)]


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunk_file(folder: Path, chunk: int) -> Path:
    return folder / f"{chunk}.npz"


def _save(sample: Sample, path: Path) -> None:
    columns = {field.name: getattr(sample, field.name) for field in fields(sample)}
    population = columns.pop("population")
    columns |= {f"population_{field.name}": getattr(population, field.name) for field in fields(population)}
    np.savez(path, allow_pickle=False, **columns)


def _load(path: Path) -> Sample:
    with np.load(path) as file:
        population = Population(
            **{field.name: file[f"population_{field.name}"] for field in fields(Population)}
        )
        names = [field.name for field in fields(Sample) if field.name != "population"]
        return Sample(population=population, **{name: file[name] for name in names})
