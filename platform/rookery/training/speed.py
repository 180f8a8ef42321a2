"""How fast networks train here, by one loop and as packs, beside a plain loop of PyTorch's own parts.

What is measured is whole epochs of :mod:`rookery.training.loop`, on a survey of random numbers.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rookery.networks.draws import Draws, Dropout
from rookery.networks.family import Family, load_family
from rookery.surveys import open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.simulators.random_numbers import CLASSES, LARGEST_REDSHIFT, random_survey
from rookery.training.data import TrainingData, load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train, train_pack
from rookery.training.progress import Metrics, Progress
from rookery.training.trainee import Trainee
from rookery_ensembles import RedshiftBins

_SPLIT, _BINS = "most", 180
_VALIDATION = 32
"""Objects that validate: as few as tell nothing of the time."""
_MEMBER = "0000"


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

    Times are of processor on a CPU, where one thread works (other programs take none of it), and else of the
    clock. All are seconds an epoch of one network.
    """

    def __init__(self, case: Case, folder: Path, device: torch.device) -> None:
        self.case, self.device = case, device
        self.family: Family[Any] = load_family(case.family)
        self.configuration = self.family.configure({**case.values, "epochs": 1000, "patience": 1000})
        self.data, self.job = self._prepare(folder)

    def _prepare(self, folder: Path) -> tuple[TrainingData, TrainingJob]:
        case, kind = self.case, self.family.survey_kinds[0]
        n = case.objects + _VALIDATION
        place = folder / f"{kind}-{n}-{case.size}"
        if not place.exists():
            survey = random_survey(place, kind, n, size=case.size)
            split_survey(survey, _SPLIT, train_fraction=1, validation_fraction=_VALIDATION / n)
        survey = open_survey(place, verify=False)
        pdf = self.family.prediction_kind == RedshiftBins.kind
        job = TrainingJob(
            member=_MEMBER,
            family=case.family,
            configuration={**case.values, "epochs": 1000, "patience": 1000},
            survey=str(place),
            survey_checksum=survey.checksum,
            split=_SPLIT,
            class_names=None if pdf else CLASSES,
            redshift_bins=EqualBins(low=0, high=LARGEST_REDSHIFT, number=_BINS) if pdf else None,
            seed=0,
        )
        return load_data(job, self.family, self.configuration, self.device), job

    def clock(self) -> float:
        """Return the time, once the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() if self.device.type == "cuda" else time.process_time()

    def loop(self, epochs: int = 2) -> float:
        """Train one network: what a loop over many takes for each."""
        report = _Epochs(self.clock, epochs)
        with suppress(_EnoughError):
            train(self.job, self.family, self.configuration, self.data, report)
        return report.seconds()

    def pack(self, networks: int, epochs: int = 2) -> float:
        """Train so many networks of other seeds, rates and decays as one program."""
        reports = [_Epochs(self.clock, epochs) for _ in range(networks)]
        trainees = []
        for number, report in enumerate(reports):
            rate = self.configuration.learning_rate * (1 + number / networks)
            own = {"learning_rate": rate, "weight_decay": 0.01 * number}
            configuration = self.configuration.model_copy(update=own)
            job = self.job.model_copy(update={"seed": number, "member": f"{number:04d}"})
            trainees.append(Trainee.begin(job, self.family, configuration, self.data, report))
        with suppress(_EnoughError):
            train_pack(self.family, trainees)
        return reports[0].seconds() / networks

    def plain(self, epochs: int = 2) -> float:
        """Train one network by a minimal loop: the family's layers, torch's dropout and AdamW, no more."""
        c, data = self.configuration, self.data
        torch.manual_seed(0)
        network = self.family.build(c, len(data.survey.bands), data.target.n_columns).to(self.device)
        self.family.fit_scale(network, data.inputs, data.rows["train"])
        _with_torch_dropout(network)
        network.train()
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=c.learning_rate, weight_decay=c.weight_decay, fused=True
        )
        report, rows = _Epochs(self.clock, epochs), data.rows["train"]
        with suppress(_EnoughError):
            while True:
                for some in rows[torch.randperm(len(rows), device=self.device)].split(c.batch_size):
                    inputs = {name: values[some] for name, values in data.inputs.items()}
                    varied = self.family.augment(inputs, c, Draws(some.int()))
                    terms = self.family.loss_terms(network, varied, data.target_n[some], c)
                    loss = torch.stack([term.mean() for term in terms.values()]).sum()
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
                report({}, Progress())
        return report.seconds()


class _EnoughError(Exception):
    """So many epochs were seen."""


class _Epochs:
    """A report that measures the epochs after the first."""

    def __init__(self, clock: Callable[[], float], epochs: int) -> None:
        self._clock, self._epochs = clock, epochs
        self._ends: list[float] = []

    def __call__(self, metrics: Metrics, progress: Progress) -> None:
        self._ends.append(self._clock())
        if len(self._ends) > self._epochs:
            raise _EnoughError

    def seconds(self) -> float:
        """Return the shortest of them."""
        return min(b - a for a, b in zip(self._ends, self._ends[1:], strict=False))


def _with_torch_dropout(network: nn.Module) -> None:
    """Put torch's own dropout in place of ours."""
    for name, child in list(network.named_children()):
        if isinstance(child, Dropout):
            setattr(network, name, nn.Dropout(child.part))
        else:
            _with_torch_dropout(child)


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
