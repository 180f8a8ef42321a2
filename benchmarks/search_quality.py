"""Best value by epochs spent, replayed on the table of `tabulated.py`: search_quality.py [SEEDS] [FIGURE].

Every point that a sampler may suggest is in the table, so that a search needs no training: it reads a
network's epochs and spends them one by one. Ours is the ask_tell of `rookery search` with its default
sampler and pruner, its study kept in memory, without Ray; the others are Optuna alone. One trial at a time.
What counts is the best value of trials that were finished: a stopped one leaves no member.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from tabulated import COLUMNS, EPOCHS, SPACE, TABLE

from rookery.search.ask_tell import open_ask_tell
from rookery.search.study import EarlierStudy, SplitReference, Study, StudyDocument, SurveyReference
from rookery.surveys.equal_bins import EqualBins

BUDGETS = (60, 120, 240, 480)
"""Epochs at which the table is printed; the last one ends a search."""
DEFAULTS: dict[str, Any] = {name: StudyDocument.model_fields[name].default for name in ("sampler", "pruner")}
Curve = NDArray[np.float64]
Values = dict[tuple[Any, ...], Curve]


class MemoryStudy(Study):
    """A study whose trials are kept in memory."""

    def optuna_study(self, *, single_writer: bool = False) -> optuna.Study:
        """Create the Optuna study."""
        return optuna.create_study(direction=self.space.objective.direction)


class Spent:
    """Counts epochs, and keeps the best finished value at each."""

    def __init__(self) -> None:
        self.curve: list[float] = []
        self.best = np.inf

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return len(self.curve) >= BUDGETS[-1]

    def run(self, values: Curve, report: Callable[[int, float], bool]) -> float | None:
        """Spend a network's epochs; return its value, or None where `report` stops it."""
        for step, value in enumerate(values, 1):
            stop = report(step, float(value))
            self.curve.append(self.best)
            # The pruner may speak at the last epoch, too: then nothing is left to stop.
            if stop and step < len(values):
                return None
        self.best = min(self.best, float(values.min()))
        self.curve[-1] = self.best
        return float(values.min())


def key(point: dict[str, Any]) -> tuple[Any, ...]:
    """Return the key of a point in the table."""
    values = (point[name] for name in COLUMNS)
    return tuple(round(v, 6) if isinstance(v, float) else v for v in values)


def read() -> Values:
    """Return each network's objective by epoch."""
    table = pd.read_parquet(TABLE).sort_values("epoch", kind="stable")
    groups = table.groupby(list(COLUMNS), sort=False)
    metric = SPACE.objective.name
    return {
        key(dict(zip(COLUMNS, name, strict=True))): group[metric].to_numpy(float) for name, group in groups
    }


def ours(values: Values, seed: int, warm_start: tuple[EarlierStudy, ...] = ()) -> list[float]:
    """Search as `rookery search` does."""
    document = StudyDocument(
        family=SPACE.family,
        survey=SurveyReference(path="tabulated", checksum=""),
        split=SplitReference(name="half", digest="", folds=0),
        **DEFAULTS,
        execution="actor",
        redshift_bins=EqualBins(),
        seed=seed,
        space=SPACE,
        warm_start=warm_start,
    )
    ask_tell = open_ask_tell(MemoryStudy(Path("tabulated-study"), document), 10**6)
    spent = Spent()
    while not spent.over:
        plan = ask_tell.suggest("trial")
        assert plan is not None
        found = values[key(plan["jobs"][0]["configuration"])]
        value = spent.run(found, lambda step, value: ask_tell.report("trial", step, value))
        ask_tell.finish("trial", value=value)
    return spent.curve


def plain(
    values: Values, sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner
) -> list[float]:
    """Search with Optuna alone."""
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    spent = Spent()
    while not spent.over:
        trial = study.ask()
        found = values[key(SPACE.suggest(trial))]

        def report(step: int, value: float, trial: optuna.Trial = trial) -> bool:
            trial.report(value, step)
            return trial.should_prune()

        value = spent.run(found, report)
        state = optuna.trial.TrialState.PRUNED if value is None else None
        study.tell(trial, value, state=state)
    return spent.curve


SEARCHES: dict[str, Callable[[Values, int], list[float]]] = {
    "Rookery, defaults": ours,
    "random": lambda v, s: plain(v, optuna.samplers.RandomSampler(seed=s), optuna.pruners.NopPruner()),
    "Optuna, TPE": lambda v, s: plain(v, optuna.samplers.TPESampler(seed=s), optuna.pruners.NopPruner()),
    "Optuna, TPE, median pruner": lambda v, s: plain(
        v, optuna.samplers.TPESampler(seed=s), optuna.pruners.MedianPruner()
    ),
}


def main(seeds: int = 20, figure: str | None = None) -> None:
    """Print the mean regret at each budget, and draw the curves."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if seeds < 2:
        sys.exit(f"SEEDS: must be at least 2, but is {seeds}")
    values = read()
    best = min(float(curve.min()) for curve in values.values())
    print(f"{len(values)} networks x {EPOCHS} epochs; best {SPACE.objective.name} {best:.4f}; {seeds} seeds")
    print("| mean regret (standard error) after epochs | " + " | ".join(map(str, BUDGETS)) + " |")
    print("|---|" + "---|" * len(BUDGETS))
    curves: dict[str, Curve] = {}
    for name, search in SEARCHES.items():
        found = np.array([search(values, seed)[: BUDGETS[-1]] for seed in range(seeds)]) - best
        curves[name] = found
        cells = [
            f"{found[:, b - 1].mean():.4f} ({found[:, b - 1].std(ddof=1) / seeds**0.5:.4f})" for b in BUDGETS
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    if figure is not None:
        draw(curves, figure)


def draw(curves: dict[str, Curve], path: str) -> None:
    """Draw the mean regret of each search against epochs spent."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = canvas.subplots()
    for name, found in curves.items():
        axes.plot(np.arange(1, found.shape[1] + 1), found.mean(axis=0), label=name)
    axes.set(xlabel="epochs spent", ylabel="mean regret of the best finished network", yscale="log")
    axes.legend(frameon=False)
    canvas.savefig(path, dpi=150)


if __name__ == "__main__":
    main(*[int(a) for a in sys.argv[1:2]], *sys.argv[2:3])
