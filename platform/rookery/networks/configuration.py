"""Hyperparameters that every family shares."""

import hashlib
import json
from typing import ClassVar, Literal

from pydantic import Field

from rookery.documents import Document


class TrainingConfiguration(Document):
    """How a network is trained. Each family adds its own fields.

    Numbers that memory depends on have upper bounds, far beyond anything published: a file may come from
    a stranger. What the network as a whole may have is bounded in :mod:`rookery.networks.cost`.
    """

    later: ClassVar[tuple[str, ...]] = (
        *("optimizer", "schedule", "step_at", "step_factor", "average_epochs"),
        *("precision", "freeze", "rate_ratio"),
    )
    """Hyperparameters that came when members existed: at their defaults they leave the hash as it was, and
    search spaces may leave them out; a value can be fixed all the same."""

    epochs: int = Field(default=40, ge=1, le=100_000)
    """Passes over the training objects."""
    batch_size: int = Field(default=64, ge=2, le=1_000_000)
    """Objects a step."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """What makes steps of gradients. muon takes those of matrices and convolutions, all directions of which
    then count alike, and leaves last layers, norms and biases to AdamW; such networks train in no pack."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Largest learning rate of AdamW; it rises linearly, then falls as `schedule` says."""
    schedule: Literal["cosine", "step"] = "cosine"
    """How the learning rate falls: as a cosine to zero, or once, by a factor."""
    step_at: float = Field(default=0.5, gt=0, le=1)
    """Part of all steps after which the learning rate falls; no effect unless `schedule` is step."""
    step_factor: float = Field(default=0.2, gt=0, le=1)
    """What it is multiplied by there; no effect unless `schedule` is step."""
    warmup_fraction: float = Field(default=0.2, ge=0, lt=1)
    """Part of all steps in which the learning rate rises."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """Decoupled weight decay of AdamW; with 0 it is Adam."""
    average_epochs: float = Field(default=0.0, ge=0, le=100_000)
    """Epochs over which weights are averaged, exponentially: these means validate and are kept, while the
    weights themselves train. With 0 nothing is averaged."""
    patience: int = Field(default=15, ge=1, le=100_000)
    """Epochs without a better value of the objective's metric after which training stops."""
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """Arithmetic of a GPU: single precision; TF32, faster, whose products round their factors to 10 bits; or
    bfloat16, 7 bits, in all but last layers, losses and weights. No effect on a CPU."""
    freeze: str = Field(default="", max_length=10_000)
    """Parts of a network that keep the weights it starts from: names of its modules, with commas between
    them. They need a start (docs/transfer.md)."""
    rate_ratio: float = Field(default=1.0, gt=0, le=100)
    """Learning rate of weights that start from another network, as a part of that of fresh ones; no effect
    without a start."""

    @property
    def frozen(self) -> tuple[str, ...]:
        """Names of the parts that keep their weights."""
        return tuple(name for part in self.freeze.split(",") if (name := part.strip()))


def configuration_hash(family: str, configuration: TrainingConfiguration) -> str:
    """Return 12 hexadecimal digits that identify one point of a family's search space."""
    fields = type(configuration).model_fields
    unchanged = {name for name in configuration.later if getattr(configuration, name) == fields[name].default}
    values = configuration.model_dump(mode="json", exclude=unchanged)
    text = json.dumps({"family": family, **values}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def scalar_names(covariates: str, *, mwebv: bool) -> tuple[str, ...]:
    """Return names of covariates that are separated by commas, E(B-V) before them where it is one."""
    named = tuple(name for part in covariates.split(",") if (name := part.strip()))
    return ("mwebv", *named) if mwebv else named
