"""A simulation in chunks, each with its own seed, made here or by worker processes, read in order.

A worker is told the number of one chunk at a time and writes it into a file; the next number comes
only when that file is being taken, so that at most one chunk a worker lies on the disk.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rookery.surveys.simulators.galaxies.sample import Sample, draw_sample
from rookery.surveys.simulators.supernovae.chunks import available_cores

CHUNK = 256  # galaxies; part of what a seed means, so that it must not change
_WORKER = "rookery.surveys.simulators.galaxies.worker"
_MOST_PROCESSES = 16
_CHUNKS_WORTH_A_PROCESS = 4  # two to three seconds of imports and tables against one a chunk
_TABLES = ("objects", "truth")
# For glibc: keep freed memory. Arrays of some megabytes come and go, and fresh pages cost more than
# what is computed in them.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 28), "MALLOC_TRIM_THRESHOLD_": str(1 << 28)}


@dataclass(frozen=True)
class Plan:
    """What is to be simulated: number, seed, share of galaxies in Stripe 82, pixels of a side."""

    n: int
    seed: int
    stripe82_fraction: float
    size: int

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
    if processes is None:
        processes = max(1, min(available_cores(), _MOST_PROCESSES, plan.n_chunks // _CHUNKS_WORTH_A_PROCESS))
    processes = min(processes, plan.n_chunks)
    if processes == 1:
        for chunk in range(plan.n_chunks):
            yield simulate_chunk(plan, chunk)
    else:
        yield from _from_workers(plan, processes)


def simulate_chunk(plan: Plan, chunk: int) -> Sample:
    """Simulate one chunk, with one thread: more would not pay, and might round otherwise."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    generator = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(3, chunk)))
    with threadpool_limits(limits=1):
        return draw_sample(plan.numbers(chunk), plan.size, generator)


def serve(task: str) -> None:
    """Do a worker's work: read numbers of chunks from standard input, answer each when its file is there."""
    document = json.loads(task)
    plan, folder = Plan(**document["plan"]), Path(document["folder"])
    for line in sys.stdin:
        chunk = int(line)
        _save(simulate_chunk(plan, chunk), folder, chunk)
        sys.stdout.write(f"{chunk}\n")
        sys.stdout.flush()


def _from_workers(plan: Plan, processes: int) -> Iterator[Sample]:
    """Give out chunks in turn, and read them in order.

    Workers are commands, not of multiprocessing: that would run a caller's script again in each of
    them, unless the script is guarded.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**_MEMORY, **os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="rookery-simulate-") as name:
        folder = Path(name)
        command = [
            sys.executable, "-m", _WORKER, json.dumps({"plan": asdict(plan), "folder": name}),
        ]  # fmt: skip
        workers: list[subprocess.Popen[str]] = []
        try:
            for number in range(processes):
                with (folder / f"messages-{number}").open("w") as messages:
                    worker = subprocess.Popen(
                        command,
                        env=environment,
                        text=True,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=messages,
                    )
                workers.append(worker)
                _ask(worker, number)
            for chunk in range(plan.n_chunks):
                number = chunk % processes
                if not _answered(workers[number]):
                    raise RuntimeError(_ending(workers[number], folder / f"messages-{number}"))
                if chunk + processes < plan.n_chunks:
                    _ask(workers[number], chunk + processes)
                yield _taken(folder, chunk)
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()


def _ask(worker: "subprocess.Popen[str]", chunk: int) -> None:
    """Tell a worker what to do next; one that has ended is found out when its answer is read."""
    assert worker.stdin is not None
    try:
        worker.stdin.write(f"{chunk}\n")
        worker.stdin.flush()
    except BrokenPipeError:
        pass


def _answered(worker: "subprocess.Popen[str]") -> bool:
    """Wait for a worker's answer; return whether there was one, and not its end."""
    assert worker.stdout is not None
    return bool(worker.stdout.readline())


def _ending(worker: "subprocess.Popen[str]", messages: Path) -> str:
    code = worker.wait()
    last = messages.read_text(errors="replace").strip().splitlines()[-1:]
    return f"a simulating process ended with {code}: {last}"


def _files(folder: Path, chunk: int) -> tuple[Path, Path]:
    """Return a chunk's file of images, and that of its tables."""
    return folder / f"{chunk}.npy", folder / f"{chunk}.npz"


def _save(sample: Sample, folder: Path, chunk: int) -> None:
    images, tables = _files(folder, chunk)
    columns = {
        f"{table}.{name}": values for table in _TABLES for name, values in getattr(sample, table).items()
    }
    np.save(images, sample.images, allow_pickle=False)
    np.savez(tables, allow_pickle=False, rejected=sample.rejected, **columns)


def _taken(folder: Path, chunk: int) -> Sample:
    """Read a chunk and remove its files."""
    images, tables = _files(folder, chunk)
    with np.load(tables) as file:
        columns = {
            table: {key.split(".", 1)[1]: file[key] for key in file.files if key.startswith(f"{table}.")}
            for table in _TABLES
        }
        sample = Sample(images=np.load(images), rejected=file["rejected"], **columns)
    images.unlink()
    tables.unlink()
    return sample
