"""Bytes of a PDF against what its scores lose: compact_pdfs.py [PREDICTIONS] [--objects 20000].

PREDICTIONS is a file of redshift PDFs with known truth; without one, simulated PDFs of one to three Gaussian
peaks over 180 bins from z = 0 to 0.4, each with a redshift drawn from it.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from rookery_ensembles import photoz_metrics, read_predictions
from rookery_ensembles.compact import FORMS


def simulated(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    edges = np.linspace(0, 0.4, 181)
    centre = rng.uniform(0.02, 0.35, (n, 1)) + np.pad(rng.normal(0, 0.05, (n, 2)), ((0, 0), (1, 0)))
    sigma, share = np.exp(rng.normal(np.log(0.012), 0.5, (n, 3))), rng.dirichlet([6, 1, 0.5], n)
    masses = np.zeros((n, 180))
    for peak in range(3):
        masses += share[:, [peak]] * np.diff(norm.cdf(edges, centre[:, [peak]], sigma[:, [peak]]), axis=1)
    masses /= masses.sum(axis=1, keepdims=True)
    cdf = np.pad(np.cumsum(masses, axis=1), ((0, 0), (1, 0)))
    z = np.array([np.interp(u, row, edges) for u, row in zip(rng.uniform(size=n), cdf, strict=True)])
    return masses / np.diff(edges), edges, z


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", type=Path, nargs="?")
    parser.add_argument("--objects", type=int, default=20_000)
    asked = parser.parse_args()
    if asked.predictions is None:
        pdf, edges, z = simulated(asked.objects)
    else:
        read = read_predictions(asked.predictions)
        known = np.isfinite(np.asarray(read.truth, dtype=float))
        pdf, z = read.values[known][: asked.objects].astype(float), read.truth[known][: asked.objects]
        edges = np.asarray(read.info.target.edges)
    width, before = np.diff(edges), photoz_metrics(pdf, edges, z)
    scores = f"CRPS {before['crps']:.5f}, sigma_MAD {before['sigma_mad']:.5f}"
    print(f"{len(z)} PDFs of {len(width)} bins: {scores}\n")
    print("| form | bytes | CRPS | sigma_MAD | 68 % coverage | written/s | read/s |")
    print("|---|---|---|---|---|---|---|")
    print(f"| float32 | {4 * len(width)} | | | {before['coverage_68']:.3f} | | |")
    for form in FORMS.values():
        start = time.perf_counter()
        numbers = form.encode(pdf * width, edges)
        middle = time.perf_counter()
        found = form.decode(numbers, edges) / width
        end = time.perf_counter()
        after = photoz_metrics(found, edges, z)
        lost = " | ".join(
            f"{100 * (after[name] / before[name] - 1):+.2f} %" for name in ("crps", "sigma_mad")
        )
        speed = f"{len(z) / (middle - start):,.0f} | {len(z) / (end - middle):,.0f}"
        print(
            f"| `{form.name}` | {form.n_bytes(len(width))} | {lost} | {after['coverage_68']:.3f} | {speed} |"
        )


if __name__ == "__main__":
    main()
