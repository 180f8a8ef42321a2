"""What a killed driver left is set right: finished trials are told, the others taken up again.

Nothing is kept anywhere but in the Optuna storage and the member folders, so a driver that was killed at
any moment is continued by a new one from the study folder alone:

- a trial still RUNNING whose members are all finished is told COMPLETE with their value;
- any other RUNNING trial is taken up again under its own number; its members resume from their
  checkpoints, and values reported twice are told once;
- a trial taken up too often without finishing one more epoch is told FAIL, so that one that kills
  its driver cannot do so for ever.
"""

import logging
from collections.abc import Collection, Iterable, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from rookery.search.attributes import SECONDS
from rookery.search.ensemble_gains import EnsembleGains
from rookery.search.storage.optuna_internals import set_user_attr
from rookery.search.study import Study, forget_checkpoint, trial_values
from rookery.search.trial_queue import MAX_ATTEMPTS

logger = logging.getLogger(__name__)


def reconcile(
    study: Study,
    optuna_study: optuna.Study,
    begun: Iterable[FrozenTrial],
    gains: EnsembleGains | None = None,
) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
    """Return which of the begun trials have ended, some of them told just now, and which to take up again."""
    ended, orphans = [], []
    for trial in begun:
        cards = study.finished(trial.number) if trial.state is TrialState.RUNNING else None
        if trial.state is not TrialState.RUNNING:
            ended.append(trial)
        elif cards is not None:
            logger.info("trial %d was finished before its driver stopped: told now", trial.number)
            values = trial_values(cards, study.space.objectives[1:])
            for key, value in gains.attributes(optuna_study, trial.number).items() if gains else ():
                set_user_attr(optuna_study, trial, key, value)
            ended.append(optuna_study.tell(trial.number, values))
            forget_checkpoints(study, trial.number)
        elif attempts(trial) >= MAX_ATTEMPTS:
            rule = f"its driver or worker died {MAX_ATTEMPTS} times while it ran"
            set_user_attr(optuna_study, trial, "error", rule)
            ended.append(optuna_study.tell(trial.number, state=TrialState.FAIL))
            forget_checkpoints(study, trial.number)
        else:
            logger.info("trial %d was running when its driver stopped: taken up again", trial.number)
            orphans.append(trial)
    return ended, orphans


def attempts(trial: FrozenTrial) -> int:
    """Return how often a trial was begun or taken up since it last finished an epoch.

    It is written down when a trial is taken up: who never was has begun once.
    """
    began = 0 if trial.intermediate_values else 1
    return int(trial.user_attrs.get("attempts", began))


def forget_checkpoints(study: Study, trial: int) -> None:
    """Remove the checkpoints that a trial which has ended may have left."""
    for fold, start in study.trainings():
        forget_checkpoint(study, study.member_name(trial, fold, start))


def found_again(
    trials: Sequence[FrozenTrial], orphans: Sequence[FrozenTrial], void: Collection[int], prunes: bool
) -> str | None:
    """Return what is kept of a study's trials, and what goes on; None where nothing was done.

    Parameters
    ----------
    trials
        All of the study.
    orphans
        Those that a driver which is gone left running: they go on from their checkpoints.
    void
        Numbers of failed trials that do not count, as their points are queued again.
    prunes
        Whether bad trials are stopped: by the values that earlier ones reported.
    """
    kept = [trial for trial in trials if trial.state.is_finished() and trial.number not in void]
    if not kept and not orphans and not void:
        return None
    states = (
        ("complete", TrialState.COMPLETE),
        ("stopped early", TrialState.PRUNED),
        ("failed", TrialState.FAIL),
    )
    numbers = {word: sum(trial.state is state for trial in kept) for word, state in states}
    told = ", ".join(f"{number} {word}" for word, number in numbers.items() if number)
    hours = sum(float(trial.user_attrs.get(SECONDS, 0.0)) for trial in kept) / 3600
    parts = [f"{_trials(len(kept))} kept" + (f" ({told}), {hours:.3g} device-hours saved" if kept else "")]
    if orphans:
        epochs = sum(len(trial.intermediate_values) for trial in orphans)
        parts.append(f"{_trials(len(orphans))} left running, taken up after {epochs} epochs in all")
    if void:
        parts.append(f"{_trials(len(void))} failed and queued again")
    curves = sum(bool(trial.intermediate_values) for trial in trials)
    if prunes:
        parts.append(f"the pruner knows {curves} curves")
    return f"goes on: {'; '.join(parts)}"


def _trials(number: int) -> str:
    return f"{number} trial{'' if number == 1 else 's'}"
