"""Greedy selection beside DeepHyper's, of the same members in one run: score and seconds.

Run as ``OMP_NUM_THREADS=1 python benchmarks/greedy_against_deephyper.py --deephyper PYTHON``, with the
interpreter of an environment that has `deephyper`. Members are simulated PDFs about noisy redshifts, as bin
probabilities; half of the objects choose, the other half judge. Seconds are of CPU, without imports and
without reading: ours begin at the values, members by objects by bins, and hold every check of them.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.probabilities import LOG_FLOOR, true_likelihood
from rookery_ensembles.redshift_pdf import gaussian_pdf
from rookery_ensembles.weights.greedy import bagged_selection, greedy_selection

SIZES = ((10, 500, 30), (30, 1_000, 60), (50, 2_000, 60), (100, 2_000, 180), (200, 4_000, 180))
"""Members, objects that choose, bins."""
PICKS = 50
Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deephyper", type=Path, metavar="PYTHON", required=True)
    python = parser.parse_args().deephyper
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tests = {size: make(folder, *size) for size in SIZES}
        script = Path(__file__).parent / "zoo_peers" / "with_deephyper.py"
        subprocess.run([str(python), str(script), str(folder)], check=True)
        print("| members x objects x bins | selector | log loss, chosen on | log loss, new | CPU s | times |")
        print("|---|---|---|---|---|---|")
        for size, test in tests.items():
            compare(folder, size, test)


def name_of(members: int, objects: int, bins: int) -> str:
    return f"{members}x{objects}x{bins}"


def make(folder: Path, members: int, objects: int, bins: int) -> tuple[Floats, NDArray[np.intp]]:
    """Write the values that choose, and return those that judge, with their true columns."""
    rng = np.random.default_rng([members, objects, bins])
    z, edges = rng.uniform(0.2, 0.8, 2 * objects), np.linspace(0, 1, bins + 1)
    common = rng.normal(size=2 * objects)
    values = np.empty((members, 2 * objects, bins))
    for number, sigma in enumerate(rng.uniform(0.03, 0.08, members)):
        noise = sigma * (0.6 * common + 0.8 * rng.normal(size=2 * objects))
        pdf = gaussian_pdf(z + noise, np.full(2 * objects, sigma * rng.uniform(0.7, 1.4)), edges)
        values[number] = 0.997 * pdf * np.diff(edges) + 0.003 / bins
    column = np.minimum((z * bins).astype(np.intp), bins - 1)
    file = folder / f"{name_of(members, objects, bins)}.validation.npz"
    np.savez(file, values=values[:, :objects], column=column[:objects])
    return values[:, objects:], column[objects:]


def compare(folder: Path, size: tuple[int, int, int], test: tuple[Floats, NDArray[np.intp]]) -> None:
    """Print a line for each selector of one set of members."""
    with np.load(folder / f"{name_of(*size)}.validation.npz") as given:
        seen = given["values"], given["column"]
    begun = time.process_time()
    ours = greedy_selection(*seen, max_picks=PICKS, patience=PICKS).weights_m
    seconds = time.process_time() - begun
    begun = time.process_time()
    table = np.stack([true_likelihood(each, seen[1], "member") for each in seen[0]])
    bagged = bagged_selection(table)
    found = {
        f"greedy of {PICKS} picks": {"weights": ours, "seconds": seconds},
        "bagged greedy, 20 bags": {"weights": bagged, "seconds": time.process_time() - begun},
        **json.loads((folder / f"{name_of(*size)}.deephyper.json").read_text(encoding="utf-8")),
    }
    for name, one in found.items():
        losses = [loss(np.asarray(one["weights"]), *each) for each in (seen, test)]
        times = "" if name.startswith(("greedy", "bagged")) else f"{one['seconds'] / seconds:.0f}"
        print(
            f"| {' x '.join(map(str, size))} | {name} | {losses[0]:.5f} | {losses[1]:.5f} "
            f"| {one['seconds']:.3f} | {times} |",
            flush=True,
        )


def loss(weights: Floats, values: Floats, column: NDArray[np.intp]) -> float:
    """Return the log loss of a linear pool, in nats."""
    likelihood = weights @ values[:, np.arange(len(column)), column]
    return float(-np.log(np.maximum(likelihood, LOG_FLOOR)).mean())


if __name__ == "__main__":
    main()
