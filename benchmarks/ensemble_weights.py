"""What an ensemble of many members costs: reading, weights, pooled PDFs, metrics, and memory.

Run as ``python benchmarks/ensemble_weights.py [--members 200] [--objects 100000] [--bins 180] [--crps]
[--folder FOLDER]``. The members are simulated: Gaussian PDFs about noisy redshifts, some noisier than others.
Each is written as a file of predictions (62 MB at full size; `--folder` keeps them for another run), and
everything else is done from the files. Each line is printed as it is measured.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from rookery_ensembles import RedshiftBins
    from rookery_ensembles.weights import Evidence


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("members", 200), ("objects", 100_000), ("bins", 180), ("picks", 50), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--crps", action="store_true", help="CRPS-optimal weights too; they read all PDFs")
    parser.add_argument(
        "--folder", type=Path, help="where the members' files are kept; else in a temporary one"
    )
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(given.threads)
    with tempfile.TemporaryDirectory() as temporary:
        run(given, given.folder or Path(temporary))


def run(given: argparse.Namespace, folder: Path) -> None:
    """Measure everything."""
    import numpy as np

    from rookery_ensembles import RedshiftBins, open_predictions
    from rookery_ensembles.member_table import likelihoods, tabulate_members
    from rookery_ensembles.pools import find_pool
    from rookery_ensembles.weights import Evidence
    from rookery_ensembles.weights.evidence import cells, gram_of_cells

    target = RedshiftBins.equal(0.0, 1.0, given.bins)
    size = 4e-9 * given.members * given.objects * given.bins
    say(f"{given.members} members x {given.objects} objects x {given.bins} bins: {size:.2f} GB of values")
    with timed("files written"):
        files = member_files(folder, target, given.members, given.objects)
    bandwidth = in_memory(target, given.members, given.threads)
    before = peak()
    with timed("files opened"):
        table = tabulate_members([open_predictions(file) for file in files])
    index = target.index(table.truth)
    with timed("likelihoods read", size):
        likelihood = likelihoods(target, table.values, index, table.members)
    evidence = Evidence(likelihood.astype(np.float32), None, cells(given.objects))
    weights = find_weights_of(evidence, given.picks)
    if given.crps:
        with timed("products of residuals", size):
            gram = gram_of_cells(target, table.values, table.truth, None, evidence.cell)
        fitted(
            "crps, shrunk", Evidence(evidence.likelihood_mn, None, evidence.cell, gram), "crps", shrink=True
        )
    pool = find_pool("linear", target)
    with timed("pooled from the files, all members", size):
        pool.combine(target, table.values)
    counted = int((weights > 0).sum())
    with timed(
        f"pooled from the files, the {counted} members that em gives a weight", size * counted / len(weights)
    ):
        pooled = pool.combine(target, table.values, weights)
    assert pooled.shape == (given.objects, given.bins)
    say(f"peak memory: {peak():.2f} GB ({before:.2f} GB before the files were read)")
    metrics(target, pooled, table.truth)
    say(f"peak memory at the end: {peak():.2f} GB; bandwidth {bandwidth:.1f} GB/s")


def member_files(folder: Path, target: "RedshiftBins", members: int, objects: int) -> list[Path]:
    """Return files of members, made where they are missing."""
    import numpy as np

    from rookery_ensembles import PredictionInfo, Predictions, write_predictions

    rng = np.random.default_rng(0)
    z, common = rng.uniform(0.2, 0.8, objects), rng.normal(size=objects)
    sigmas = rng.uniform(0.02, 0.06, members)
    ids = np.array([f"g{number:07d}" for number in range(objects)])
    edges = np.asarray(target.edges, dtype=np.float32)
    centres = (edges[1:] + edges[:-1]) / 2
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, sigma in enumerate(sigmas):
        path = folder / f"m{number:03d}-{objects}-{target.n_columns}.parquet"
        files.append(path)
        if path.is_file():
            continue
        own = np.random.default_rng([1, number]).normal(size=objects)
        mean = (z + sigma * (0.6 * common + 0.8 * own)).astype(np.float32)
        values = np.empty((objects, target.n_columns), dtype=np.float32)
        for start in range(0, objects, 10_000):
            part = slice(start, start + 10_000)
            density = np.exp(-0.5 * ((centres - mean[part, None]) / np.float32(sigma)) ** 2)
            values[part] = density / (density @ np.diff(edges))[:, None]
        write_predictions(Predictions(PredictionInfo(target, member=path.stem), ids, z, values), path)
        if number % 20 == 0:
            say(f"  file {number + 1} of {members}: {path.stat().st_size / 1e6:.1f} MB")
    return files


def in_memory(target: "RedshiftBins", members: int, threads: int) -> float:
    """Pool a part of the objects that lies in memory, beside what reading it once takes; return GB/s.

    It is read by as many threads as pool, each its part (a product of vectors by BLAS).
    """
    import numpy as np

    from rookery_ensembles.member_values import ArrayValues
    from rookery_ensembles.pools import find_pool

    n = max(1, 200_000_000 // (members * target.n_columns))
    values = np.random.default_rng(0).random((members, n, target.n_columns), dtype=np.float32) + 1e-3
    values /= (values @ np.diff(target.edges).astype(np.float32))[:, :, None]
    weights = np.random.default_rng(1).dirichlet(np.ones(members))
    parts = np.array_split(values.reshape(-1), threads)
    with ThreadPoolExecutor(threads) as readers:
        read = values.nbytes / 1e9 / best_of(lambda: list(readers.map(np.dot, parts, parts)))
    pool = find_pool("linear", target)
    say(f"memory read once: {read:.1f} GB/s")

    class Checked(ArrayValues):
        """Values that were checked when they were read, as those of files are."""

        checked = True

    in_three_ways = {
        "pooled": Checked(values),
        "pooled, an array each": Checked([*values]),
        "checked and pooled": ArrayValues(values),
    }
    for label, given in in_three_ways.items():
        rate = values.nbytes / 1e9 / best_of(lambda given=given: pool.combine(target, given, weights))
        say(f"  {label}: {rate:.1f} GB/s, {100 * rate / read:.0f} %")
    return read


def find_weights_of(evidence: "Evidence", picks: int) -> "np.ndarray":
    """Find weights in each way, and return those of the best log score."""
    from rookery_ensembles.weights.greedy import select_by_likelihood

    fitted("em", evidence, "em", shrink=False)
    weights = fitted("em, shrunk", evidence, "em", shrink=True)
    with timed(f"greedy of {picks} picks"):
        found = select_by_likelihood(evidence.likelihood_mn, max_picks=picks, patience=picks).weights_m
    say(f"  log-loss {evidence.loss(found):.5f}")
    fitted("greedy, bagged", evidence, "greedy", shrink=False)
    return weights


def fitted(label: str, evidence: "Evidence", name: str, *, shrink: bool) -> "np.ndarray":
    """Return weights, and tell what they took and gain."""
    import numpy as np

    from rookery_ensembles.weights import WEIGHTS

    with timed(label):
        weights = WEIGHTS[name].fit(evidence, shrink=shrink).weights_m
    m = len(evidence)
    say(f"  log-loss {evidence.loss(weights):.5f} (equal weights {evidence.loss(np.full(m, 1 / m)):.5f})")
    return weights


def metrics(target: "RedshiftBins", pooled: "np.ndarray", truth: "np.ndarray") -> None:
    """Time PIT, CRPS, CDE loss and moments of the pooled PDFs."""
    from rookery_ensembles import photoz_metrics

    with timed("PIT, CRPS, CDE loss, moments and all other metrics"):
        found = photoz_metrics(pooled, target.edges, truth)
    say("  " + ", ".join(f"{name} {found[name]:.5f}" for name in ("crps", "cde_loss", "pit_ks", "sharpness")))


@contextmanager
def timed(label: str, gigabytes: float = 0.0) -> Iterator[None]:
    """Print what the block took, and how much of it on CPUs: more than that where others share them."""
    start, cpu = time.perf_counter(), time.process_time()
    yield
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    rate = f", {gigabytes / seconds:.2f} GB/s" if gigabytes else ""
    say(f"{label}: {seconds:.2f} s ({cpu:.2f} s of CPU){rate}")


def best_of(work: Callable[[], Any], times: int = 3) -> float:
    """Return the least seconds of several times."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def peak() -> float:
    """Return the most memory that this process had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
