"""How long an object takes on one core: ``python -m MODULE.benchmark``."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from .ensemble import BLOCK, load_ensemble
from .light_curves import LightCurve, light_curve


def random_curves(n: int, points: int, bands: list[str], seed: int = 0) -> list[LightCurve]:
    """Return light curves of random bumps and noise: as long as real ones, with no science in them."""
    rng, curves = np.random.default_rng(seed), []
    for _ in range(n):
        mjd = 60_000 + np.sort(rng.uniform(0, 150, points))
        flux = 100 * np.exp(-0.5 * ((mjd - 60_050) / 20) ** 2) + rng.normal(0, 10, points)
        curves.append(light_curve(mjd, rng.choice(bands, points), flux, np.full(points, 10.0)))
    return curves


def main() -> None:
    """Write the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=512)
    parser.add_argument("--points", type=int, default=60, help="observations of each object")
    given = parser.parse_args()
    torch.set_num_threads(1)
    begin = time.perf_counter()
    ensemble = load_ensemble()
    loaded = time.perf_counter() - begin
    bands = sorted({band for one in ensemble.document["inputs"] for band in one["bands"]})
    curves = random_curves(given.objects, given.points, bands)
    ensemble.probabilities(curves[:BLOCK])
    ensemble.probabilities(curves[:1])
    single = []
    for curve in curves:
        begin = time.perf_counter()
        ensemble.probabilities([curve])
        single.append(1e3 * (time.perf_counter() - begin))
    begin = time.perf_counter()
    ensemble.probabilities(curves)
    together = 1e3 * (time.perf_counter() - begin) / len(curves)
    median, late = np.quantile(single, [0.5, 0.99])
    folder, members = Path(__file__).parent.name, len(ensemble.document["members"])
    sys.stdout.write(
        f"{folder}: {members} networks, one thread, {given.objects} objects of {given.points} points\n"
        f"loading            {loaded:.2f} s\n"
        f"one at a time      {median:.2f} ms per object (99 %: {late:.2f} ms)\n"
        f"{f'in blocks of {BLOCK}':<18} {together:.2f} ms per object\n"
    )


if __name__ == "__main__":
    main()
