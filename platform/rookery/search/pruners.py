"""Who stops bad trials, by the name used in ``study.yaml``."""

from __future__ import annotations

import math

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

N_STARTUP_TRIALS = 4
N_WARMUP_STEPS = 8


def make_pruner(name: str) -> optuna.pruners.BasePruner:
    """Return an Optuna pruner."""
    if name == "percentile":
        # Gentle: what trains to its end can join the ensemble.
        return WorstPruner(0.25, N_STARTUP_TRIALS, N_WARMUP_STEPS)
    if name == "median":
        return optuna.pruners.MedianPruner(N_STARTUP_TRIALS, N_WARMUP_STEPS)
    if name == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=4, reduction_factor=3)
    return optuna.pruners.NopPruner()


class WorstPruner(optuna.pruners.BasePruner):
    """Stops a trial whose best value so far is among the worst part of all trials' at that step.

    Optuna's PercentilePruner compares with trials that were completed alone. Those are the good ones,
    so that it grows stricter with every trial that it stops. Here those that were stopped count too, at
    later steps with the best value that they had.

    Parameters
    ----------
    part
        Fraction of the trials that are the worst, above 0 and below 1.
    n_startup_trials
        Ended trials that there must be before any is stopped.
    n_warmup_steps
        No trial is stopped before this step.
    """

    def __init__(self, part: float, n_startup_trials: int, n_warmup_steps: int) -> None:
        self._part, self._startup, self._warmup = part, n_startup_trials, n_warmup_steps

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether `trial` shall stop at its last reported step."""
        step = trial.last_step
        if step is None or step < self._warmup:
            return False
        sign = 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        others = [_best(other, step, sign) for other in ended if other.intermediate_values]
        if len(others) < self._startup:
            return False
        return _best(trial, step, sign) > float(np.quantile(others, 1 - self._part, method="lower"))


def _best(trial: FrozenTrial, step: int, sign: float) -> float:
    """Return a trial's best value up to a step, as one to be minimised; infinite where it has no number."""
    values = [sign * value for at, value in trial.intermediate_values.items() if at <= step]
    return min((value for value in values if not math.isnan(value)), default=math.inf)
