"""How long bootstrap intervals of all metrics take: bootstrap_metrics.py [OBJECTS] [REPLICATES].

By default 20,000 objects and 300 replicates, for 2 classes and for 6, each class scored too.
"""

import sys
import time

import numpy as np

from rookery_ensembles import WeightedSample, bootstrap_scores


def main() -> None:
    """Draw probabilities that are right more often than not, and score them."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    replicates = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    for k in (2, 6):
        rng = np.random.default_rng(0)
        truth = rng.integers(0, k, n)
        logit = rng.normal(size=(n, k)) + 2.5 * np.eye(k)[truth]
        probability = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
        names = ["Ia", *(f"other {i}" for i in range(1, k))]
        start = time.perf_counter()
        scores = bootstrap_scores(
            WeightedSample(names, truth, probability), replicates=replicates, classes=True
        )
        seconds = time.perf_counter() - start
        low, high = scores.metrics["auc"].intervals[0.68]
        what = f"{n} objects x {replicates} replicates, {k} classes"
        print(f"{what}: {seconds:.1f} s (AUC {low:.4f} to {high:.4f})")


if __name__ == "__main__":
    main()
