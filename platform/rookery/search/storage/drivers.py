"""Who else works on a study: nobody, when its database is a file; other drivers, on PostgreSQL."""

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from rookery.search.storage.optuna_internals import kept, set_user_attr
from rookery.search.storage.server_locks import DriverLocks
from rookery.search.study import Study

DRIVER = "driver"
"""User attribute of a trial: identity of the driver that runs it."""
GRACE_SECONDS = 20.0
"""A driver is taken for dead when its lock has been free for so long: a server that restarts frees all."""


class Drivers(Protocol):
    """The other drivers of a study. Used by one thread of one driver."""

    shared: bool
    """Whether there may be any."""

    def turn(self) -> AbstractContextManager[None]:
        """Let one driver at a time count trials and ask for the next."""

    def claim(self, trial: optuna.Trial) -> None:
        """Write down that this driver runs a trial."""

    def alone(self) -> bool:
        """Whether no other driver works on the study now."""

    def heartbeat(self) -> None:
        """Let the others know that this one lives. To be called often."""

    def leave(self) -> None:
        """Say that this driver ends."""

    def orphaned_trials(self) -> list[FrozenTrial]:
        """Return the running trials of drivers that seem to be dead."""

    def adopt(self) -> list[FrozenTrial]:
        """Take over, and return, the running trials of drivers that have been dead for a while."""


class SoleDriver:
    """There is one driver: the study's lock sees to it."""

    shared = False

    def turn(self) -> AbstractContextManager[None]:
        """Wait for nobody."""
        return nullcontext()

    def claim(self, trial: optuna.Trial) -> None:
        """Write nothing."""

    def alone(self) -> bool:
        """Return True."""
        return True

    def heartbeat(self) -> None:
        """Show it to nobody."""

    def leave(self) -> None:
        """Tell nobody."""

    def orphaned_trials(self) -> list[FrozenTrial]:
        """Return none."""
        return []

    def adopt(self) -> list[FrozenTrial]:
        """Take over none."""
        return []


class OtherDrivers:
    """DriverLocks on one PostgreSQL database. Each running trial names its own."""

    shared = True

    def __init__(self, locks: DriverLocks, optuna_study: optuna.Study) -> None:
        self._locks, self._optuna = locks, optuna_study
        self._seen_dead: dict[str, float] = {}

    def turn(self) -> AbstractContextManager[None]:
        """Let one driver at a time count trials and ask for the next."""
        return self._locks.turn()

    def claim(self, trial: optuna.Trial) -> None:
        """Write down that this driver runs a trial."""
        trial.set_user_attr(DRIVER, self._locks.me)

    def alone(self) -> bool:
        """Whether no other driver works on the study now."""
        return self._locks.alone()

    def heartbeat(self) -> None:
        """Let the others know that this one lives."""
        self._locks.heartbeat()

    def leave(self) -> None:
        """Say that this driver ends."""
        self._locks.leave()

    def orphaned_trials(self) -> list[FrozenTrial]:
        """Return the running trials of drivers that have no lock."""
        running = self._optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        owners = {_owner(trial) for trial in running} - {self._locks.me}
        dead = {owner for owner in owners if not (owner and self._locks.lives(owner))}
        self._seen_dead = {owner: at for owner, at in self._seen_dead.items() if owner in dead}
        return [trial for trial in running if _owner(trial) in dead]

    def adopt(self) -> list[FrozenTrial]:
        """Take over, and return, the running trials of drivers that have been without a lock for a while."""
        now, adopted = time.monotonic(), []
        for trial in self.orphaned_trials():
            owner = _owner(trial)
            if now - self._seen_dead.setdefault(owner, now) < GRACE_SECONDS:
                continue
            with self.turn():
                current = kept(self._optuna, trial)
                if current.state is not TrialState.RUNNING or _owner(current) != owner:
                    continue  # another driver was faster
                set_user_attr(self._optuna, trial, DRIVER, self._locks.me)
            adopted.append(kept(self._optuna, trial))
        return adopted


def drivers_of(study: Study, optuna_study: optuna.Study) -> Drivers:
    """Return who may work on a study beside this driver."""
    if not study.shared:
        return SoleDriver()
    return OtherDrivers(DriverLocks(study.url, study.document.storage_name), optuna_study)


def _owner(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get(DRIVER, ""))
