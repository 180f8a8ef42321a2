"""Train a campaign's networks: a queue of them for the engine that runs the trials of searches."""

import logging
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rookery.campaigns.plan import Folders, NetworkTask, is_whole
from rookery.compute.resources import ResourcePlan
from rookery.search.engine import run_trials
from rookery.search.trial_queue import MAX_ATTEMPTS
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import write_text

logger = logging.getLogger(__name__)
Done = Callable[[NetworkTask, str | None], None]
"""Called as each network ends, with its error if it has one."""


def train_networks(
    tasks: Sequence[NetworkTask], folders: Folders, plan: ResourcePlan, on_end: Done
) -> dict[str, str]:
    """Finish every task, as many at once as the plan says.

    A network that fails is recorded under ``failed/`` and the others go on. One whose worker dies resumes
    on another one from its checkpoint.

    Returns
    -------
    Errors by member.

    Raises
    ------
    InputError
        When the disk fails under a worker, or it has no GPU where one was asked for: no network could
        go on.
    KeyboardInterrupt
        At Ctrl-C.
    """
    queue = NetworkQueue(tasks, folders, on_end)
    try:
        run_trials(queue, plan)
    finally:
        forget_sessions(folders)
    if queue.halted is not None:
        raise InputError(f"{queue.halted}; the campaign stopped, and the same command continues it")
    if not queue.nothing_left():  # Tune catches Ctrl-C
        raise KeyboardInterrupt
    return queue.errors


def forget_sessions(folders: Folders) -> None:
    """Remove what Ray Tune and Ray Train noted down of their work; nothing is read from there."""
    for name in ("tune", "train"):
        shutil.rmtree(folders.out / name, ignore_errors=True)


@dataclass
class _Network:
    number: int
    task: NetworkTask
    epochs: int = 0
    """Epochs that it is known to have finished."""
    deaths: int = 0
    """How often its worker died since it last finished an epoch."""
    death: str = "died without a word"
    """What its worker died of last."""


class NetworkQueue:
    """A campaign's networks, each a trial of one member: a :class:`~rookery.search.trial_queue.Queue`."""

    def __init__(self, tasks: Sequence[NetworkTask], folders: Folders, on_end: Done) -> None:
        self.halted: str | None = None
        self.errors: dict[str, str] = {}
        """Those of networks that failed, by member."""
        self._folders, self._on_end = folders, on_end
        self._waiting = deque(_Network(number, task) for number, task in enumerate(tasks))
        self._live: dict[str, _Network] = {}

    @property
    def folder(self) -> Path:
        """The campaign's folder."""
        return self._folders.out

    @property
    def n_running(self) -> int:
        """Networks that train now."""
        return len(self._live)

    def waits(self) -> bool:
        """Never: networks do not depend on each other."""
        return False

    def suggest(self, key: str) -> dict[str, Any] | None:
        """Return the plan of the next network."""
        if self.halted is not None or not self._waiting:
            return None
        network = self._live[key] = self._waiting.popleft()
        task = network.task
        folder = self._folders.members / task.job.member
        if folder.exists() and not is_whole(folder):  # no member at all: someone took files away
            shutil.rmtree(folder)
        return {
            "trial": network.number,
            "jobs": [task.job.model_dump(mode="json")],
            "surveys": task.surveys,
            "one_survey": False,
        }

    def report(self, key: str, step: int, value: float, spent: Mapping[str, float]) -> bool:
        """Take note of an epoch; nothing stops a network."""
        network = self._live[key]
        if step > network.epochs:
            network.epochs, network.deaths = step, 0
        return False

    def note_death(self, key: str, error: str) -> bool:
        """Keep what a network's worker died of; return whether another one may take it up."""
        network = self._live.get(key)
        if network is None:
            return False
        network.deaths, network.death = network.deaths + 1, error
        return network.deaths < MAX_ATTEMPTS

    def give_up(self, key: str) -> None:
        """Let a network fail whose workers died too often; else it waits to be taken up again."""
        network = self._live.get(key)
        if network is None:
            return
        if network.deaths >= MAX_ATTEMPTS:
            self.finish(key, error=f"its worker process died {network.deaths} times ({network.death})")
        else:
            self._waiting.appendleft(self._live.pop(key))

    def halt(self, key: str, reason: str) -> None:
        """Give out no network any more."""
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
        """Record how a network ended. The first word counts."""
        network = self._live.pop(key, None)
        if network is None:
            logger.info("Tune trial %s ended again: ignored", key)
            return
        if value is None and error is None:
            error = "it ended without a result"
        member = network.task.job.member
        record = self._folders.failed / f"{member}.txt"
        if error is None:
            record.unlink(missing_ok=True)
        else:
            self.errors[member] = error
            write_text(record, error + "\n")
        self._on_end(network.task, error)

    def heartbeat(self) -> None:
        """Nobody else works on a campaign."""

    def interrupted(self) -> bool:
        """Whether networks were left in training."""
        return bool(self._live)

    def nothing_left(self) -> bool:
        """Whether every network has ended."""
        return not (self._waiting or self._live)
