"""One network that is in training, alone or with others: how far it is, what its next epoch holds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws
from rookery.networks.family import Family
from rookery.training.card import Ended
from rookery.training.data import TrainingData
from rookery.training.job import TrainingJob
from rookery.training.progress import Keep, Metrics, Partial, Progress, Report, State
from rookery.training.resident import place_of
from rookery.training.start import Beginning, begin_with
from rookery.training.team import ALONE, Team
from rookery.training.validation import Validation, prepare_validation

_SEEDS = 2**63  # torch takes no larger ones


class DivergedError(RuntimeError):
    """The training loss is no longer finite."""


class StoppedTrainingError(Exception):
    """Raised by a report: this network shall train no more; those beside it go on."""


def why_ended(job: TrainingJob, c: TrainingConfiguration, progress: Progress) -> Ended | None:
    """Return why a network has all its epochs; None while it has not."""
    if progress.epoch >= c.epochs:
        return "epochs"
    if progress.epoch - progress.best_epoch >= c.patience:
        return "patience"
    spent = sum(row["seconds"] for row in progress.history)
    return "time" if job.most_seconds is not None and progress.epoch and spent >= job.most_seconds else None


@dataclass(frozen=True)
class Epoch:
    """What is left of an epoch of one network."""

    number: int
    """From 0."""
    rows: Tensor
    """(N,) row numbers of the training objects in the order of this epoch."""
    key: Tensor
    """(N,) words of what they draw; see :class:`rookery.networks.draws.Draws`."""
    sizes: list[int]
    """Objects of each step of the whole epoch."""
    done: Partial
    """What is done of it already."""

    def first(self, step: int) -> int:
        """Return the place in the order where a step begins; all steps but the last are of one size."""
        return step * self.sizes[0]

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return rows and words (B,) of a step."""
        start = self.first(step)
        some = slice(start, start + self.sizes[step])
        return self.rows[some], self.key[some]


@dataclass
class Trainee:
    """One network in training."""

    job: TrainingJob
    configuration: TrainingConfiguration
    data: TrainingData
    network: nn.Module
    """On its device; its weights are the fresh ones, and those of the kept epoch at the end."""
    validation: Validation
    report: Report
    keep: Keep
    on_end: Callable[["Trainee"], None] = lambda trainee: None
    """Called once it trains no more, whatever the reason."""
    progress: Progress = field(default_factory=Progress)
    beginning: Beginning = field(default_factory=Beginning)
    """Which of its weights another network gave, and which stay so."""
    error: DivergedError | None = None
    """Why it has no network that could be kept."""
    stopped: bool = False
    """Whether its report ended it."""

    @classmethod
    def begin(
        cls,
        job: TrainingJob,
        family: Family[Any],
        configuration: TrainingConfiguration,
        data: TrainingData,
        report: Report,
        *,
        resume: Progress | None = None,
        keep: Keep = lambda progress: None,
        on_end: Callable[["Trainee"], None] = lambda trainee: None,
        team: Team = ALONE,
    ) -> "Trainee":
        """Return a network with the weights that its job starts from; `resume` goes on from there.

        Fresh weights are drawn by the job's seed.
        """
        device = data.target_n.device
        torch.manual_seed(job.seed % _SEEDS)
        network = family.build(configuration, len(data.survey.bands), data.target.n_columns).to(device)
        family.fit_scale(network, data.inputs, data.rows["train"].to(place_of(data.inputs)))
        beginning = begin_with(network, job, family, configuration, data.survey.bands)
        network = team.prepare(network, device)
        validation = prepare_validation(job, family, configuration, data)
        progress = resume or Progress()
        what = job, configuration, data, network, validation, report, keep, on_end, progress
        return cls(*what, beginning=beginning)

    @property
    def batch_size(self) -> int:
        """Objects a step, of all processes."""
        return self.progress.batch_size or self.configuration.batch_size

    @property
    def done(self) -> bool:
        """Whether it trains no more."""
        ended = why_ended(self.job, self.configuration, self.progress) is not None
        return ended or self.stopped or self.error is not None

    def next_epoch(self, least: int) -> Epoch:
        """Return its next epoch, or the rest of one; a rest of fewer than `least` joins the step before."""
        rows, sizes = self.data.rows["train"], self.sizes(least)
        draws = Draws.of(self.job.seed, self.progress.epoch, rows)
        order = draws.words("order").argsort(stable=True)
        done = self.progress.partial or Partial(0, 0.0, {})
        return Epoch(self.progress.epoch, rows[order], draws.key_b[order], sizes, done)

    def sizes(self, least: int) -> list[int]:
        """Return the objects of each step of an epoch; see :meth:`next_epoch`."""
        objects = len(self.data.rows["train"])
        size = min(self.batch_size, objects)
        sizes = [size] * (objects // size)
        if rest := objects % size:
            if rest < least and len(sizes):
                sizes[-1] += rest
            else:
                sizes.append(rest)
        return sizes

    def steps_left(self) -> int:
        """Return how many steps of the first one's size it has left if it trains for all its epochs."""
        sizes = self.sizes(2)
        return sizes.count(sizes[0]) * (self.configuration.epochs - self.progress.epoch)

    def seconds_left(self) -> float:
        """Return how long it may still train; infinite without a limit."""
        spent = sum(row["seconds"] for row in self.progress.history)
        return math.inf if self.job.most_seconds is None else self.job.most_seconds - spent

    def rate(self, epoch: Epoch, step: int) -> float:
        """Return the learning rate of a step."""
        n, c = len(epoch.sizes), self.configuration
        return c.learning_rate * rate_factor(c, epoch.number * n + step, n * c.epochs)

    def follow(self, epoch: Epoch, step: int) -> float:
        """Return the part by which averaged weights move to those that a step made; 0 where none are.

        At first it is their plain mean.
        """
        n, epochs = len(epoch.sizes), self.configuration.average_epochs
        return max(1 / (epoch.number * n + step + 1), 1 / (1 + n * epochs)) if epochs else 0.0

    def take(self, weights: State, optimizer: State) -> None:
        """Keep what network and optimizer hold now."""
        self.progress.network, self.progress.optimizer = weights, optimizer

    def end_epoch(self, metrics: Metrics) -> None:
        """Add an epoch, whose weights were taken, to the history, and report it."""
        progress, job = self.progress, self.job
        progress.history.append(metrics)
        progress.partial = None
        if job.keep == "last" or progress.better(metrics[job.objective], job.direction):
            progress.best_epoch, progress.best_value = progress.epoch, metrics[job.objective]
            progress.best = progress.judged
        try:
            self.report(metrics, progress)
        except StoppedTrainingError:
            self.stopped = True

    def end(self) -> None:
        """Set the network to the weights of the kept epoch, or say why there is none."""
        progress, job = self.progress, self.job
        if self.error is None and not self.stopped:
            if math.isnan(progress.best_value):
                when = "no number in the last of" if job.keep == "last" else "never a number in"
                text = f"{job.member}: `{job.objective}` was {when} {progress.epoch} epochs"
                self.error = DivergedError(text)
            else:
                self.network.load_state_dict(progress.best)
                self.network.eval()
        self.on_end(self)


def rate_factor(c: TrainingConfiguration, step: int, steps: int) -> float:
    """Return the part of the largest learning rate at `step` (from 0) of `steps`.

    A linear warm-up, then a cosine to zero, or one fall by `step_factor`.
    """
    rise = c.warmup_fraction * steps
    if step < rise:
        return min(1.0, (step + 1) / rise)
    if c.schedule == "step":
        return 1.0 if step < c.step_at * steps else c.step_factor
    return min(1.0, 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise))))


@dataclass
class Losses:
    """Losses of steps that nobody has looked at yet: to look is to wait for the device."""

    steps: list[tuple[list[Trainee], list[int], Tensor]] = field(default_factory=list)
    """Networks, their steps in their epochs (from 0), and losses (K,)."""

    def check(self) -> None:
        """Tell the networks that have a loss which is not finite."""
        if not self.steps:
            return
        values = iter(torch.cat([losses for *_, losses in self.steps]).cpu().tolist())
        for trainees, numbers, _ in self.steps:
            for trainee, step in zip(trainees, numbers, strict=True):
                loss = next(values)
                if trainee.error is None and not math.isfinite(loss):
                    place = f"in epoch {trainee.progress.epoch + 1}, step {step + 1}"
                    trainee.error = DivergedError(f"{trainee.job.member}: loss is {loss} {place}")
        self.steps = []


class Sums:
    """Sums of loss terms over the objects of an epoch, of each network."""

    def __init__(self, done: Sequence[State], device: torch.device) -> None:
        self._each = [{name: value.to(device) for name, value in one.items()} for one in done]
        self._all: State | None = {}
        if done[0] and all(one.keys() == done[0].keys() for one in done):
            self._all = {name: torch.stack([one[name] for one in self._each]) for name in done[0]}

    def add(self, places: Sequence[int], means: State, objects: int) -> None:
        """Add those of a step, whose means over so many objects are (K,)."""
        if self._all is not None and len(places) == len(self._each):
            self._all = {name: _more(self._all, name, mean, objects) for name, mean in means.items()}
            return
        self._each, self._all = self.each(), None
        for name, mean in means.items():
            for place, value in zip(places, mean.unbind(), strict=True):
                self._each[place][name] = _more(self._each[place], name, value, objects)

    def each(self) -> list[State]:
        """Return the sums of each network."""
        if not self._all:
            return self._each
        columns = {name: values.unbind() for name, values in self._all.items()}
        return [{n: values[place] for n, values in columns.items()} for place in range(len(self._each))]


def _more(held: State, name: str, mean: Tensor, objects: int) -> Tensor:
    """Return what was held of a term, and a mean over so many objects beside it."""
    return held[name].add(mean, alpha=objects) if name in held else mean * objects
