"""Weights by AutoGluon's ensemble selection: with_autogluon.py FOLDER, in an environment that has it.

It needs `autogluon.core`, `autogluon.common` and `autogluon.features` alone. Of each `NAME.validation.npz`
(`values`, M x N x K probabilities; `column`, N true columns) it writes `NAME.autogluon.json`: M weights.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

SIZE = 100
"""Of the ensemble, as in AutoGluon's own weighted ensembles."""


class LogLoss:
    """The log-loss where some columns are nobody's truth, which the metric of that name refuses."""

    needs_pred = needs_quantile = False


class Selection(EnsembleSelection):
    """AutoGluon's selection, judged by `LogLoss`."""

    def _calculate_regret(self, y_true, y_pred_proba, metric, sample_weight=None):
        likelihood = y_pred_proba[np.arange(len(y_true)), y_true]
        return -np.log(np.maximum(likelihood, np.finfo(np.float32).eps)).mean()


def main(folder: Path) -> None:
    """Go through the tasks."""
    for file in sorted(folder.glob("*.validation.npz")):
        out = folder / file.name.replace(".validation.npz", ".autogluon.json")
        if out.is_file():
            continue
        with np.load(file) as given:
            values, column = [each.astype(np.float64) for each in given["values"]], given["column"]
        start = time.process_time()
        selection = Selection(SIZE, "multiclass", LogLoss(), random_state=np.random.RandomState(0))
        weights = selection.fit(values, column).weights_
        found = {"weights": weights.tolist(), "seconds": time.process_time() - start}
        out.write_text(json.dumps({"AutoGluon": found}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
