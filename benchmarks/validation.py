"""What an epoch's metrics cost: 100,000 redshift PDFs of 180 bins, seconds of one core, the best of five.

Those of training, by torch where the predictions lie, and those of rookery_ensembles, turn about.
"""

import time

import numpy as np
import torch

from rookery.training.device_metrics import fetched, judged
from rookery.training.speed import one_thread
from rookery_ensembles import RedshiftBins

N, K, HIGHEST = 100_000, 180, 0.4


def main() -> None:
    """Print one line."""
    rng = np.random.default_rng(0)
    target = RedshiftBins(tuple(np.linspace(0, HIGHEST, K + 1)))
    probability = rng.random((N, K), dtype=np.float32) ** 20
    probability /= probability.sum(axis=1, keepdims=True)
    z = rng.uniform(0, HIGHEST, N)
    index = np.minimum((z / HIGHEST * K).astype(int), K - 1)
    there, objects = torch.from_numpy(probability), judged(target, torch.from_numpy(index), z)
    ways = {
        "training": lambda: fetched([objects.score(there)]),
        "rookery_ensembles": lambda: target.score_epoch(probability, index, z),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with one_thread():
        for _ in range(5):
            for name, way in ways.items():
                start = time.process_time()
                way()
                times[name].append(time.process_time() - start)
    for name, found in times.items():
        print(f"{N} PDFs of {K} bins, {name}: {min(found):.2f} s")


if __name__ == "__main__":
    main()
