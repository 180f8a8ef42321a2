"""A queue of trials as the engine sees it: a study's is `AskTell`, a campaign's the list of its networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

MAX_ATTEMPTS = 5
"""So often may a trial's worker die without one more epoch until the trial fails."""


class Queue(Protocol):
    """Gives out trials, each to be known by a key, and hears what becomes of them. Used by one thread."""

    halted: str | None
    """Why no trial can go on here, once one has said so."""

    @property
    def folder(self) -> Path:
        """Where members, checkpoints and what Tune keeps lie."""

    @property
    def n_running(self) -> int:
        """Trials that run now."""

    def waits(self) -> bool:
        """Whether there is nothing to suggest now, but may be soon."""

    def suggest(self, key: str) -> dict[str, Any] | None:
        """Return the next :class:`rookery.search.worker.TrialPlan` but for its resources; None for none."""

    def report(self, key: str, step: int, value: float, spent: Mapping[str, float]) -> bool:
        """Hear of an epoch's value and what it took; return whether the trial shall stop."""

    def note_death(self, key: str, error: str) -> bool:
        """Hear what a trial's worker died of; return whether another one may take it up."""

    def give_up(self, key: str) -> None:
        """Hear that a trial's workers are gone and none takes it up."""

    def halt(self, key: str, reason: str) -> None:
        """Hear why neither a trial nor any other one can go on."""

    def finish(
        self,
        key: str,
        *,
        value: float | Sequence[float] | None = None,
        error: str | None = None,
        kind: str | None = None,
    ) -> None:
        """Hear how a trial ended."""

    def heartbeat(self) -> None:
        """Called often while trials run."""

    def interrupted(self) -> bool:
        """Whether trials were left running."""

    def nothing_left(self) -> bool:
        """Whether every trial has ended."""
