"""The one training loop. It knows only a `report` given from outside, never who runs it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family
from rookery.training.data import TrainingData
from rookery.training.job import TrainingJob
from rookery.training.validation import Validation, prepare_validation

_SEEDS = 2**63  # torch takes no larger ones
Metrics = dict[str, float]
State = dict[str, Tensor]


@dataclass
class Progress:
    """All that training needs to go on from the end of an epoch; a checkpoint is this, saved.

    Attributes
    ----------
    history
        One row per finished epoch: `epoch` (from 1), each loss term as `train_<term>`, their sum
        `train_loss`, the target's metrics as `validation_<metric>` (under a shift the same with
        `_shift` too), `learning_rate`, `seconds`.
    best_epoch, best_value
        Epoch with the best value of the job's objective, and that value.
    network, best, optimizer
        Weights now, weights of the best epoch, and AdamW's moments, by flat names.
    """

    history: list[Metrics] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = math.nan
    network: State = field(default_factory=dict)
    best: State = field(default_factory=dict)
    optimizer: State = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    def better(self, value: float, direction: str) -> bool:
        """Whether `value` beats the best one so far; anything beats none, and NaN beats nothing."""
        if math.isnan(self.best_value):
            return not math.isnan(value)
        return value < self.best_value if direction == "minimize" else value > self.best_value


Report = Callable[[Metrics, Progress], None]
"""Called after each epoch with that epoch's row of the history and the state to resume from."""


class DivergedError(RuntimeError):
    """The training loss is no longer finite."""


def train(
    job: TrainingJob,
    family: Family[Any],
    configuration: TrainingConfiguration,
    data: TrainingData,
    report: Report,
    resume: Progress | None = None,
) -> tuple[nn.Module, Progress]:
    """Train one network to its best epoch.

    Every epoch seeds its own generators from (seed, epoch), so that a run that was interrupted and
    resumed gives the same weights as one that was not.

    Parameters
    ----------
    report
        Receives metrics and progress after each epoch; it may raise to stop training.
    resume
        Progress of an earlier run of the same job.

    Returns
    -------
    network, progress
        The network with the weights of its best epoch, and the final progress.

    Raises
    ------
    DivergedError
        When the loss is not finite, with epoch and step.
    """
    progress = resume or Progress()
    device = data.target_n.device
    torch.manual_seed(job.seed % _SEEDS)
    network = family.build(configuration, len(data.survey.bands), data.target.n_outputs).to(device)
    family.fit_scale(network, data.inputs, data.rows["train"])
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=configuration.learning_rate,
        weight_decay=configuration.weight_decay,
        fused=True,
    )
    if progress.epoch:
        network.load_state_dict(progress.network)
        _load_optimizer(optimizer, progress.optimizer)
    validation = prepare_validation(job, family, configuration, data)
    trainer = _Trainer(job, family, configuration, data, network, optimizer, validation)
    while progress.epoch < configuration.epochs:
        if progress.epoch - progress.best_epoch >= configuration.patience:
            break
        metrics = trainer.epoch(progress.epoch)
        progress.history.append(metrics)
        progress.network = _snapshot(network)
        if progress.better(metrics[job.objective], job.direction):
            progress.best_epoch, progress.best_value = progress.epoch, metrics[job.objective]
            progress.best = progress.network
        progress.optimizer = _optimizer_tensors(optimizer)
        report(metrics, progress)
    if not progress.best:
        raise DivergedError(f"{job.member}: `{job.objective}` was never a number in {progress.epoch} epochs")
    network.load_state_dict(progress.best)
    return network.eval(), progress


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

    def epoch(self, number: int) -> Metrics:
        """Train for one epoch and validate."""
        start = time.perf_counter()
        rows = self.data.rows["train"]
        seed = (self.job.seed * 100_003 + number) % _SEEDS
        torch.manual_seed(seed)
        generator = torch.Generator(device=rows.device).manual_seed(seed)
        order = rows[torch.randperm(len(rows), generator=generator, device=rows.device)]
        batches = _batches(order, self.configuration.batch_size)
        self.network.train()
        sums: dict[str, Tensor] = {}
        for step, batch in enumerate(batches):
            self._set_learning_rate(number * len(batches) + step, len(batches) * self.configuration.epochs)
            for name, total in self._step(batch, generator, number, step).items():
                sums[name] = sums.get(name, torch.zeros((), device=rows.device)) + total
        terms = {f"train_{name}": float(total) / len(rows) for name, total in sums.items()}
        rate = self.optimizer.param_groups[0]["lr"]
        metrics = {"epoch": number + 1, **terms, "train_loss": sum(terms.values()), **self.validate()}
        return {**metrics, "learning_rate": rate, "seconds": time.perf_counter() - start}

    def _step(self, batch: Tensor, generator: torch.Generator, epoch: int, step: int) -> State:
        target = self.data.target_n[batch]
        if self.family.uses_unlabelled(self.configuration):
            batch = torch.cat([batch, self._draw_unlabelled(len(batch), generator)])
        inputs = self.family.augment(self.data.batch(batch), self.configuration, generator)
        terms = self.family.loss_terms(self.network, inputs, target, self.configuration)
        means = {name: term.mean() for name, term in terms.items()}
        loss = torch.stack(list(means.values())).sum()
        if not torch.isfinite(loss):
            raise DivergedError(
                f"{self.job.member}: loss is {loss.item()} in epoch {epoch + 1}, step {step + 1}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {name: mean.detach() * len(target) for name, mean in means.items()}

    def _draw_unlabelled(self, number: int, generator: torch.Generator) -> Tensor:
        rows = self.data.rows["unlabelled"]
        number = number if len(rows) else 0
        return rows[torch.randint(max(1, len(rows)), (number,), generator=generator, device=rows.device)]

    def _set_learning_rate(self, step: int, steps: int) -> None:
        """Set what :func:`rate_factor` tells; a function of the step alone, so nothing to save."""
        rate = self.configuration.learning_rate * rate_factor(self.configuration, step, steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def validate(self) -> Metrics:
        """Return the target's metrics on the validation objects, and under the job's shift."""
        return self.validation.metrics(self.network)


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


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Cut into batches of `size`; a rest of one object joins the batch before (batch norm needs two)."""
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _snapshot(network: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> State:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: State) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
