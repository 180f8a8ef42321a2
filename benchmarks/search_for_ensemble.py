"""Search for the ensemble against search for the best network.

    python benchmarks/search_for_ensemble.py SCRATCH CATALOGUE [SEEDS]

Both are the ask_tell of `rookery search` with its defaults, replayed on the networks of
`tabulated_members.py` (made in SCRATCH from CATALOGUE, MLZ's `SDSS_MGS.train`): a network's epochs are read
and spent one by one. A point that is proposed again is trained from its other random start. After each
trial the ensemble of all finished networks is chosen as `rookery ensemble --by greedy` chooses, on the
validation galaxies; its log loss is that of the test galaxies, which nothing else sees. A seed begins both
searches alike.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from search_quality import DEFAULTS, MemoryStudy
from tabulated_members import BINS, SPACE, STARTS, Floats, Tabulated, key, make

from rookery.search.ask_tell import open_ask_tell
from rookery.search.study import SplitReference, StudyDocument, SurveyReference
from rookery_ensembles.marginal import contributions
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.weights.greedy import bagged_selection

BUDGET, _BAGS = 480, 5
Table = dict[tuple[Any, ...], list[Tabulated]]


class FinishedLikelihoods:
    """What :class:`rookery.search.ensemble_gains.MemberLikelihoods` is, from the table."""

    weight_n = None

    def __init__(self) -> None:
        self.finished: dict[int, Tabulated] = {}

    def of(self, trial: int) -> Floats:
        """Return a finished trial's likelihoods of the validation galaxies."""
        return self.finished[trial].likelihood["validation"]


def replay(table: Table, search_for: str, seed: int, *, further: bool = False) -> Floats:
    """Return the ensemble's log loss of the test galaxies after each epoch; infinite at first.

    With `further`, once eight trials have finished, every third network is one more random start of the
    finished point whose worth is greatest; the sampler is not told of it.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    document = StudyDocument(
        family=SPACE.family,
        survey=SurveyReference(path="tabulated", checksum=""),
        split=SplitReference(name="three", digest="", folds=0),
        **DEFAULTS,
        search_for=search_for,
        execution="actor",
        redshift_bins=BINS,
        seed=seed,
        space=SPACE,
    )
    known, visits, curve = FinishedLikelihoods(), Counter[tuple[Any, ...]](), list[float]()
    ask_tell = open_ask_tell(MemoryStudy(Path("tabulated-study"), document), 10**6, likelihoods=known)
    loss, turn, points, extra = np.inf, 0, dict[int, tuple[Any, ...]](), list[Tabulated]()
    while len(curve) < BUDGET:
        turn += 1
        again = most_worth(known, points, visits) if further and turn % 3 == 0 else None
        if again is not None:
            extra.append(table[again][visits[again] % STARTS])
            visits[again] += 1
            curve += [loss] * len(extra[-1].curve)
            curve[-1] = loss = test_loss([*known.finished.values(), *extra])
            continue
        plan = ask_tell.suggest("trial")
        assert plan is not None
        point = key(plan["jobs"][0]["configuration"])
        network = table[point][visits[point] % STARTS]
        visits[point] += 1
        stopped = False
        for step, value in enumerate(network.curve.tolist(), 1):
            curve.append(loss)
            stopped = ask_tell.report("trial", step, value) and step < len(network.curve)
            if stopped:
                break
        if not stopped:
            known.finished[plan["trial"]], points[plan["trial"]] = network, point
            curve[-1] = loss = test_loss([*known.finished.values(), *extra])
        ask_tell.finish("trial", value=None if stopped else float(network.curve.min()))
    return np.array(curve[:BUDGET])


def most_worth(
    known: FinishedLikelihoods, points: dict[int, tuple[Any, ...]], visits: Counter[tuple[Any, ...]]
) -> tuple[Any, ...] | None:
    """Return the finished point with a random start left of which one more network is worth most."""
    if len(points) < 8:
        return None
    worth = contributions(np.stack([known.of(trial) for trial in points])).another_m
    ordered = [list(points.values())[place] for place in np.argsort(-worth)]
    return next((point for point in ordered if visits[point] < STARTS), None)


def test_loss(networks: Sequence[Tabulated]) -> float:
    """Return the log loss of the test galaxies under the ensemble that the validation galaxies choose."""
    validation, test = (np.stack([n.likelihood[role] for n in networks]) for role in ("validation", "test"))
    return float(-np.log(np.maximum(bagged_selection(validation, bags=_BAGS) @ test, LOG_FLOOR)).mean())


def first_reached(curve: Floats, wanted: float) -> float:
    """Return the epochs after which a loss is reached; the whole budget and more where it is not."""
    reached = np.flatnonzero(curve <= wanted)
    return float(reached[0] + 1) if reached.size else np.inf


def main(scratch: str, catalogue: str, seeds: int = 20) -> None:
    """Print both mean curves, what the epochs compare to, and the difference at the end."""
    if seeds < 2:
        sys.exit(f"SEEDS: must be at least 2, but is {seeds}")
    table = make(Path(scratch), Path(catalogue))
    describe([network for networks in table.values() for network in networks])
    with ProcessPoolExecutor(2) as pool:
        curves = {
            aim: np.array(list(pool.map(partial(replay, table, aim), range(seeds))))
            for aim in ("member", "ensemble")
        }
        further = partial(replay, table, "ensemble", further=True)
        starts = np.array(list(pool.map(further, range(seeds))))
    report(curves)
    print("\nwith further random starts of what is worth most, in place of every third new point:")
    report({"member": curves["member"], "ensemble": starts})


def describe(networks: Sequence[Tabulated]) -> None:
    """Print what there is to find: the network that validates best, and the ensemble of all."""
    best = min(networks, key=lambda network: float(network.curve.min()))
    print(
        f"{len(networks)} networks; test log loss of the one that validates best {test_loss([best]):.4f}",
        end="",
    )
    print(f", of the ensemble chosen from all {test_loss(networks):.4f}", flush=True)


def report(curves: dict[str, Floats]) -> None:
    """Print the table."""
    member, ensemble = curves["member"], curves["ensemble"]
    seeds = len(member)
    budgets = [b for b in (180, 240, 360, 480) if b <= member.shape[1]]
    print(
        f"| test log loss of the ensemble after epochs; {seeds} seeds | "
        + " | ".join(map(str, budgets))
        + " |"
    )
    print("|---|" + "---|" * len(budgets))
    rows = {"search for the best network": member, "search for the ensemble": ensemble}
    for name, found in rows.items():
        print(f"| {name} | " + " | ".join(f"{found[:, b - 1].mean():.4f}" for b in budgets) + " |")
    gaps = [ensemble[:, b - 1] - member[:, b - 1] for b in budgets]
    cells = [f"{gap.mean():+.4f} ({gap.std(ddof=1) / seeds**0.5:.4f})" for gap in gaps]
    print("| difference (standard error) | " + " | ".join(cells) + " |")
    draws = np.random.default_rng(0).integers(seeds, size=(2000, seeds))

    def part(rows: Any) -> float:
        both = member[rows].mean(axis=0), ensemble[rows].mean(axis=0)
        wanted = both[0][-1]
        return first_reached(both[1], wanted) / first_reached(both[0], wanted)

    ranked = sorted(part(rows) for rows in draws)  # some are infinite: never reached
    low, high = (ranked[round(at * (len(ranked) - 1))] for at in (0.16, 0.84))
    print(
        f"epochs to the score at the end, of those of the search for the best: {part(slice(None)):.2f}",
        end="",
    )
    print(f" (68 % of bootstraps over seeds: {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main(*sys.argv[1:3], *[int(a) for a in sys.argv[3:4]])
