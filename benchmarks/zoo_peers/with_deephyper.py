"""Weights by DeepHyper's selectors: with_deephyper.py FOLDER, in an environment that has `deephyper`.

Of each `NAME.validation.npz` (`values`, M x N x K probabilities; `column`, N true columns) it writes
`NAME.deephyper.json`: the M weights of each selector, with its own defaults and the categorical
cross-entropy as its loss.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from deephyper.ensemble.aggregator import MixedCategoricalAggregator
from deephyper.ensemble.loss import CategoricalCrossEntropy
from deephyper.ensemble.selector import GreedySelector, TopKSelector


def main(folder: Path) -> None:
    """Go through the tasks."""
    for file in sorted(folder.glob("*.validation.npz")):
        out = folder / file.name.replace(".validation.npz", ".deephyper.json")
        if out.is_file():
            continue
        with np.load(file) as given:
            values, column = [each.astype(np.float64) for each in given["values"]], given["column"]
        k = min(5, len(values))
        loss = CategoricalCrossEntropy()
        ways = {
            "DeepHyper TopK": TopKSelector(loss, k=k),
            "DeepHyper Greedy": GreedySelector(
                loss, MixedCategoricalAggregator(), k=k, k_init=k, random_state=0
            ),
            "DeepHyper Greedy of 50": GreedySelector(
                loss, MixedCategoricalAggregator(), k=len(values), k_init=1, max_it=50, eps_tol=1e-6,
                random_state=0,
            ),
        }  # fmt: skip
        found = {}
        for name, selector in ways.items():
            start = time.process_time()
            chosen, shares = selector.select(column, values)
            weights = np.zeros(len(values))
            weights[chosen] = shares
            found[name] = {
                "weights": (weights / weights.sum()).tolist(),
                "seconds": time.process_time() - start,
            }
        out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
