"""How `auto` goes from the plain average to its recipe: several rules on the scikit-learn tasks of zoo.py.

Run as ``OMP_NUM_THREADS=1 python benchmarks/zoo_rules.py FOLDER [DATA]`` after ``zoo.py --folder FOLDER``,
whose pools and judged ensembles are taken. A rule is two numbers of standard errors: what greedy selection
with the usual calibration must gain over the plain average, and the best recipe over what stands then; where
the first is missing, so is the step. Each rule takes the place of `auto` in zoo.py's table. Tasks of networks
are left out: they choose nothing.
"""

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.stats import rankdata
from zoo import ROUNDING, _losses, _mean, _read
from zoo_tasks import Task, all_tasks, load

from rookery_ensembles import auto
from rookery_ensembles._trials import Trials
from rookery_ensembles.blas import one_blas_thread
from rookery_ensembles.pools import find_pool
from rookery_ensembles.recipe import PLAIN, USUAL, Recipe
from rookery_ensembles.weights import find_weights

RULES: tuple[tuple[float | None, float], ...] = ((None, 2.0), (2.0, 2.0), (1.0, 2.0), (0.0, 2.0), (1.0, 1.0))


def main(folder: Path, data: Path) -> None:
    """Print a line for each rule."""
    tasks = [task for task in all_tasks() if not task.networks]
    judged = [json.loads((folder / f"{task.name}.judged.json").read_text()) for task in tasks]
    names = [name for name, told in judged[0].items() if isinstance(told, dict)]
    found = [served(task, folder, data) for task in tasks]
    print("| to `greedy`, to the best | rank, log score | rank, CRPS or Brier | gain, nats | loses |")
    print("|---|---|---|---|---|")
    for rule, (first, second) in enumerate(RULES):
        ranks = []
        for what in ("log", "square"):
            scores = [
                [(own[rule] if name == "auto" else others[name])[what] for name in names]
                for own, others in zip(found, judged, strict=True)
            ]
            ranks.append(
                rankdata(np.round(np.array(scores) / ROUNDING), axis=1).mean(axis=0)[names.index("auto")]
            )
        gains = np.array([own[rule]["gain"] for own in found])
        lost = 100 * np.mean(gains[:, 0] < -gains[:, 1] - ROUNDING)
        told = f"{'left out' if first is None else first}, {second}"
        print(f"| {told} | {ranks[0]:.2f} | {ranks[1]:.2f} | {gains[:, 0].mean():+.4f} | {lost:.0f} % |")


def served(task: Task, folder: Path, data: Path) -> list[dict[str, Any]]:
    """Return by rule the scores of what is served on the objects that judge, and its gain and error."""
    target = load(task.of, data, folder).target
    (seen, seen_truth), (unseen, truth) = (
        _read(folder / f"{task.name}.{part}.npz", target) for part in ("validation", "test")
    )
    known: dict[Recipe, list[np.ndarray]] = {}
    told = []
    with one_blas_thread():
        trials = Trials(target, list(seen), seen_truth, None, sharpen=True)
        for rule in RULES:
            recipe = chosen(trials, rule)
            for each in (PLAIN, recipe):
                if each not in known:
                    known[each] = list(_losses(target, _values(trials, each, unseen), truth))
            log, square = known[recipe]
            gain = _mean(known[PLAIN][0] - log)
            told.append({"log": float(log.mean()), "square": float(square.mean()), "gain": gain})
    print(task.name, file=sys.stderr, flush=True)
    return told


def chosen(trials: Trials, rule: tuple[float | None, float]) -> Recipe:
    """Return what a rule serves."""
    first, second = rule

    def climbed(trials: Trials, outer: int | None, steps: list[Recipe]) -> Recipe:
        taken = PLAIN
        for step, errors in zip(steps, (first, second) if len(steps) == 2 else (second,), strict=True):
            gain, error = trials.gain(step, outer, over=taken)
            if errors is not None and gain > errors * error:
                taken = step
        return taken

    usual = PLAIN if first is None else USUAL  # as if it were not among the recipes
    with patch.object(auto, "_climbed", climbed), patch.object(auto, "USUAL", usual):
        recipe, _ = auto.select(trials)
        gain, _ = auto.honest_gain(trials)
    return recipe if gain > 0 else PLAIN


def _values(trials: Trials, recipe: Recipe, unseen: np.ndarray) -> np.ndarray:
    """Return a recipe's values of new objects, after a fit to all that chose."""
    target, pool = trials.target, find_pool(recipe.pool, trials.target)
    weights = find_weights(recipe.weights).fit(trials.evidence, shrink=recipe.shrink).weights_m
    pooled = pool.combine(target, trials.values_m, weights)
    calibration = recipe.fit_calibration(target, pooled, trials.index_n, None, sharpen=True)
    return target.calibrate(calibration, pool.combine(target, list(unseen), weights))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(*sys.argv[2:3] or ["../shared/data"]))
