"""Who stops bad trials, by the name used in ``study.yaml``."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from rookery.search.parameters import Scalar
from rookery.search.samplers import check_options, without_warnings
from rookery_ensembles.errors import fail

Pruner = Literal["percentile", "median", "asha", "hyperband", "patience", "none"]
_START = {"n_startup_trials": 4, "n_warmup_steps": 8}


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

    def __init__(self, part: float = 0.25, n_startup_trials: int = 4, n_warmup_steps: int = 8) -> None:
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


class StalePruner(optuna.pruners.PatientPruner):
    """Stops a trial that has not improved by `min_delta` over so many steps.

    Parameters
    ----------
    patience, min_delta
        See :class:`optuna.pruners.PatientPruner`.
    """

    def __init__(self, patience: int = 20, min_delta: float = 0.0) -> None:
        super().__init__(None, patience, min_delta)


_PRUNERS: dict[str, tuple[Callable[..., optuna.pruners.BasePruner], Mapping[str, Any]]] = {
    "percentile": (WorstPruner, {}),  # gentle: what trains to its end can join the ensemble
    "median": (optuna.pruners.MedianPruner, _START),
    "asha": (optuna.pruners.SuccessiveHalvingPruner, {"min_resource": 4, "reduction_factor": 3}),
    "hyperband": (optuna.pruners.HyperbandPruner, {"min_resource": 4, "reduction_factor": 3}),
    "patience": (StalePruner, {}),
    "none": (optuna.pruners.NopPruner, {}),
}


def make_pruner(name: str, options: Mapping[str, Scalar] | None = None) -> optuna.pruners.BasePruner:
    """Return an Optuna pruner.

    Parameters
    ----------
    options
        Arguments of its class that are plain values, such as ``n_startup_trials``; they go before ours.

    Raises
    ------
    InputError
        For an option that the pruner does not take, or a value that it refuses.
    """
    made, ours = _PRUNERS[name]
    check_options(f"pruner {name}", made, options or {})
    try:
        return without_warnings(made, **{**ours, **(options or {})})
    except ValueError as error:
        raise fail(f"pruner {name}", str(error)) from error
