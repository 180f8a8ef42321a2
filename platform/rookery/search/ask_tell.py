"""The driver's one voice to the Optuna study: asks for trials, tells results, and mends what a crash left.

Nothing here is kept anywhere but in the Optuna storage and the member folders, so a driver that was
killed at any moment is continued by a new one from the study folder alone:

- a trial still RUNNING whose members are all finished is told COMPLETE with their value;
- any other RUNNING trial is taken up again under its own number; its members resume from their
  checkpoints, and values reported twice are told once;
- a trial taken up too often without finishing one more epoch is told FAIL, so that one that kills
  its driver cannot do so for ever.

A trial whose worker died goes on on another one, unless it died so `MAX_ATTEMPTS` times without
finishing one more epoch. When the first `SYSTEMATIC` trials of a study fail alike, and none came to
anything, the study stops: the cause is not theirs, and they are tried again by the next call.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from rookery.networks.family import load_family
from rookery.search.attributes import INFEASIBLE, TRUST
from rookery.search.constraints import MOST_IN_A_ROW, Constraints
from rookery.search.costs import write_costs
from rookery.search.earlier_studies import WarmStart
from rookery.search.jobs import trial_jobs
from rookery.search.progress import Going
from rookery.search.pruners import make_pruner
from rookery.search.samplers import grid, make_sampler
from rookery.search.storage.drivers import company
from rookery.search.storage.single_writer import OneWriterStorage
from rookery.search.study import Study, forget_checkpoint, trial_values
from rookery.search.systematic import SYSTEMATIC, FirstFailures
from rookery.search.trial_counts import Tally
from rookery.search.visible_trials import DeterministicPruner, ViewingSampler

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 5
_LOOK_SECONDS = 1.0
AGAIN = "again"
"""User attribute of the Optuna study: numbers of failed trials that do not count, as they are queued anew."""


@dataclass
class _Live:
    trial: optuna.Trial
    reported: set[int] = field(default_factory=set)
    pruned: bool = False
    progressed: bool = False
    death: str = "its worker died"
    """What its worker died of last."""
    attempts: int = 1
    """How often it was begun or taken up since it last finished an epoch."""
    deaths: int = 0
    """How often since it last finished an epoch."""
    epochs: int = 1
    """Of each of its networks."""
    networks: int = 1
    spent: dict[int, Mapping[str, float]] = field(default_factory=dict)
    """What each step took; of those before its driver was killed, too, once its worker resumes."""


class Coordinator:
    """See the module's text. Used by one thread of one driver; not shared with workers."""

    def __init__(self, study: Study, n_trials: int) -> None:
        self.study = study
        self.n_trials = n_trials
        self.family = load_family(study.document.family)
        document = study.document
        self._constraints = Constraints(document)
        self._grid = grid(study.space) if document.sampler == "grid" else None
        if self._grid is not None:
            complete = study.space.with_fixed
            self._grid = [point for point in self._grid if self._constraints.keeps(complete(point))]
            self.n_trials = min(n_trials, len(self._grid))
        self._warm_start: WarmStart | None = None
        if document.warm_start:
            self._warm_start = WarmStart(document.warm_start, study.space, self._constraints.broken)
        lag = document.deterministic
        pruner = make_pruner(document.pruner, document.pruner_options)
        self.optuna = study.optuna_study(
            pruner=DeterministicPruner(pruner, lag) if lag else pruner, one_writer=not study.shared
        )
        self._void = set(self.optuna.user_attrs.get(AGAIN, ()))
        storage = self.optuna._storage
        self._together = storage.together if isinstance(storage, OneWriterStorage) else nullcontext
        self._others = company(study, self.optuna)
        self._waiting, self._looked = False, 0.0
        with self._others.turn():
            existing = self.optuna.get_trials(deepcopy=False)
            self._enqueue_first(existing)
        self.tally = Tally()
        begun = [trial for trial in existing if trial.state is not TrialState.WAITING]
        # Of several drivers' trials, those whose driver died are taken up later.
        mine = [t for t in begun if t.state is not TrialState.RUNNING or not self._others.shared]
        self._orphans = self._reconcile(mine)
        self._asked = sum(self._counts(trial) for trial in begun)

        def sampler(seed: int) -> optuna.samplers.BaseSampler:
            return make_sampler(document.sampler, seed, study.space, document.sampler_options)

        # A sampler with the same seed at each start would repeat its first suggestions.
        seed = document.seed if lag else document.seed + 7919 * len(begun)
        viewing = lag is not None or self._warm_start is not None
        self.optuna.sampler = (
            ViewingSampler(sampler, seed, lag, self._warm_start) if viewing else sampler(seed)
        )
        self._prunes = document.pruner != "none"
        self._live: dict[str, _Live] = {}
        self.halted: str | None = None
        """Why no trial can go on here (a full disk), once one has said so."""
        self._first_failures = FirstFailures()

    def left(self) -> int:
        """Return how many trials are still to be run or finished."""
        return max(0, self.n_trials - self._asked) + len(self._orphans)

    def going(self) -> list[Going]:
        """Return how far the running trials are."""
        return [
            Going(live.trial.number, max(live.reported, default=0), live.epochs, live.networks)
            for live in self._live.values()
        ]

    def interrupted(self) -> bool:
        """Whether trials were left running."""
        return bool(self._live)

    def nothing_left(self) -> bool:
        """Whether the study has its trials, and none that this driver could finish."""
        if self._orphans or self._live:
            return False
        self._refresh()
        return self._asked >= self.n_trials and not self._others.left_by_the_dead()

    def alone(self) -> bool:
        """Whether no other driver works on the study."""
        return self._others.alone()

    def show_life(self) -> None:
        """Let other drivers know that this one lives. To be called often."""
        self._others.show_life()

    def leave(self) -> None:
        """Say that this driver ends."""
        self._others.leave()

    def waits(self) -> bool:
        """Whether there is nothing to suggest now, but may be soon.

        A trial's driver seems to be dead, or a deterministic study must know how an earlier trial ends.
        """
        if self.halted is not None or self._orphans:
            return False
        if self.study.document.deterministic is not None and self._asked < self.n_trials:
            return self._must_wait_for_earlier(self.study.document.deterministic)
        if not self._others.shared:
            return False
        # Tune asks many times a second; the database need not.
        if self._waiting and time.monotonic() - self._looked < _LOOK_SECONDS:
            return True
        self._waiting, self._looked = self._waits_for_the_dead(), time.monotonic()
        return self._waiting

    def _waits_for_the_dead(self) -> bool:
        """Whether all trials are asked for, and some may still be taken up from drivers that died."""
        self._refresh()
        if self._asked < self.n_trials:
            return False
        self._orphans += self._reconcile(self._others.adopt())
        return not self._orphans and bool(self._others.left_by_the_dead())

    def _must_wait_for_earlier(self, lag: int) -> bool:
        """Whether one of the trials that the next one is proposed from still runs."""
        trials = self.optuna.get_trials(deepcopy=False)
        waiting = (trial.number for trial in trials if trial.state is TrialState.WAITING)
        following = next(waiting, len(trials))
        return any(t.state is TrialState.RUNNING and t.number <= following - lag for t in trials)

    def _refresh(self) -> None:
        """Count again what is in a database that several drivers write."""
        if not self._others.shared:
            return
        trials = self.optuna.get_trials(deepcopy=False)
        self._void |= set(self.optuna.user_attrs.get(AGAIN, ()))
        begun = [t for t in trials if t.state is not TrialState.WAITING and self._counts(t)]
        self._asked = len(begun)
        self.tally = Tally(running=len(self._live))
        for trial in begun:
            self._count(trial)

    def suggest(self, key: str) -> dict[str, Any] | None:
        """Return the plan of the next trial, to be known as `key`; None when none is left."""
        if self.halted is not None:
            return None
        with self._together():
            return self._suggest(key)

    def _suggest(self, key: str) -> dict[str, Any] | None:
        for _ in range(MOST_IN_A_ROW):
            if self._orphans:
                live = self._taken_up(self._orphans.pop(0)._trial_id)
            else:
                asked = self._ask()
                if asked is None:
                    return None
                live = _Live(asked)
            values = self.study.space.suggest(live.trial)
            self._note_trust(live.trial)
            if self._constraints.tell(live.trial, values):
                break
            self.optuna.tell(live.trial, state=TrialState.PRUNED)
            self._asked -= 1
        else:
            rule = f"{MOST_IN_A_ROW} configurations in a row break the constraints of the search space"
            self.halted = f"{self.study.path}: {rule}; widen them, or narrow the parameters"
            return None
        self._live[key] = live
        self.tally.running = len(self._live)
        jobs = trial_jobs(self.study, live.trial.number, values)
        live.epochs = self._epochs(jobs[0].configuration)
        live.networks = len(jobs)
        return {
            "trial": live.trial.number,
            "beside": self.study.space.objectives[1:],
            "jobs": [job.model_dump(mode="json") for job in jobs],
        }

    def _epochs(self, configuration: dict[str, Any]) -> int:
        """Return how many epochs a network will train."""
        try:
            return self.family.configure(configuration).epochs
        except ValidationError:
            return 1  # its worker will meet the same error, and it is the trial's

    def _taken_up(self, identity: int) -> _Live:
        """Return a trial that ran before, and count that it is taken up once more."""
        before = self.optuna._storage.get_trial(identity)
        trial = optuna.Trial(self.optuna, identity)
        trial.set_user_attr("attempts", _attempts(before) + 1)
        return _Live(trial, set(before.intermediate_values), attempts=_attempts(before) + 1)

    def _ask(self) -> optuna.Trial | None:
        """Ask for one more trial, unless the study has them all."""
        with self._others.turn():
            self._refresh()
            if self._asked >= self.n_trials:
                return None
            if self._grid is not None:
                self._enqueue_grid_point(self._grid[self._asked])
            trial = self.optuna.ask()
            self._asked += 1
            self._others.sign(trial)
        return trial

    def _note_trust(self, trial: optuna.Trial) -> None:
        """Write down how far the earlier studies were trusted when this trial was proposed."""
        if self._warm_start is not None and TRUST not in trial.user_attrs:
            trial.set_user_attr(TRUST, {path: round(t, 3) for path, t in self._warm_start.trust.items()})

    def report(self, key: str, step: int, value: float, spent: Mapping[str, float] | None = None) -> bool:
        """Record an intermediate value; return whether the pruner stops the trial.

        `spent` is what the step took: `seconds` of a device, and `joules`.
        """
        live = self._live[key]
        live.spent[step] = spent or {}
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

    def note_death(self, key: str, error: str) -> bool:
        """Keep what a trial's worker died of; return whether another one may take it up."""
        live = self._live.get(key)
        if live is None:
            return False
        live.death, live.deaths = error, live.deaths + 1
        return live.deaths < MAX_ATTEMPTS

    def give_up(self, key: str) -> None:
        """Take note that a trial's workers are gone: it failed, or waits to be taken up again."""
        live = self._live.get(key)
        if live is None:
            return
        if max(live.deaths, live.attempts) >= MAX_ATTEMPTS:
            self.finish(key, error=live.death, kind="death")
            return
        del self._live[key]
        self.tally.running = len(self._live)
        self._orphans.append(self.optuna._storage.get_trial(live.trial._trial_id))

    def halt(self, key: str, reason: str) -> None:
        """Stop asking for trials. The trial known as `key` stays RUNNING, to be taken up by a later run."""
        del self._live[key]
        self.halted = self.halted or reason
        self.tally.running = len(self._live)

    def finish(
        self,
        key: str,
        *,
        value: float | Sequence[float] | None = None,
        error: str | None = None,
        kind: str | None = None,
    ) -> None:
        """Tell how a trial ended: with its values, pruned, or with an error's text. The first word counts.

        `kind` is alike in errors of one cause.
        """
        live = self._live.pop(key, None)
        if live is None:
            logger.info("Tune trial %s ended again: ignored", key)
            return
        values = [value] if isinstance(value, int | float) else value
        if values is not None and not any(map(math.isnan, values)):
            state = TrialState.COMPLETE
        else:
            values = None
            state = TrialState.PRUNED if live.pruned and error is None else TrialState.FAIL
        with self._together():
            write_costs(live.trial, live.spent.values())
            if state is TrialState.FAIL:
                live.trial.set_user_attr("error", error or "the trial ended without a result")
            told = self.optuna.tell(live.trial, values, state=state, skip_if_finished=True)
        self._end(told)
        self.tally.running = len(self._live)
        if state is TrialState.FAIL:
            self._stop_if_systematic(told, kind)

    def _stop_if_systematic(self, failed: FrozenTrial, kind: str | None) -> None:
        """Stop the study when its first trials failed alike, and queue their configurations anew."""
        again = self._first_failures.add(failed, kind, self.tally)
        if not again:
            return
        rule = f"the first {SYSTEMATIC} trials failed alike, which no configuration explains"
        self.halted = self.halted or f"{self.study.path}: {rule} ({self.tally.first_error})"
        for trial in again:
            if self._grid is None:
                self.optuna.enqueue_trial(trial.params)
            self._void.add(trial.number)
        self.optuna.set_user_attr(AGAIN, sorted(self._void))

    def _end(self, trial: FrozenTrial) -> None:
        """Count a trial that has ended, and remove the checkpoints that it may have left."""
        for fold, start in self.study.trainings():
            member = self.study.member_name(trial.number, fold, start)
            forget_checkpoint(self.study, member)
        self._count(trial)

    def _counts(self, trial: FrozenTrial) -> bool:
        """Whether a trial is one of those that the study shall have."""
        return trial.number not in self._void and INFEASIBLE not in trial.user_attrs

    def _count(self, trial: FrozenTrial) -> None:
        if self._counts(trial):
            self.tally.count(trial, self.study.space.objective.direction)

    def _enqueue_first(self, existing: list[FrozenTrial]) -> None:
        """Queue the published points of a new study, then the best ones of earlier studies.

        Idempotent: a crash in between changes nothing.
        """
        if self._grid is not None or any(trial.state is not TrialState.WAITING for trial in existing):
            return
        points = [self.study.space.searched(point) for point in self.study.space.published]
        if self._warm_start is not None:
            points += self._warm_start.first_points()
        for point in points:
            self.optuna.enqueue_trial(point, skip_if_exists=True)

    def _enqueue_grid_point(self, point: dict[str, Any]) -> None:
        """Queue a point, unless a driver that died just then did so."""
        if not self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self.optuna.enqueue_trial(point)

    def _reconcile(self, existing: list[FrozenTrial]) -> list[FrozenTrial]:
        """Count what is finished and return the trials to take up again."""
        orphans = []
        for trial in existing:
            if trial.state is not TrialState.RUNNING:
                self._count(trial)
                continue
            cards = self.study.finished(trial.number)
            if cards is not None:
                logger.info("trial %d was finished before its driver stopped: told now", trial.number)
                values = trial_values(cards, self.study.space.objectives[1:])
                self._end(self.optuna.tell(trial.number, values))
            elif _attempts(trial) >= MAX_ATTEMPTS:
                rule = f"its driver or worker died {MAX_ATTEMPTS} times while it ran"
                self.optuna._storage.set_trial_user_attr(trial._trial_id, "error", rule)
                self._end(self.optuna.tell(trial.number, state=TrialState.FAIL))
            else:
                logger.info("trial %d was running when its driver stopped: taken up again", trial.number)
                orphans.append(trial)
        return orphans


def _attempts(trial: FrozenTrial) -> int:
    """Return how often a trial was begun or taken up since it last finished an epoch.

    It is written down when a trial is taken up: who never was has begun once.
    """
    began = 0 if trial.intermediate_values else 1
    return int(trial.user_attrs.get("attempts", began))
