"""Who else works on a study: nobody, when its database is a file; other drivers, on PostgreSQL."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from rookery.search.storage.database import DRIVER, Drivers
from rookery.search.study import Study

GRACE_SECONDS = 20.0
"""A driver is taken for dead when its lock has been free for so long: a server that restarts frees all."""


class Company(Protocol):
    """The other drivers of a study. Used by one thread of one driver."""

    shared: bool
    """Whether there may be any."""

    def turn(self) -> AbstractContextManager[None]:
        """Let one driver at a time count trials and ask for the next."""

    def sign(self, trial: optuna.Trial) -> None:
        """Write down that this driver runs a trial."""

    def alone(self) -> bool:
        """Whether no other driver works on the study now."""

    def show_life(self) -> None:
        """Let the others know that this one lives. To be called often."""

    def leave(self) -> None:
        """Say that this driver ends."""

    def left_by_the_dead(self) -> list[FrozenTrial]:
        """Return the running trials of drivers that seem to be dead."""

    def adopt(self) -> list[FrozenTrial]:
        """Take over, and return, the running trials of drivers that have been dead for a while."""


class Nobody:
    """There is one driver: the study's lock sees to it."""

    shared = False

    def turn(self) -> AbstractContextManager[None]:
        """Wait for nobody."""
        return nullcontext()

    def sign(self, trial: optuna.Trial) -> None:
        """Write nothing."""

    def alone(self) -> bool:
        """Return True."""
        return True

    def show_life(self) -> None:
        """Show it to nobody."""

    def leave(self) -> None:
        """Tell nobody."""

    def left_by_the_dead(self) -> list[FrozenTrial]:
        """Return none."""
        return []

    def adopt(self) -> list[FrozenTrial]:
        """Take over none."""
        return []


class OtherDrivers:
    """Drivers on one PostgreSQL database. Each running trial names its own."""

    shared = True

    def __init__(self, drivers: Drivers, optuna_study: optuna.Study) -> None:
        self._drivers, self._optuna = drivers, optuna_study
        self._seen_dead: dict[str, float] = {}

    def turn(self) -> AbstractContextManager[None]:
        """Let one driver at a time count trials and ask for the next."""
        return self._drivers.turn()

    def sign(self, trial: optuna.Trial) -> None:
        """Write down that this driver runs a trial."""
        trial.set_user_attr(DRIVER, self._drivers.me)

    def alone(self) -> bool:
        """Whether no other driver works on the study now."""
        return self._drivers.alone()

    def show_life(self) -> None:
        """Let the others know that this one lives."""
        self._drivers.show_life()

    def leave(self) -> None:
        """Say that this driver ends."""
        self._drivers.leave()

    def left_by_the_dead(self) -> list[FrozenTrial]:
        """Return the running trials of drivers that have no lock."""
        running = self._optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        owners = {_owner(trial) for trial in running} - {self._drivers.me}
        dead = {owner for owner in owners if not (owner and self._drivers.lives(owner))}
        self._seen_dead = {owner: at for owner, at in self._seen_dead.items() if owner in dead}
        return [trial for trial in running if _owner(trial) in dead]

    def adopt(self) -> list[FrozenTrial]:
        """Take over, and return, the running trials of drivers that have been without a lock for a while."""
        now, storage, adopted = time.monotonic(), self._optuna._storage, []
        for trial in self.left_by_the_dead():
            owner = _owner(trial)
            if now - self._seen_dead.setdefault(owner, now) < GRACE_SECONDS:
                continue
            with self.turn():
                current = storage.get_trial(trial._trial_id)
                if current.state is not TrialState.RUNNING or _owner(current) != owner:
                    continue  # another driver was faster
                storage.set_trial_user_attr(trial._trial_id, DRIVER, self._drivers.me)
            adopted.append(storage.get_trial(trial._trial_id))
        return adopted


def company(study: Study, optuna_study: optuna.Study) -> Company:
    """Return who may work on a study beside this driver."""
    if not study.shared:
        return Nobody()
    return OtherDrivers(Drivers(study.url, study.document.storage_name), optuna_study)


def _owner(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get(DRIVER, ""))
