"""How far a training has come: all that it needs to go on, as plain numbers and tensors by flat names."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from rookery.training.card import Draws, Steps

Metrics = dict[str, float]
State = dict[str, Tensor]
MEAN = "mean/"


@dataclass
class Partial:
    """An epoch that was left in the middle."""

    step: int
    """Steps done of it."""
    seconds: float
    """Time spent on it."""
    sums: State
    """Sums of the loss terms over the objects so far, by term."""


@dataclass
class Progress:
    """All that training needs to go on; a checkpoint is this, saved."""

    history: list[Metrics] = field(default_factory=list)
    """One row per finished epoch: `epoch` (from 1), each loss term as `train_<term>`, their sum
    `train_loss`, the target's metrics as `validation_<metric>` (under a shift the same with
    `_shift` too), `learning_rate`, `seconds`, and `joules` where the device tells them. Of networks that
    train as a pack, seconds and joules are shared between them."""
    best_epoch: int = 0
    best_value: float = math.nan
    """Epoch with the best value of the job's objective, and that value; the last epoch where that is kept."""
    network: State = field(default_factory=dict)
    best: State = field(default_factory=dict)
    optimizer: State = field(default_factory=dict)
    """Weights now, weights of that epoch, and AdamW's moments, by flat names; with them, by the network's
    names behind `MEAN`, the averaged weights of a network that has any."""
    partial: Partial | None = None
    """The unfinished epoch that `network` and `optimizer` are in the middle of; None between epochs."""
    batch_size: int | None = None
    """Objects a step, where memory did not suffice for the configured number; else None."""
    draws: Draws = "hash"
    """What drew its random numbers."""
    steps: Steps | None = None
    """How its steps were computed, where that was chosen; each run chooses anew, so checkpoints lack it."""

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def judged(self) -> State:
        """The weights that validate: the averaged ones where there are any, else those of now."""
        return means_of(self.optimizer) or self.network

    def better(self, value: float, direction: str) -> bool:
        """Whether `value` beats the best one so far; anything beats none, and NaN beats nothing."""
        if math.isnan(self.best_value):
            return not math.isnan(value)
        return value < self.best_value if direction == "minimize" else value > self.best_value


def means_of(optimizer: State) -> State:
    """Return the averaged weights among what an optimizer holds."""
    return {name.removeprefix(MEAN): value for name, value in optimizer.items() if name.startswith(MEAN)}


Report = Callable[[Metrics, Progress], None]
"""Called after each epoch with that epoch's row of the history and the state to resume from."""
Keep = Callable[[Progress], None]
"""Called in the middle of an epoch with the state to resume from."""
