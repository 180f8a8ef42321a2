"""A search on a simulated cluster: what planner and storage take for a decision, and the driver's memory.

    python benchmarks/simulated_cluster.py [--nodes 1000] [--trials 10000] [--epochs 3] [--sampler random]

Nodes of 16 CPUs and 4 GPUs, a GPU a trial. The planner, the study's SQLite database, the sampler and the
pruner are the real ones; time, nodes, workers and what networks come to are made up: an epoch takes about a
minute; about once a minute a node goes with all its trials, which others take up, and comes back after five.
A trial's value falls with its epochs from where its parameters put it. Times are of this process's processor.
"""

import argparse
import heapq
import math
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rookery.compute.resources import plan_resources
from rookery.search.ask_tell import AskTell, open_ask_tell
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace
from rookery.search.study import Study
from rookery.surveys import split_survey
from rookery.surveys.simulators.random_numbers import random_survey
from rookery_ensembles import RedshiftBins

NODE = {"CPU": 16.0, "GPU": 4.0}
NUMBER = {"type": "float", "low": 0.001, "high": 0.1, "log": True}
EPOCH, AWAY, BETWEEN_LOSSES = 60.0, 300.0, 60.0
"""Seconds of an epoch, of a node that is gone, and between two losses of nodes, simulated."""


class Clock:
    """Times of decisions, by their kind, in the order in which they were made."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.times[kind].append(time.process_time() - start)

    def rows(self) -> Iterator[str]:
        for kind, found in self.times.items():
            values = 1e3 * np.array(found)
            tenth = max(1, len(values) // 10)
            growth = (
                values[-tenth:].mean() / values[tenth : 2 * tenth].mean() if len(values) >= 100 else math.nan
            )
            cells = f"{values.mean():.3g} | {np.quantile(values, 0.99):.3g} | {growth:.2f}"
            yield f"| {kind} | {len(values):,} | {cells} |"


def megabytes() -> float:
    """Return this process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def make_study(folder: Path, sampler: str, epochs: int) -> Study:
    """Return a study of small networks on a survey of random numbers."""
    survey = random_survey(folder / "survey", "catalogue", 64)
    split_survey(survey, "half", train_fraction=0.5, validation_fraction=0.25, seed=1)
    space = SearchSpace.model_validate(
        {
            "family": "photoz_mlp",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": {
                "learning_rate": NUMBER,
                "weight_decay": NUMBER,
                "width": {"type": "int", "low": 16, "high": 256},
                "epochs": {"value": epochs},
            },
        }
    )
    target = RedshiftBins.equal(low=0, high=1, number=30)
    return create_or_open_study(folder / "study", space, survey, "half", target=target, sampler=sampler)


class Cluster:
    """Nodes that come and go, and the trials that run on them."""

    def __init__(self, n_nodes: int, ask_tell: AskTell, clock: Clock) -> None:
        self.queue, self.clock, self.generator = ask_tell, clock, np.random.default_rng(0)
        self.up = set(range(n_nodes))
        with clock.of("plan"):
            self.plan = plan_resources(self.nodes, "auto", trials=ask_tell.left())
        self.events: list[tuple[float, int, str, tuple[str, int] | int]] = []
        self.running: dict[str, tuple[int, float]] = {}
        self.now, self._number, self.lost = 0.0, 0, 0
        self._later("lose", 0, self.generator.exponential(BETWEEN_LOSSES))

    @property
    def nodes(self) -> list[dict[str, float]]:
        return [NODE] * len(self.up)

    def _later(self, kind: str, what: tuple[str, int] | int, seconds: float) -> None:
        self._number += 1
        heapq.heappush(self.events, (self.now + seconds, self._number, kind, what))

    def run(self, epochs: int) -> None:
        """Let trials begin, report and end until there is none left."""
        while True:
            self._begin()
            if not self.running:
                return
            self.now, _, kind, what = heapq.heappop(self.events)
            if kind == "epoch":
                assert isinstance(what, tuple)
                self._epoch(*what, epochs)
            elif kind == "lose":
                self._lose()
            else:
                self.up.add(int(what))  # type: ignore[call-overload]

    def _begin(self) -> None:
        with self.clock.of("room"):
            room = self.plan.room(self.nodes)
        while len(self.running) < room and not self.queue.waits():
            self._number += 1
            key = f"trial-{self._number}"
            with self.clock.of("suggest"):
                found = self.queue.suggest(key)
            if found is None:
                return
            values = found["jobs"][0]["configuration"]
            worth = abs(math.log(values["learning_rate"] / 0.01)) + abs(
                math.log(values["weight_decay"] / 0.03)
            )
            self.running[key] = self._any_node(), worth
            self._later("epoch", (key, 1), EPOCH * self.generator.uniform(0.5, 1.5))

    def _any_node(self) -> int:
        while (node := int(self.generator.integers(max(self.up) + 1))) not in self.up:
            pass
        return node

    def _epoch(self, key: str, step: int, epochs: int) -> None:
        if key not in self.running:
            return  # its node was lost meanwhile
        value = self.running[key][1] + 1 / step
        with self.clock.of("report"):
            stop = self.queue.report(key, step, value, {"seconds": EPOCH})
        if stop or step == epochs:
            del self.running[key]
            with self.clock.of("finish"):
                self.queue.finish(key, value=None if stop else value)
        else:
            self._later("epoch", (key, step + 1), EPOCH * self.generator.uniform(0.5, 1.5))

    def _lose(self) -> None:
        node = self._any_node()
        self.up.discard(node)
        for key in [key for key, (where, _) in self.running.items() if where == node]:
            del self.running[key]
            self.lost += 1
            with self.clock.of("death"):
                self.queue.note_death(key, "its node went")
                self.queue.give_up(key)
        self._later("join", node, AWAY)
        self._later("lose", 0, self.generator.exponential(BETWEEN_LOSSES))


def main() -> None:
    """Print what decisions took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("nodes", 1000), ("trials", 10_000), ("epochs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--sampler", default="random")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rookery-cluster-") as scratch:
        study = make_study(Path(scratch), asked.sampler, asked.epochs)
        ask_tell, clock = open_ask_tell(study, asked.trials), Clock()
        before, start = megabytes(), time.process_time()
        cluster = Cluster(asked.nodes, ask_tell, clock)
        cluster.run(asked.epochs)
        took, size = time.process_time() - start, (study.path / "study.db").stat().st_size
        counts = ask_tell.counts
        ask_tell.leave()
        print(f"{cluster.plan.text}")
        print(
            f"{counts.complete:,} complete, {counts.pruned:,} pruned, {counts.failed:,} failed; "
            f"{cluster.lost:,} taken up after a lost node; simulated {cluster.now / 3600:.1f} h, "
            f"{took:.0f} s of CPU, {megabytes() - before:.0f} MB more memory, "
            f"database {size / 2**20:.1f} MB\n"
        )
        print("| decision | times | mean, ms | 99 %, ms | growth |\n|---|---|---|---|---|")
        print(*clock.rows(), sep="\n")


if __name__ == "__main__":
    main()
