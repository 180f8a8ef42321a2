"""Ray Tune's searcher, scheduler and callback as thin faces of a queue of trials.

None of them has state of its own to save: Tune's snapshots hold nothing that a restart would need.
"""

import json
import time
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from rookery.compute.resources import ResourcePlan, live_nodes
from rookery.search.packs import PackedQueue
from rookery.search.trial_plan import FAILED, FINISHED, HALTED, KIND, PARTS, SPENT, STEP, VALUE
from rookery.search.trial_queue import Queue

_SESSION_TRIALS, _SESSION_ROUNDS = 500, 50
_LOOK_SECONDS = 2.0
"""So often is the cluster asked which nodes it has."""


class QueueSearcher(Searcher):
    """Asks the queue for trials and tells it how they ended."""

    def __init__(self, queue: Queue, resources: ResourcePlan) -> None:
        super().__init__()
        self._queue, self._resources = queue, resources
        self._room, self._looked = resources.concurrent, time.monotonic()
        self.ended = False
        """Whether it said that the session has no more trials: a session ends before that at Ctrl-C alone."""
        # Tune keeps all that it ever ran, and grows slower with it: a fresh session forgets.
        self._session = max(_SESSION_TRIALS, _SESSION_ROUNDS * resources.concurrent)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next trial's plan, that there is none left, or None while there is no room for one."""
        if self._queue.n_running >= self._room_now() or self._queue.waits():
            return None
        plan = self._queue.suggest(trial_id) if self._session else None
        if plan is None:
            self.ended = True
            return Searcher.FINISHED
        self._session -= 1
        where = {
            "study": str(self._queue.folder.absolute()),
            "in_worker_group": self._resources.in_worker_group,
            "workers": self._resources.workers,
            "cpus": self._resources.cpus,
            "gpus": self._resources.gpus,
        }
        return {"plan": plan | where}

    def _room_now(self) -> int:
        """Return how many trials may run at once, as nodes join and leave."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._room, self._looked = self._resources.room(live_nodes(ray.nodes())), time.monotonic()
        return self._room

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the trial's end. With `error`, its worker died once more than Tune replaces it."""
        if error:
            self._queue.give_up(trial_id)
        else:
            result = result or {}
            if HALTED in result:
                self._queue.halt(trial_id, result[HALTED])
            value, error_text = result.get(FINISHED), result.get(FAILED)
            self._queue.finish(trial_id, value=value, error=error_text, kind=result.get(KIND))

    def save(self, checkpoint_path: str) -> None:
        """Save nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class QueueScheduler(FIFOScheduler):
    """Lets the queue stop trials."""

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self._queue = queue
        self._newest: Trial | None = None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Remember the newest trial."""
        self._newest = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Let the newest trial have the actor that became free.

        Tune takes back the actor that it asked for where a trial runs on another one: given to the oldest,
        free actors would keep those from starting that need longer for it than a trial takes.
        """
        if self._newest is not None and self._newest.status == Trial.PENDING:
            return self._newest
        return super().choose_trial_to_run(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Pass a value on and answer whether the trial goes on."""
        if PARTS in result and isinstance(self._queue, PackedQueue):
            self._queue.hear(trial.trial_id, json.loads(result[PARTS]))
            return TrialScheduler.CONTINUE
        if STEP not in result or not {FINISHED, FAILED, HALTED}.isdisjoint(result):
            return TrialScheduler.CONTINUE
        step, value = int(result[STEP]), float(result[VALUE])
        spent = {column: float(result[key]) for key, column in SPENT.items() if key in result}
        stop = self._queue.report(trial.trial_id, step, value, spent)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Note what a worker died of; at too many deaths without progress Tune replaces it no more.

        Tune calls this at every death, also when it tries again.
        """
        death = str(trial.get_error() or "died without a word")
        if not self._queue.note_death(trial.trial_id, death):
            trial.max_failures = 0

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Heartbeat(tune.Callback):
    """Lets the queue know between results that its driver lives."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Say so."""
        self._queue.heartbeat()

    def __getstate__(self) -> dict[str, Any]:
        return {}
