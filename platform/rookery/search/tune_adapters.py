"""Ray Tune's searcher, scheduler and callback as thin faces of the coordinator and the progress display.

None of them has state of its own to save: Tune's snapshots hold nothing that a restart would need.
"""

from __future__ import annotations

from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from rookery.search.coordinator import Coordinator
from rookery.search.planner import ResourcePlan
from rookery.search.progress import SearchProgress
from rookery.search.trial import FAILED, FINISHED, HALTED, STEP, VALUE


class StudySearcher(Searcher):
    """Asks the Optuna study for trials and tells it how they ended."""

    def __init__(self, coordinator: Coordinator, resources: ResourcePlan, progress: SearchProgress) -> None:
        super().__init__()
        self._coordinator, self._resources, self._progress = coordinator, resources, progress

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Return the next trial's plan, or that there is none left."""
        plan = self._coordinator.suggest(trial_id)
        if plan is None:
            return Searcher.FINISHED
        self._progress.update(self._coordinator.tally)
        where = {
            "study": str(self._coordinator.study.path.absolute()),
            "in_worker_group": self._resources.in_worker_group,
            "cpus": self._resources.cpus,
            "gpus": self._resources.gpus,
        }
        return {"plan": plan | where}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the trial's end. With `error`, its worker died once more than Tune replaces it."""
        if error:
            self._coordinator.give_up(trial_id)
        else:
            result = result or {}
            if HALTED in result:
                self._coordinator.halt(trial_id, result[HALTED])
            self._coordinator.finish(trial_id, value=result.get(FINISHED), error=result.get(FAILED))
        self._progress.update(self._coordinator.tally)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PrunerScheduler(FIFOScheduler):
    """Lets the study's Optuna pruner stop trials; its state is the study itself."""

    def __init__(self, coordinator: Coordinator) -> None:
        super().__init__()
        self._coordinator = coordinator

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Pass a value on and answer whether the trial goes on."""
        if STEP not in result or not {FINISHED, FAILED, HALTED}.isdisjoint(result):
            return TrialScheduler.CONTINUE
        stop = self._coordinator.report(trial.trial_id, int(result[STEP]), float(result[VALUE]))
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Note what a worker died of. Tune calls this at every death, also when it tries again."""
        self._coordinator.note_death(trial.trial_id, str(trial.get_error() or "died without a word"))

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ProgressCallback(tune.Callback):
    """Keeps the display alive between results."""

    def __init__(self, coordinator: Coordinator, progress: SearchProgress) -> None:
        self._coordinator, self._progress = coordinator, progress

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Refresh the display."""
        self._progress.update(self._coordinator.tally)

    def __getstate__(self) -> dict[str, Any]:
        return {}
