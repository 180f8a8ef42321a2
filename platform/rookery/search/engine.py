"""The engine of searches and campaigns: Ray Tune runs a queue's trials, as many at once as there is room.

A study's queue is :class:`rookery.search.ask_tell.AskTell`, a campaign's the list of its networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rookery.compute.faults import storage_fault
from rookery.compute.resources import ResourcePlan
from rookery_ensembles.errors import InputError

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


def run_trials(queue: Queue, plan: ResourcePlan) -> None:
    """Run a queue's trials until none is left, none can go on, or Ctrl-C leaves some running.

    Tune catches Ctrl-C, and returns as if all were well. A disk that fails under the driver halts the queue
    as one that fails under a worker does.
    """
    # A session of Tune ends after some trials, and may leave some whose workers died.
    while not (queue.halted or queue.interrupted() or queue.nothing_left()):
        try:
            _tune(queue, plan)
        except Exception as error:
            fault = None if isinstance(error, InputError) else storage_fault(error)
            if fault is None:
                raise
            queue.halted = f"{queue.folder}: cannot be written ({fault})"


def _tune(queue: Queue, plan: ResourcePlan) -> None:
    """Run one session of Ray Tune."""
    from ray import tune

    from rookery.search.tune_adapters import Heartbeat, QueueScheduler, QueueSearcher
    from rookery.search.worker import run_trial

    sessions = queue.folder / "tune"
    number = 1 + sum(1 for _ in sessions.glob("session-*")) if sessions.is_dir() else 1
    tuner = tune.Tuner(
        tune.with_resources(run_trial, plan.tune_resources()),
        tune_config=tune.TuneConfig(
            num_samples=-1,  # the searcher says when it has finished
            search_alg=QueueSearcher(queue, plan),
            scheduler=QueueScheduler(queue),
            # A Tune actor that waits for a stopped worker group cannot be reused.
            reuse_actors=not plan.in_worker_group,
            trial_dirname_creator=lambda trial: f"trial-{trial.config['plan']['trial']:04d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=f"session-{number:03d}",
            storage_path=str(sessions.absolute()),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=-1),  # the queue gives trials up
            callbacks=[Heartbeat(queue)],
        ),
    )
    queue.heartbeat()
    tuner.fit()
    queue.heartbeat()
