"""What a driver knows of a trial while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna


@dataclass(kw_only=True)
class LiveTrial:
    """A trial that runs now."""

    deaths: int = 0
    """How often its worker died since it last finished an epoch."""
    death: str = "its worker died"
    """What its worker died of last."""


@dataclass
class StudyTrial(LiveTrial):
    """A trial of a study that runs now: what is known of it beside the Optuna study."""

    trial: "optuna.Trial"
    reported: set[int] = field(default_factory=set)
    pruned: bool = False
    progressed: bool = False
    attempts: int = 1
    """How often it was begun or taken up since it last finished an epoch."""
    epochs: int = 1
    """Of each of its networks."""
    networks: int = 1
    spent: dict[int, Mapping[str, float]] = field(default_factory=dict)
    """What each step took; of those before its driver was killed, too, once its worker resumes."""
