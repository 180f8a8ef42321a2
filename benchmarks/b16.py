"""Time B16's fits: many queries against many training galaxies, synthetic, with five features.

python benchmarks/b16.py [QUERIES] [TRAINING] [THREADS]
"""

import os
import sys
import time

import numpy as np

from rookery.baselines._local_linear import local_linear


def galaxies(n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 5) features, correlated as colours are, and (n,) redshifts."""
    z = generator.gamma(3.0, 0.04, n)
    kind = generator.uniform(0, 1, n)
    noise = generator.normal(0, [0.3, 0.1, 0.03, 0.03, 0.05], (n, 5))
    slopes = np.array([10.0, 2.0, 3.0, 1.0, 0.8]) * z[:, None]
    features = slopes + np.array([1.0, 0.8, 0.4, 0.2, 0.2]) * kind[:, None] + noise
    return (features - features.mean(axis=0)) / features.std(axis=0), z


def main(queries: str = "100000", training: str = "400000", threads: str = "2") -> None:
    generator = np.random.default_rng(0)
    features, z = galaxies(int(training) + int(queries), generator)
    n = int(training)
    load = os.getloadavg()[0]
    start, cpu = time.perf_counter(), time.process_time()
    fits = local_linear(features[:n], z[:n], features[n:], threads=int(threads))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    error = np.sqrt(np.mean((fits.value - z[n:]) ** 2))
    print(f"{queries} queries, {training} training galaxies, {threads} threads")
    print(f"{seconds:.1f} s, of CPU {cpu:.1f} s; load before and after {load:.1f}, {os.getloadavg()[0]:.1f}")
    print(f"rms of the error {error:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
