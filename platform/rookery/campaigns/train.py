"""Train a campaign's networks: a queue of them for the engine that runs the trials of searches."""

import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rookery.campaigns.plan import Folders, NetworkTask, is_whole
from rookery.compute.resources import ResourcePlan
from rookery.search.notices import Notices
from rookery.search.packs import pack_key
from rookery.search.trial_queue import LiveTrial, Queue
from rookery.training.card import read_card
from rookery.training.job import StartFrom, TrainingJob
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import write_text

Done = Callable[[NetworkTask, str | None], None]
"""Called as each network ends, with its error if it has one."""


def train_networks(
    tasks: Sequence[NetworkTask],
    folders: Folders,
    plan: ResourcePlan | None,
    on_end: Done,
    notices: Sequence[Notices] = (),
) -> dict[str, str]:
    """Finish every task, as many at once as the plan says; without one by one in this process.

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
    queue = NetworkQueue(tasks, folders, on_end, notices)
    try:
        if plan is None:
            from rookery.search.here import run_here

            run_here(queue, cpus=1, gpus=0)
        else:
            from rookery.search.engine import run_trials

            run_trials(queue, plan, trials=len(tasks))
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
class _Network(LiveTrial):
    number: int
    task: NetworkTask
    kind: str | None
    """What networks have in common that may train as a pack."""
    epochs: int = 0
    """Epochs that it is known to have finished."""


class NetworkQueue(Queue[_Network]):
    """A campaign's networks, each a trial of one member; one that starts from others waits for them."""

    def __init__(
        self,
        tasks: Sequence[NetworkTask],
        folders: Folders,
        on_end: Done,
        notices: Sequence[Notices] = (),
    ) -> None:
        super().__init__()
        self._notices = notices
        self.errors: dict[str, str] = {}
        """Those of networks that failed, by member."""
        self._folders, self._on_end = folders, on_end
        self._waiting = deque(_Network(number, task, _kind(task)) for number, task in enumerate(tasks))
        self._missing = {task.job.member for task in tasks}

    @property
    def folder(self) -> Path:
        """The campaign's folder."""
        return self._folders.out

    def suggest(self, key: str) -> dict[str, Any] | None:
        """Return the plan of the next network."""
        network = next(filter(self._may_begin, self._waiting), None)
        if self.halted is not None or network is None:
            return None
        self._waiting.remove(network)
        self._live[key] = network
        task = network.task
        folder = self._folders.members / task.job.member
        if folder.exists() and not is_whole(folder):  # no member at all: someone took files away
            shutil.rmtree(folder)
        return {
            "trial": network.number,
            "remote": self._folders.remote and self._folders.remote.url,
            "jobs": [self._begun(task).model_dump(mode="json")],
            "surveys": task.surveys,
            "one_survey": False,
        }

    def waits(self) -> bool:
        """Whether all networks that are left start from some that are in training."""
        return bool(self._waiting and self._live) and not any(map(self._may_begin, self._waiting))

    def _may_begin(self, network: _Network) -> bool:
        return self._missing.isdisjoint(network.task.after)

    def _begun(self, task: NetworkTask) -> TrainingJob:
        """Return a network's job with the weights that it starts from: the best of those named."""
        if not task.after:
            return task.job
        folders = [(self._folders.members / name).absolute() for name in task.after]
        cards = {folder: read_card(folder) for folder in folders}
        sign = 1 if task.job.direction == "minimize" else -1
        best = min(folders, key=lambda folder: sign * cards[folder].value)
        return task.job.model_copy(update={"start": StartFrom(folder=str(best), weights=cards[best].weights)})

    def suggest_like(self, key: str, like: str) -> dict[str, Any] | None:
        """Return the plan of the next network of the same architecture, survey, split and target."""
        for network in self._waiting:
            alike = network.kind is not None and network.kind == self._live[like].kind
            if alike and self._may_begin(network):
                self._waiting.remove(network)
                self._waiting.appendleft(network)
                return self.suggest(key)
        return None

    def report(self, key: str, step: int, value: float, spent: Mapping[str, float] | None = None) -> bool:
        """Take note of an epoch; nothing stops a network."""
        network = self._live[key]
        if step > network.epochs:
            network.epochs, network.deaths = step, 0
            for one in self._notices:
                one.epoch(spent or {})
        return False

    def heartbeat(self) -> None:
        """Let those who tell of the campaign know that its driver lives."""
        for one in self._notices:
            one.look(self.n_running)

    def _wait_again(self, live: _Network) -> None:
        self._waiting.appendleft(live)

    def _end(
        self, live: _Network, value: float | Sequence[float] | None, error: str | None, kind: str | None
    ) -> None:
        """Record how a network ended, under ``failed/`` where it has an error."""
        if value is None and error is None:
            error = "it ended without a result"
        member = live.task.job.member
        record = self._folders.failed / f"{member}.txt"
        if error is None:
            record.unlink(missing_ok=True)
            self._missing.discard(member)
        else:
            self.errors[member] = error
            write_text(record, error + "\n")
        self._on_end(live.task, error)
        if error is not None:
            for network in [one for one in self._waiting if member in one.task.after]:
                self._waiting.remove(network)
                self._end(network, None, f"it starts from {member}, which failed: {error}", kind)

    def nothing_left(self) -> bool:
        """Whether every network has ended."""
        return not (self._waiting or self._live)


def _kind(task: NetworkTask) -> str | None:
    return pack_key({"jobs": [task.job.model_dump(mode="json")]})
