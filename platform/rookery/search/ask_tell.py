"""The driver's one voice to the Optuna study: asks it for trials, and tells it what becomes of them.

:func:`open_ask_tell` first sets right what a killed driver left; see :mod:`rookery.search.reconcile`. A trial
whose worker died goes on on another one, unless it died so `MAX_ATTEMPTS` times without finishing one more
epoch.
"""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from rookery.networks.family import FREE_IN_PACKS, load_family
from rookery.search.attributes import INFEASIBLE
from rookery.search.constraints import MOST_IN_A_ROW
from rookery.search.ensemble_gains import EnsembleGains, MemberLikelihoods
from rookery.search.jobs import trial_jobs
from rookery.search.limits import Limits, ended_trials
from rookery.search.listeners import CostsOfTrials, FirstFailures, Listener
from rookery.search.proposals import Proposals
from rookery.search.reconcile import attempts, forget_checkpoints, found_again, reconcile
from rookery.search.storage.drivers import Drivers, drivers_of
from rookery.search.storage.optuna_internals import kept, take_up, together
from rookery.search.study import Study
from rookery.search.trial_counts import RunningTrial, TrialCounts
from rookery.search.trial_queue import Queue, StudyTrial

_LOOK_SECONDS = 1.0
_MANY = 100
"""Above so many running trials they are listed once in `_LOOK_SECONDS`: a list takes more than a decision."""
AGAIN = "again"
"""User attribute of the Optuna study: numbers of failed trials that do not count, as they are queued anew."""


def open_ask_tell(
    study: Study, n_trials: int, *, limits: Limits | None = None, likelihoods: MemberLikelihoods | None = None
) -> "AskTell":
    """Open a study for a driver that brings it to `n_trials` trials: what a killed one left is set right.

    `limits` may end it before; for `likelihoods` see :class:`rookery.search.ensemble_gains.EnsembleGains`.
    """
    opened = study.optuna_study(single_writer=not study.shared)
    drivers = drivers_of(study, opened)
    with drivers.turn():
        existing = opened.get_trials(deepcopy=False)
        begun = [trial for trial in existing if trial.state is not TrialState.WAITING]
        gains = EnsembleGains(study, likelihoods) if study.document.search_for == "ensemble" else None
        proposals = Proposals(study.document, opened, len(begun), gains)
        proposals.enqueue_first(existing)
    ask_tell = AskTell(study, opened, proposals, drivers, n_trials, gains)
    # Of several drivers' trials, those whose driver died are taken up later.
    mine = [trial for trial in begun if trial.state is not TrialState.RUNNING or not drivers.shared]
    ask_tell.take_over(mine, asked=begun)
    ask_tell.limits = limits or Limits()
    ask_tell.has_enough()
    return ask_tell


class AskTell(Queue[StudyTrial]):
    """The trials of a study that one driver runs. Used by one thread; not shared with workers."""

    def __init__(
        self,
        study: Study,
        optuna_study: optuna.Study,
        proposals: Proposals,
        drivers: Drivers,
        n_trials: int,
        gains: EnsembleGains | None = None,
    ) -> None:
        super().__init__()
        self.study, self.optuna = study, optuna_study
        self.n_trials = n_trials if proposals.most is None else min(n_trials, proposals.most)
        self.limits = Limits()
        self.enough: str | None = None
        """Which of the limits ended the search before it had its number of trials."""
        self.counts = TrialCounts()
        self.listeners: list[Listener] = [CostsOfTrials(), FirstFailures()]
        self._proposals, self._drivers, self._gains = proposals, drivers, gains
        self.family = load_family(study.document.family)
        self._prunes = study.document.pruner != "none"
        self._void = set(optuna_study.user_attrs.get(AGAIN, ()))
        self._asked = 0
        self._orphans: list[FrozenTrial] = []
        self._waiting, self._looked = False, 0.0
        self._running, self._listed = list[RunningTrial](), 0.0

    def take_over(self, trials: Sequence[FrozenTrial], asked: Sequence[FrozenTrial] = ()) -> None:
        """Reconcile trials that other drivers began, and go on with them; `asked` were not counted before."""
        ended, orphans = reconcile(self.study, self.optuna, trials, self._gains)
        for trial in ended:
            self._count(trial)
        self._orphans += orphans
        self._asked += sum(map(self._counts, asked))

    @property
    def folder(self) -> Path:
        """Where the study lies on this machine."""
        return self.study.path

    def left(self) -> int:
        """Return how many trials are still to be run or finished."""
        return max(0, self.n_trials - self._asked) + len(self._orphans)

    def found_again(self) -> str | None:
        """Return in words what earlier drivers left of the study; None where that is nothing."""
        return found_again(self.optuna.get_trials(deepcopy=False), self._orphans, self._void, self._prunes)

    def has_enough(self) -> bool:
        """Whether one of the limits is reached: then no more trials are asked for."""
        if self.enough is None and self.limits.any:
            lag = self.study.document.deterministic
            last = None if lag is None else self._asked - lag
            ended = ended_trials(filter(self._counts, self.optuna.get_trials(deepcopy=False)), last)
            self.enough = self.limits.reached(ended, self._running_seconds())
        if self.enough is not None:
            self.n_trials = min(self.n_trials, self._asked)
        return self.enough is not None

    def _running_seconds(self) -> float:
        steps = (step for live in self._live.values() for step in live.spent.values())
        return sum(step.get("seconds", 0.0) for step in steps)

    def running_trials(self) -> list[RunningTrial]:
        """Return how far the running trials are."""
        return [
            RunningTrial(live.trial.number, max(live.reported, default=0), live.epochs, live.networks)
            for live in self._live.values()
        ]

    def nothing_left(self) -> bool:
        """Whether the study has its trials, and none that this driver could finish."""
        if self._orphans or self._live:
            return False
        self._refresh()
        return self._asked >= self.n_trials and not self._drivers.orphaned_trials()

    def alone(self) -> bool:
        """Whether no other driver works on the study."""
        return self._drivers.alone()

    def heartbeat(self) -> None:
        """Let other drivers and the listeners know that this one lives. To be called often."""
        self._drivers.heartbeat()
        self._update()

    def leave(self) -> None:
        """Say that this driver ends."""
        self._drivers.leave()

    def waits(self) -> bool:
        """Whether there is nothing to suggest now, but may be soon.

        A trial's driver seems to be dead, or a deterministic study must know how an earlier trial ends.
        """
        if self.halted is not None or self._orphans:
            return False
        lag = self.study.document.deterministic
        if lag is not None and self._asked < self.n_trials:
            return self._proposals.must_wait(lag)
        if not self._drivers.shared:
            return False
        # Tune asks many times a second; the database need not.
        if self._waiting and time.monotonic() - self._looked < _LOOK_SECONDS:
            return True
        self._waiting, self._looked = self._waits_for_orphans(), time.monotonic()
        return self._waiting

    def _waits_for_orphans(self) -> bool:
        """Whether all trials are asked for, and some may still be taken up from drivers that died."""
        self._refresh()
        if self._asked < self.n_trials:
            return False
        self.take_over(self._drivers.adopt())
        return not self._orphans and bool(self._drivers.orphaned_trials())

    def suggest(self, key: str) -> dict[str, Any] | None:
        """Return the plan of the next trial, to be known as `key`; None when none is left."""
        if self.halted is not None:
            return None
        with together(self.optuna):
            plan = self._suggest(key)
        self._update()
        return plan

    def suggest_like(self, key: str, like: str) -> dict[str, Any] | None:
        """Return the plan of a trial of the architecture of another one, unless others wait in line."""
        free = {*FREE_IN_PACKS, *self.family.loss_weights}
        params = self._live[like].trial.params
        with self._proposals.like({name: value for name, value in params.items() if name not in free}):
            return self.suggest(key)

    def _suggest(self, key: str) -> dict[str, Any] | None:
        for _ in range(MOST_IN_A_ROW):
            live = self._taken_up() if self._orphans else self._ask()
            if live is None:
                return None
            values = self._proposals.configure(live.trial)
            if values is not None:
                break
            self.optuna.tell(live.trial, state=TrialState.PRUNED)
            self._asked -= 1
        else:
            rule = f"{MOST_IN_A_ROW} configurations in a row break the constraints of the search space"
            self.stop(f"{rule}; widen them, or narrow the parameters")
            return None
        self._live[key] = live
        jobs = trial_jobs(self.study, live.trial.number, values)
        live.epochs, live.networks = self._epochs(jobs[0].configuration), len(jobs)
        return {
            "trial": live.trial.number,
            "remote": self.study.remote and self.study.remote.url,
            "beside": self.study.space.objectives[1:],
            "jobs": [job.model_dump(mode="json") for job in jobs],
        }

    def _taken_up(self) -> StudyTrial:
        """Return the first of the trials that ran before, and count that it is taken up once more."""
        before = kept(self.optuna, self._orphans.pop(0))
        trial = take_up(self.optuna, before)
        trial.set_user_attr("attempts", attempts(before) + 1)
        return StudyTrial(trial, set(before.intermediate_values), attempts=attempts(before) + 1)

    def _ask(self) -> StudyTrial | None:
        """Ask for one more trial, unless the study has them all."""
        with self._drivers.turn():
            self._refresh()
            if self._asked >= self.n_trials or self.has_enough():
                return None
            trial = self._proposals.ask(self._asked)
            self._asked += 1
            self._drivers.claim(trial)
        return StudyTrial(trial)

    def _epochs(self, configuration: dict[str, Any]) -> int:
        """Return how many epochs a network will train."""
        try:
            return self.family.configure(configuration).epochs
        except ValidationError:
            return 1  # its worker will meet the same error, and it is the trial's

    def report(self, key: str, step: int, value: float, spent: Mapping[str, float] | None = None) -> bool:
        """Record an intermediate value; return whether the pruner stops the trial."""
        live = self._live[key]
        live.spent[step] = spent or {}
        for listener in self.listeners:
            listener.epoch(live.spent[step])
        if step not in live.reported:
            if not live.progressed:  # it goes on: what its drivers died of was not this trial
                live.progressed = True
                if live.attempts > 1:
                    live.trial.set_user_attr("attempts", 0)
            live.deaths = 0
            live.reported.add(step)
            if not self.study.space.beside:  # Optuna knows no intermediate values of several objectives
                live.trial.report(value, step)
        live.pruned = self._prunes and bool(live.trial.should_prune())
        return live.pruned

    def _attempts(self, live: StudyTrial) -> int:
        return max(live.deaths, live.attempts)

    def _wait_again(self, live: StudyTrial) -> None:
        self._orphans.append(kept(self.optuna, live.trial))
        self._update()

    def halt(self, key: str, reason: str) -> None:
        """Stop asking for trials. The trial known as `key` stays RUNNING, to be taken up by a later run."""
        super().halt(key, reason)
        self._update()

    def stop(self, reason: str) -> None:
        """Stop asking for trials."""
        self.halted = self.halted or f"{self.study.path}: {reason}"

    def try_again(self, failed: Sequence[FrozenTrial]) -> None:
        """Let failed trials count no more, and have their configurations tried by a later run."""
        for trial in failed:
            self._proposals.again(trial)
            self._void.add(trial.number)
        self.optuna.set_user_attr(AGAIN, sorted(self._void))

    def _end(
        self, live: StudyTrial, value: float | Sequence[float] | None, error: str | None, kind: str | None
    ) -> None:
        """Tell how a trial ended."""
        values = [value] if isinstance(value, int | float) else value
        if values is not None and not any(map(math.isnan, values)):
            state = TrialState.COMPLETE
        else:
            values = None
            state = TrialState.PRUNED if live.pruned and error is None else TrialState.FAIL
        gained: dict[str, Any] = {}
        if state is TrialState.COMPLETE and self._gains is not None:  # files are read: not in the transaction
            gained = self._gains.attributes(self.optuna, live.trial.number)
        with together(self.optuna):
            for key, number in gained.items():
                live.trial.set_user_attr(key, number)
            for listener in self.listeners:
                listener.ending(live.trial, list(live.spent.values()))
            if state is TrialState.FAIL:
                live.trial.set_user_attr("error", error or "the trial ended without a result")
            told = self.optuna.tell(live.trial, values, state=state, skip_if_finished=True)
        forget_checkpoints(self.study, told.number)
        self._count(told)
        for listener in self.listeners:
            listener.ended(self, told, kind)
        self._update()

    def _update(self) -> None:
        """Let the listeners know how the study stands."""
        self.counts.running = len(self._live)
        if len(self._live) <= _MANY or time.monotonic() - self._listed >= _LOOK_SECONDS:
            self._running, self._listed = self.running_trials(), time.monotonic()
        for listener in self.listeners:
            listener.update(self.counts, self._running)

    def _refresh(self) -> None:
        """Count again what is in a database that several drivers write."""
        if not self._drivers.shared:
            return
        trials = self.optuna.get_trials(deepcopy=False)
        self._void |= set(self.optuna.user_attrs.get(AGAIN, ()))
        begun = [t for t in trials if t.state is not TrialState.WAITING and self._counts(t)]
        self._asked = len(begun)
        self.counts = TrialCounts(running=len(self._live))
        for trial in begun:
            self._count(trial)

    def _counts(self, trial: FrozenTrial) -> bool:
        """Whether a trial is one of those that the study shall have."""
        return trial.number not in self._void and INFEASIBLE not in trial.user_attrs

    def _count(self, trial: FrozenTrial) -> None:
        if self._counts(trial):
            self.counts.count(trial, self.study.space.objective.direction)
