"""Trials that run, and their queue: a study's is `AskTell`, a campaign's the list of its networks."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)


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


MAX_ATTEMPTS = 5
"""So often may a trial's worker die without one more epoch until the trial fails."""


Live = TypeVar("Live", bound=LiveTrial)


class Queue(ABC, Generic[Live]):
    """Gives out trials, each to be known by a key, and hears what becomes of them. Used by one thread."""

    def __init__(self) -> None:
        self.halted: str | None = None
        """Why no trial can go on here (a full disk), once one has said so."""
        self._live: dict[str, Live] = {}

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where members, checkpoints and what Tune keeps lie on this machine."""

    @property
    def n_running(self) -> int:
        """Trials that run now."""
        return len(self._live)

    def waits(self) -> bool:
        """Whether there is nothing to suggest now, but may be soon."""
        return False

    @abstractmethod
    def suggest(self, key: str) -> dict[str, Any] | None:
        """Return the next :class:`rookery.search.trial_plan.TrialPlan` but for its resources, or None."""

    def suggest_like(self, key: str, like: str) -> dict[str, Any] | None:
        """Return a plan, if possible of the architecture of the running trial known as `like`."""
        return self.suggest(key)

    @abstractmethod
    def report(self, key: str, step: int, value: float, spent: Mapping[str, float] | None = None) -> bool:
        """Hear of an epoch's value and what it took; return whether the trial shall stop.

        `spent` is what the step took: `seconds` of a device, and `joules`.
        """

    def note_death(self, key: str, error: str) -> bool:
        """Hear what a trial's worker died of; return whether another one may take it up."""
        live = self._live.get(key)
        if live is None:
            return False
        live.death, live.deaths = error, live.deaths + 1
        return live.deaths < MAX_ATTEMPTS

    def give_up(self, key: str) -> None:
        """Hear that a trial's workers are gone: it failed, or waits to be taken up again."""
        live = self._live.get(key)
        if live is None:
            return
        if self._attempts(live) >= MAX_ATTEMPTS:
            self.finish(
                key, error=f"its worker or driver died {MAX_ATTEMPTS} times ({live.death})", kind="death"
            )
            return
        del self._live[key]
        self._wait_again(live)

    def _attempts(self, live: Live) -> int:
        """Return how often a trial was tried since it last finished an epoch."""
        return live.deaths

    @abstractmethod
    def _wait_again(self, live: Live) -> None:
        """Let a trial wait for another worker."""

    def halt(self, key: str, reason: str) -> None:
        """Hear why neither a trial nor any other one can go on. The trial is left for a later run."""
        del self._live[key]
        self.halted = self.halted or reason

    def finish(
        self,
        key: str,
        *,
        value: float | Sequence[float] | None = None,
        error: str | None = None,
        kind: str | None = None,
    ) -> None:
        """Hear how a trial ended: with its values, stopped, or with an error's text. The first word counts.

        `kind` is alike in errors of one cause.
        """
        live = self._live.pop(key, None)
        if live is None:
            logger.info("Tune trial %s ended again: ignored", key)
        else:
            self._end(live, value, error, kind)

    @abstractmethod
    def _end(
        self, live: Live, value: float | Sequence[float] | None, error: str | None, kind: str | None
    ) -> None:
        """Record how a trial ended."""

    def heartbeat(self) -> None:
        """Hear that the driver lives. Called often while trials run."""

    def interrupted(self) -> bool:
        """Whether trials were left running."""
        return bool(self._live)

    @abstractmethod
    def nothing_left(self) -> bool:
        """Whether every trial has ended."""
