"""The one training loop, of one network or of several. It knows only a `report` given from outside."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from rookery.compute.energy import EnergyMeter
from rookery.compute.interruption import InterruptedTraining, noticed
from rookery.compute.memory import OutOfMemory, is_out_of_memory, out_of_memory_text
from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family
from rookery.training.alone import AloneNetwork, Stepped
from rookery.training.data import TrainingData
from rookery.training.job import TrainingJob
from rookery.training.pack import Pack
from rookery.training.progress import Keep, Metrics, Partial, Progress, Report, State
from rookery.training.team import ALONE, Team
from rookery.training.trainee import DivergedError, Epoch, Losses, StoppedTrainingError, Sums, Trainee
from rookery.training.ways import Strategy

logger = logging.getLogger(__name__)
KEEP_SECONDS = 300.0
"""A checkpoint is saved in the middle of an epoch when the last one is older than this."""


def train(
    job: TrainingJob,
    family: Family[Any],
    configuration: TrainingConfiguration,
    data: TrainingData,
    report: Report,
    resume: Progress | None = None,
    *,
    keep: Keep = lambda progress: None,
    team: Team = ALONE,
    part: float = 1.0,
) -> tuple[nn.Module, Progress]:
    """Train one network to its best epoch, or with the job's `keep` last to its last one.

    All that is random is a function of (seed, epoch, object), see :mod:`rookery.networks.draws`, so that a
    run that was interrupted and resumed gives the same weights as one that was not. When memory does not
    suffice the epoch is begun again with half of the batch, once.

    Parameters
    ----------
    report
        Receives metrics and progress after each epoch; it may raise to stop training.
    resume
        Progress of an earlier run of the same job.
    keep
        Receives progress in the middle of an epoch: every `KEEP_SECONDS`, and when this process is told
        to end.
    team
        The processes that train this network together; every one of them calls this function.
    part
        Part of the device that this process holds, for the energy.

    Returns
    -------
    network, progress
        The network with the weights of the kept epoch, and the final progress.

    Raises
    ------
    DivergedError
        When the loss is not finite, with epoch and step; raised at the end of the epoch, or at the next
        checkpoint within it.
    OutOfMemory
        When half of the batch does not fit either.
    InterruptedTraining
        When this process was told to end, after `keep`.
    """
    trainee = Trainee.begin(job, family, configuration, data, report, resume=resume, keep=keep, team=team)
    _Loop(family, [trainee], AloneNetwork(family, trainee, team), team, part).run()
    if trainee.error is not None:
        raise trainee.error
    if trainee.stopped:
        raise StoppedTrainingError
    return trainee.network, trainee.progress


def train_pack(
    family: Family[Any],
    trainees: Sequence[Trainee],
    *,
    part: float = 1.0,
    on_round: Callable[[], None] = lambda: None,
    strategy: Strategy = "auto",
) -> None:
    """Train several networks as one program, each as :func:`train` would, to rounding.

    One that is done, stopped (its report raises `StoppedTrainingError`) or diverged (its `error`) leaves the
    others, and its `on_end` is called.

    Parameters
    ----------
    trainees
        Of one survey, split and target, on one device, whose configurations have one
        :meth:`rookery.networks.family.Family.pack_key`.
    part
        Part of the device that this process holds, for the energy.
    on_round
        Called once all have reported an epoch; it may set their `stopped`.
    strategy
        How several of them step.

    Raises
    ------
    InputError
        Where a pack cannot step by that strategy.
    OutOfMemory, InterruptedTraining
        As :func:`train`, for all of them; before, one network after the other is tried.
    """
    one = len(trainees) == 1
    together: Stepped = AloneNetwork(family, trainees[0], ALONE) if one else Pack(family, trainees, strategy)
    _Loop(family, list(trainees), together, ALONE, part, on_round).run()


@dataclass
class _Loop:
    """Trains networks, an epoch of each at a time."""

    family: Family[Any]
    live: list[Trainee]
    together: Stepped
    team: Team
    part: float
    on_round: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.kept = time.monotonic()
        self.device = self.live[0].data.target_n.device
        self.meter = EnergyMeter(self.device, self.part)
        self.losses = Losses()
        for place, trainee in enumerate(self.live):
            self.team.check(trainee.batch_size, len(trainee.data.rows["train"]))
            if trainee.progress.network:
                self._give(place)
            else:
                trainee.take(*self.together.state(place))

    def run(self) -> None:
        """Train until each is done."""
        try:
            self._run()
        finally:
            self.together.close()

    def _run(self) -> None:
        self._let_go()
        while self.live:
            found = self._round_within_memory()
            for place, trainee in enumerate(self.live):
                if trainee.error is None:
                    trainee.take(*self.together.state(place))
                    trainee.end_epoch(found[place])
            self.on_round()
            self._let_go()

    def _let_go(self) -> None:
        """Go on with those that are not done."""
        stay = [place for place, trainee in enumerate(self.live) if not trainee.done]
        ended = [trainee for trainee in self.live if trainee.done]
        if ended and stay:
            self.together.keep_only(stay)
        self.live = [self.live[place] for place in stay]
        for trainee in ended:
            trainee.end()

    def _round_within_memory(self) -> list[Metrics]:
        """Train each for its next epoch.

        Without enough memory, it is begun again with fewer at once, at last with half of the batch, once.
        """
        try:
            return self._round()
        except Exception as error:
            # The others of a team wait in the middle of a step: none of them can begin again.
            if not is_out_of_memory(error) or self.team.size > 1:
                raise
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            member, tried = self.live[0].job.member, self.live[0].batch_size
            if self.together.fewer_at_once():
                logger.warning("%s and others: out of memory (%s); fewer of them at once now", member, text)
            else:
                half = tried // 2
                if self.live[0].progress.batch_size is not None or half < 2:
                    raise OutOfMemory(out_of_memory_text(self.device, [2 * tried, tried], error)) from error
                logger.warning("%s: out of memory (%s); batches of %d objects now", member, text, half)
                for trainee in self.live:
                    trainee.progress.batch_size, trainee.progress.partial = half, None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        for place in range(len(self.live)):
            self._give(place)
        return self._round_within_memory()

    def _give(self, place: int) -> None:
        progress = self.live[place].progress
        self.together.set_state(place, progress.network, progress.optimizer)

    def _round(self) -> list[Metrics]:
        """Train each for one epoch, or for the rest of it, and validate."""
        start = time.perf_counter()
        epochs = [trainee.next_epoch(2 * self.team.size) for trainee in self.live]
        for trainee in self.live:
            part = trainee.progress.epoch / trainee.configuration.epochs
            self.family.begin_epoch(trainee.network, trainee.configuration, part)
        self.together.choose(self.live)
        sums = Sums([epoch.done.sums for epoch in epochs], self.device)
        last = max(len(epoch.sizes) - epoch.done.step for epoch in epochs)
        self.losses.steps = []
        for tick, (places, rows, key) in _ticks(epochs):
            steps = [epochs[place].done.step + tick for place in places]
            rates = [self.live[p].rate(epochs[p], step) for p, step in zip(places, steps, strict=True)]
            follow = [self.live[p].follow(epochs[p], step) for p, step in zip(places, steps, strict=True)]
            means = self.together.step(places, rows, key, rates, follow)
            if self.team.size == 1:  # in a team the others wait: all see it in their sums, after the epoch
                loss = reduce(torch.add, means.values())
                self.losses.steps.append(([self.live[place] for place in places], steps, loss))
            sums.add(places, means, rows.shape[1])
            if tick + 1 < last:
                seconds = (time.perf_counter() - start) / len(epochs)
                self._keep_in_between(epochs, tick + 1, sums.each(), seconds)
        self.losses.check()
        found = self._terms(epochs, sums.each())
        for row, validation in zip(found, self._validate(), strict=True):
            row |= validation
        joules, seconds = self.meter.joules(), time.perf_counter() - start
        for row, epoch, trainee in zip(found, epochs, self.live, strict=True):
            row["learning_rate"] = trainee.rate(epoch, len(epoch.sizes) - 1)
            row["seconds"] = self.team.agree(epoch.done.seconds + seconds / len(epochs))
            if joules is not None:
                row["joules"] = joules / len(epochs)
        return found

    def _terms(self, epochs: Sequence[Epoch], sums: Sequence[State]) -> list[Metrics]:
        """Return the first columns of each network's row of the history; all sums are fetched at once."""
        means = [self.team.mean(one) for one in sums]
        values = iter(torch.stack([value for one in means for value in one.values()]).cpu().tolist())
        found: list[Metrics] = []
        for trainee, epoch, one in zip(self.live, epochs, means, strict=True):
            terms = {f"train_{name}": next(values) / len(epoch.rows) for name in one}
            loss = math.fsum(terms.values())  # in whatever order a checkpoint has them
            if trainee.error is None and not math.isfinite(loss):
                text = f"{trainee.job.member}: loss is {loss} in epoch {epoch.number + 1}"
                trainee.error = DivergedError(text)
            found.append({"epoch": epoch.number + 1, **terms, "train_loss": loss})
        return found

    def _keep_in_between(
        self, epochs: Sequence[Epoch], ticks: int, sums: Sequence[State], seconds: float
    ) -> None:
        """Save checkpoints in the middle of an epoch, when it is time or this process must end."""
        told = noticed()
        if not told and time.monotonic() - self.kept < KEEP_SECONDS:
            return
        self.kept = time.monotonic()
        self.losses.check()
        if len(self.live) == 1 and self.live[0].error is not None:
            raise self.live[0].error
        for place, (trainee, epoch) in enumerate(zip(self.live, epochs, strict=True)):
            if not self.team.leads or trainee.error is not None:
                continue
            step = min(epoch.done.step + ticks, len(epoch.sizes))
            trainee.progress.partial = Partial(step, epoch.done.seconds + seconds, dict(sums[place]))
            trainee.take(*self.together.state(place))
            trainee.keep(trainee.progress)
        if told:
            raise InterruptedTraining

    def _validate(self) -> list[Metrics]:
        """Return the target's metrics on the objects that choose, and under the jobs' shifts."""
        if all(trainee.error is not None for trainee in self.live):
            return [{} for _ in self.live]
        if not self.team.leads:
            return [self.team.agree(None)]
        wanted = [trainee.validation.wanted() for trainee in self.live]
        columns = [
            self.together.predict([inputs for inputs, _ in some], [rows for _, rows in some])
            for some in zip(*wanted, strict=True)
        ]
        return [
            {} if trainee.error is not None else self.team.agree(trainee.validation.metrics(*values))
            for trainee, *values in zip(self.live, *columns, strict=True)
        ]


def _ticks(epochs: Sequence[Epoch]) -> Iterator[tuple[int, tuple[list[int], Tensor, Tensor]]]:
    """Yield the next step of each epoch: number of steps before it, places, rows and words (K, B).

    Those whose steps are of another size, the last ones, are yielded one after the other.
    """
    left = [epoch.sizes[epoch.done.step :] for epoch in epochs]
    same = 0
    while all(len(sizes) > same for sizes in left) and len({sizes[same] for sizes in left}) == 1:
        if left[0][same] != left[0][0]:
            break
        same += 1
    if same:
        parts = []
        for of in ("rows", "key"):
            cut = [getattr(e, of)[e.first(e.done.step) :][: same * left[0][0]].view(same, -1) for e in epochs]
            parts.append(torch.stack(cut, dim=1))
        for tick, (rows, key) in enumerate(zip(*parts, strict=True)):
            yield tick, (list(range(len(epochs))), rows, key)
    for tick in range(same, max(map(len, left))):
        groups: dict[int, list[int]] = {}
        for place, sizes in enumerate(left):
            if tick < len(sizes):
                groups.setdefault(sizes[tick], []).append(place)
        for places in groups.values():
            batches = [epochs[place].batch(epochs[place].done.step + tick) for place in places]
            rows, key = (torch.stack(some) for some in zip(*batches, strict=True))
            yield tick, (places, rows, key)
