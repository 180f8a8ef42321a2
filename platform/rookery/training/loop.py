"""The one training loop. It knows only a `report` given from outside, never who runs it."""

import logging
import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rookery.compute.energy import EnergyMeter
from rookery.compute.interruption import InterruptedTraining, noticed
from rookery.compute.memory import OutOfMemory, is_out_of_memory, out_of_memory_text
from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs
from rookery.training.data import TrainingData
from rookery.training.job import TrainingJob
from rookery.training.progress import Keep, Metrics, Partial, Progress, Report, State
from rookery.training.streaming import place_of
from rookery.training.team import Team
from rookery.training.validation import Validation, prepare_validation

logger = logging.getLogger(__name__)
_SEEDS = 2**63  # torch takes no larger ones
KEEP_SECONDS = 300.0
"""A checkpoint is saved in the middle of an epoch when the last one is older than this."""
ALONE = Team()


class DivergedError(RuntimeError):
    """The training loss is no longer finite."""


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
    progress = resume or Progress()
    device = data.target_n.device
    torch.manual_seed(job.seed % _SEEDS)
    network = family.build(configuration, len(data.survey.bands), data.target.n_columns).to(device)
    family.fit_scale(network, data.inputs, data.rows["train"].to(place_of(data.inputs)))
    network = team.prepare(network, device)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=configuration.learning_rate,
        weight_decay=configuration.weight_decay,
        fused=True,
    )
    if progress.network:
        progress.give(network, optimizer)
    else:
        progress.take(network, optimizer)
    validation = prepare_validation(job, family, configuration, data)
    trainer = _Trainer(
        job, family, configuration, data, network, optimizer, validation, progress, keep, team, part
    )
    team.check(trainer.batch_size, len(data.rows["train"]))
    while progress.epoch < configuration.epochs:
        if progress.epoch - progress.best_epoch >= configuration.patience:
            break
        metrics = trainer.epoch_within_memory()
        progress.history.append(metrics)
        progress.partial = None
        progress.take(network, optimizer)
        if job.keep == "last" or progress.better(metrics[job.objective], job.direction):
            progress.best_epoch, progress.best_value = progress.epoch, metrics[job.objective]
            progress.best = progress.network
        report(metrics, progress)
    if math.isnan(progress.best_value):
        when = "no number in the last of" if job.keep == "last" else "never a number in"
        raise DivergedError(f"{job.member}: `{job.objective}` was {when} {progress.epoch} epochs")
    network.load_state_dict(progress.best)
    return network.eval(), progress


class _Loss(nn.Module):
    """A family's loss as a module, which DistributedDataParallel can wrap."""

    def __init__(self, family: Family[Any], network: nn.Module, configuration: TrainingConfiguration) -> None:
        super().__init__()
        self.family, self.network, self.configuration = family, network, configuration

    def forward(self, inputs: Inputs, target: Tensor, draws: Draws) -> Inputs:
        """Return each term of the loss per object."""
        return self.family.loss_terms(self.network, inputs, target, self.configuration, draws)


@dataclass
class _Losses:
    """Losses of an epoch's steps that nobody has looked at yet: to look is to wait for the device."""

    epoch: int = 0
    first: int = 0
    steps: list[Tensor] = field(default_factory=list)

    def begin(self, epoch: int, first: int) -> None:
        """Forget all; the next loss is that of step `first` (from 0)."""
        self.epoch, self.first, self.steps = epoch, first, []

    def check(self, member: str) -> None:
        """Raise DivergedError where one of them is not finite."""
        if not self.steps:
            return
        for step, loss in enumerate(torch.stack(self.steps).cpu().tolist(), self.first):
            if not math.isfinite(loss):
                raise DivergedError(f"{member}: loss is {loss} in epoch {self.epoch + 1}, step {step + 1}")
        self.begin(self.epoch, self.first + len(self.steps))


@dataclass
class _Trainer:
    """What one epoch needs."""

    job: TrainingJob
    family: Family[Any]
    configuration: TrainingConfiguration
    data: TrainingData
    network: nn.Module
    optimizer: torch.optim.Optimizer
    validation: Validation
    progress: Progress
    keep: Keep
    team: Team
    part: float

    def __post_init__(self) -> None:
        self.loss = self.team.wrap(_Loss(self.family, self.network, self.configuration))
        self.kept = time.monotonic()
        self.meter = EnergyMeter(self.data.target_n.device, self.part)
        self.losses = _Losses()

    @property
    def batch_size(self) -> int:
        """Objects a step, of the whole team."""
        return self.progress.batch_size or self.configuration.batch_size

    def epoch_within_memory(self) -> Metrics:
        """Train for the next epoch; without enough memory, begin it again with half of the batch, once."""
        try:
            return self.epoch(self.progress.epoch)
        except Exception as error:
            tried = self.batch_size
            half = tried // 2
            # The others of a team wait in the middle of a step: none of them can begin again.
            if not is_out_of_memory(error) or self.team.size > 1:
                raise
            device = self.data.target_n.device
            if self.progress.batch_size is not None or half < 2:
                raise OutOfMemory(out_of_memory_text(device, [2 * tried, tried], error)) from error
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
        logger.warning("%s: out of memory (%s); batches of %d objects now", self.job.member, text, half)
        self.optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        self.progress.batch_size, self.progress.partial = half, None
        self.progress.give(self.network, self.optimizer)
        return self.epoch_within_memory()

    def epoch(self, number: int) -> Metrics:
        """Train for one epoch, or for the rest of it, and validate."""
        start = time.perf_counter()
        rows, device = self.data.rows["train"], self.data.target_n.device
        draws = Draws.of(self.job.seed, number, rows)
        order = draws.words("order").argsort(stable=True)
        batches = [(rows[some], Draws(draws.key_b[some])) for some in self._batches(order)]
        done = self.progress.partial or Partial(0, 0.0, {})
        self.network.train()
        sums = {name: total.to(device) for name, total in done.sums.items()}
        self.losses.begin(number, done.step)
        for step, (batch, drawn) in enumerate(batches):
            if step < done.step:
                continue
            self._set_learning_rate(number * len(batches) + step, len(batches) * self.configuration.epochs)
            for name, total in self._step(batch, drawn).items():
                sums[name] = sums.get(name, torch.zeros((), device=device)) + total
            if step + 1 < len(batches):
                seconds = done.seconds + time.perf_counter() - start
                self._keep_in_between(Partial(step + 1, seconds, sums))
        self.losses.check(self.job.member)
        sums = self.team.mean(sums)
        totals = torch.stack(list(sums.values())).cpu().tolist()
        terms = {f"train_{name}": total / len(rows) for name, total in zip(sums, totals, strict=True)}
        loss = math.fsum(terms.values())  # in whatever order a checkpoint has them
        if not math.isfinite(loss):
            raise DivergedError(f"{self.job.member}: loss is {loss} in epoch {number + 1}")
        rate = self.optimizer.param_groups[0]["lr"]
        metrics = {"epoch": number + 1, **terms, "train_loss": loss, **self._validate()}
        joules = self.meter.joules()
        energy = {} if joules is None else {"joules": joules}
        seconds = done.seconds + time.perf_counter() - start
        return {**metrics, "learning_rate": rate, "seconds": seconds, **energy}

    def _batches(self, order: Tensor) -> list[Tensor]:
        """Cut into batches; a rest of fewer than two objects a process joins the batch before."""
        batches = list(torch.split(order, self.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2 * self.team.size:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def _step(self, batch: Tensor, drawn: Draws) -> State:
        unlabelled, others = self._draw_unlabelled(drawn)
        labelled = self.team.share(batch)
        mine = torch.cat([labelled, self.team.share(unlabelled)])
        draws = Draws(torch.cat([self.team.share(drawn.key_b), self.team.share(others.key_b)]))
        target = self.data.target_n[labelled]
        inputs = self.family.augment(self.data.batch(mine), self.configuration, draws)
        terms = self.loss(inputs, target, draws)
        whole = {len(mine): len(batch) + len(unlabelled), len(labelled): len(batch)}
        # The mean over the team of these is the mean over the whole batch.
        means = {
            name: term.mean() * (len(term) * self.team.size / whole[len(term)])
            for name, term in terms.items()
        }
        loss = torch.stack(list(means.values())).sum()
        if self.team.size == 1:  # in a team the others wait: all see it in their sums, after the epoch
            self.losses.steps.append(loss.detach())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {name: mean.detach() * len(batch) for name, mean in means.items()}

    def _keep_in_between(self, partial: Partial) -> None:
        """Save a checkpoint in the middle of an epoch, when it is time or this process must end."""
        told = noticed()
        if not told and time.monotonic() - self.kept < KEEP_SECONDS:
            return
        self.kept = time.monotonic()
        self.losses.check(self.job.member)
        if self.team.leads:
            self.progress.partial = partial
            self.progress.take(self.network, self.optimizer)
            self.keep(self.progress)
        if told:
            raise InterruptedTraining

    def _draw_unlabelled(self, drawn: Draws) -> tuple[Tensor, Draws]:
        """Return an unlabelled object for each of a batch, and their draws; none without need."""
        rows = self.data.rows["train"][:0]
        if self.family.uses_unlabelled(self.configuration):
            rows = self.data.rows["unlabelled"]
        if not len(rows):
            return rows, drawn[:0]
        found = rows[drawn.integers("unlabelled", len(rows))]
        return found, drawn.of_others(found)

    def _set_learning_rate(self, step: int, steps: int) -> None:
        """Set what :func:`rate_factor` tells; a function of the step alone, so nothing to save."""
        rate = self.configuration.learning_rate * rate_factor(self.configuration, step, steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _validate(self) -> Metrics:
        """Return the target's metrics on the objects that choose, and under the job's shift."""
        metrics: Metrics = self.team.agree(self.validation.metrics(self.network) if self.team.leads else None)
        return metrics


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
