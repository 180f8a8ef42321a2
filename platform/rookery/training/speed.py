"""How fast networks train here: by the loop, as packs, and by a plain loop of PyTorch's own parts.

What is measured is whole epochs of :mod:`rookery.training.loop`, on a survey of random numbers.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rookery.compute.peaks import clock
from rookery.networks.family import Family, load_family
from rookery.surveys import open_survey, split_survey
from rookery.surveys.simulators.random_numbers import CLASSES, LARGEST_REDSHIFT, random_survey
from rookery.training.arithmetic import arithmetic
from rookery.training.data import TrainingData, load_data
from rookery.training.job import Compile, TrainingJob
from rookery.training.loop import train, train_pack
from rookery.training.plain_loop import PlainLoop
from rookery.training.progress import Metrics, Progress
from rookery.training.target import chosen_target, target_fields
from rookery.training.trainee import Trainee
from rookery.training.ways import Strategy

N_BINS = 180
"""Redshift bins of what is measured."""
_SPLIT = "most"
_VALIDATION = 32
"""Objects that validate: as few as tell nothing of the time."""
_LONG = {"epochs": 1000, "patience": 1000}
"""More epochs than are measured."""


@dataclass(frozen=True)
class Case:
    """A network to measure."""

    name: str
    family: str
    values: Mapping[str, Any]
    """Its hyperparameters, where they are not the family's defaults."""
    objects: int = 4096
    """That train in an epoch."""
    size: int = 64
    """Pixels of an image's side."""


class Bench:
    """A case's survey and data, and the times of its epochs by each way; nothing is printed.

    Times are of this process's processor on a CPU, and else of the clock. All are seconds an epoch of one
    network, the shortest of two after one that warms up.
    """

    def __init__(self, case: Case, folder: Path, device: torch.device) -> None:
        self.case, self.device = case, device
        self.family: Family[Any] = load_family(case.family)
        self.configuration = self.family.configure({**case.values, **_LONG})
        self.job = self._job(folder)
        self.data: TrainingData = load_data(self.job, self.family, self.configuration, device)

    def _job(self, folder: Path) -> TrainingJob:
        case, kind = self.case, self.family.survey_kinds[0]
        n = case.objects + _VALIDATION
        place = folder / f"{kind}-{n}-{case.size}"
        if not place.exists():
            survey = random_survey(place, kind, n, size=case.size)
            split_survey(survey, _SPLIT, train_fraction=1, validation_fraction=_VALIDATION / n)
        target = chosen_target(self.family.prediction_kind, CLASSES, (0, LARGEST_REDSHIFT, N_BINS))
        return TrainingJob(
            member="0000",
            family=case.family,
            configuration={**case.values, **_LONG},
            survey=str(place),
            survey_checksum=open_survey(place, verify=False).checksum,
            split=_SPLIT,
            compile="never",
            seed=0,
            **target_fields(target),
        )

    def loop(self, compile: Compile = "never") -> float:
        """Train one network: what a loop over many takes for each; with `always`, compiled steps."""
        job = self.job.model_copy(update={"compile": compile})
        with self._epochs() as report:
            train(job, self.family, self.configuration, self.data, report)
        return report.seconds()

    def pack(self, networks: int, strategy: Strategy = "auto") -> float:
        """Train so many networks of other seeds, rates and decays as one program."""
        with self._epochs() as report:
            trainees = []
            for number in range(networks):
                rate = self.configuration.learning_rate * (1 + number / networks)
                own = {"learning_rate": rate, "weight_decay": 0.01 * number}
                c = self.configuration.model_copy(update=own)
                job = self.job.model_copy(update={"seed": number, "member": f"{number:04d}"})
                told = report if number == 0 else lambda *_: None
                trainees.append(Trainee.begin(job, self.family, c, self.data, told))
            train_pack(self.family, trainees, strategy=strategy)
        return report.seconds() / networks

    def plain(self, *, compiled: bool = False, graph: bool = False) -> float:
        """Train one network by :class:`rookery.training.plain_loop.PlainLoop`."""
        with self._epochs() as report:
            loop = PlainLoop(self.family, self.configuration, self.data, compiled=compiled, graph=graph)
            for _ in range(_LONG["epochs"]):
                loop.epoch()
                report({}, Progress())
        return report.seconds()

    @contextmanager
    def _epochs(self) -> Iterator["_Epochs"]:
        """Yield a report that ends the work in it when it has seen enough."""
        with suppress(_EnoughError), arithmetic(self.configuration.precision, self.device):
            yield _Epochs(lambda: clock(self.device))


class _EnoughError(Exception):
    """So many epochs were seen."""


class _Epochs:
    """A report that measures the epochs after the first."""

    def __init__(self, clock: Callable[[], float], epochs: int = 2) -> None:
        self._clock, self._epochs = clock, epochs
        self._ends: list[float] = []

    def __call__(self, metrics: Metrics, progress: Progress) -> None:
        self._ends.append(self._clock())
        if len(self._ends) > self._epochs:
            raise _EnoughError

    def seconds(self) -> float:
        """Return the shortest of them."""
        return min(b - a for a, b in zip(self._ends, self._ends[1:], strict=False))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def turns(ways: Mapping[str, Callable[[], float]], rounds: int = 3) -> dict[str, float]:
    """Measure ways by turns, so that what else the machine does strikes all alike; return medians."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return {name: statistics.median(values) for name, values in found.items()}
