"""What an epoch adds up of its steps, without waiting for the device at each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rookery.training.progress import State
from rookery.training.trainee import DivergedError, Trainee


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
