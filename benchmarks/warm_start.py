"""What a warm start is worth: warm_start.py [SEEDS] [SURVEY SPLIT].

The searches of `search_quality.py` on its table, ours alone: without an earlier study, and after one of 40
random configurations whose values are those of the table itself (`the same`), another metric's of the same
networks (`another metric`), shuffled (`by chance`) or of the other sign (`the opposite`). With SURVEY (of
galaxies) and SPLIT also after a real one, of 40 random networks that `rookery search` trains there.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from search_quality import BUDGETS, Values, key, ours, read
from tabulated import COLUMNS, SPACE, TABLE

from rookery.networks.family import load_family
from rookery.search.creation import create_or_open_study
from rookery.search.driver import run_search
from rookery.search.earlier_studies import take_trials
from rookery.search.study import EarlierStudy, EarlierTrial
from rookery.surveys import open_survey
from rookery.surveys.equal_bins import EqualBins

TRIALS = 40
Scored = NDArray[np.float64]


def random_study(score: Callable[[list[int], list[dict[str, object]]], Scored], seed: int) -> EarlierStudy:
    """Return an earlier study of random points of the table, valued by `score`."""
    table = pd.read_parquet(TABLE)[list(COLUMNS)].drop_duplicates().reset_index(drop=True)
    rows = np.random.default_rng([seed, 7]).permutation(len(table))[:TRIALS].tolist()
    table["learning_rate"] = table["learning_rate"].clip(upper=0.027)  # the grid's last value is a hair above
    columns = {name: table[name].tolist() for name in COLUMNS}  # as plain Python values
    points = [{name: column[row] for name, column in columns.items()} for row in rows]
    values = score(rows, points)
    scores = norm.ppf((rankdata(values) - 0.5) / len(values))
    trials = [
        EarlierTrial(trial=int(n), point=points[n], score=(float(scores[n]),)) for n in np.argsort(values)
    ]
    return EarlierStudy(study="earlier", trials=tuple(trials))


def real_study(survey: str, split: str) -> EarlierStudy:
    """Search at random on a real survey, and return what a new study would learn from it."""
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        study = create_or_open_study(
            Path(scratch) / "study", SPACE, open_survey(survey), split,
            target=EqualBins().target, sampler="random", pruner="none", seed=3,
        )  # fmt: skip
        run_search(study, n_trials=TRIALS)
        return take_trials(str(study.path), study, SPACE, load_family(SPACE.family))


def main(seeds: int = 20, survey: str | None = None, split: str | None = None) -> None:
    """Print the mean regret at each budget."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    values: Values = read()
    best = min(float(curve.min()) for curve in values.values())
    crps = pd.read_parquet(TABLE).groupby(list(COLUMNS), sort=False)["validation_crps"].min()
    of_crps = {key(dict(zip(COLUMNS, name, strict=True))): value for name, value in crps.items()}
    ways: dict[str, Callable[[int], tuple[EarlierStudy, ...]]] = {
        "none": lambda seed: (),
        "the same": lambda s: (random_study(lambda _, p: np.array([values[key(x)].min() for x in p]), s),),
        "another metric (CRPS)": lambda s: (
            random_study(lambda _, p: np.array([of_crps[key(x)] for x in p]), s),
        ),
        "by chance": lambda s: (random_study(lambda rows, _: np.random.default_rng(s).random(TRIALS), s),),
        "the opposite": lambda s: (
            random_study(lambda _, p: np.array([-values[key(x)].min() for x in p]), s),
        ),
    }
    if survey and split:
        found = real_study(survey, split)
        ways[f"{TRIALS} networks on {Path(survey).name}"] = lambda seed: (found,)
    print(f"| earlier study; mean regret of {seeds} seeds (standard error) after epochs | ", end="")
    print(" | ".join(map(str, BUDGETS)) + " |\n|---|" + "---|" * len(BUDGETS))
    for name, make in ways.items():
        regret = np.array([ours(values, seed, make(seed))[: BUDGETS[-1]] for seed in range(seeds)]) - best
        told = [(regret[:, b - 1].mean(), regret[:, b - 1].std(ddof=1) / seeds**0.5) for b in BUDGETS]
        print(
            f"| {name} | " + " | ".join(f"{mean:.4f} ({error:.4f})" for mean, error in told) + " |",
            flush=True,
        )


if __name__ == "__main__":
    main(*[int(a) for a in sys.argv[1:2]], *sys.argv[2:4])
