"""Hyperparameters that every family shares."""

from __future__ import annotations

import hashlib
import json

from pydantic import Field

from rookery.documents import Document


class TrainingConfiguration(Document):
    """How a network is trained. Each family adds its own fields."""

    epochs: int = Field(default=40, ge=1)
    """Passes over the training objects."""
    batch_size: int = Field(default=64, ge=2)
    """Objects a step."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Largest learning rate of AdamW; it rises linearly, then falls as a cosine."""
    warmup_fraction: float = Field(default=0.2, ge=0, lt=1)
    """Part of all steps in which the learning rate rises."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """Decoupled weight decay of AdamW."""
    patience: int = Field(default=15, ge=1)
    """Epochs without a better value of the objective's metric after which training stops."""


def configuration_hash(family: str, configuration: TrainingConfiguration) -> str:
    """Return 12 hexadecimal digits that identify one point of a family's search space."""
    text = json.dumps({"family": family, **configuration.model_dump(mode="json")}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
