"""A study as a sampler or pruner shall see it: some of its trials alone, whatever else has ended meanwhile.

A deterministic study looks so at itself: trial k is proposed, and stopped, from the trials up to k - lag
alone, which have all ended by then, so that it does not matter who was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]
"""Makes a sampler from a seed."""


class StudyView(optuna.Study):
    """The trials of a study up to a number, and the trial that asks itself. Writes go to the study."""

    def __init__(self, study: optuna.Study, last: int, asking: int) -> None:
        super().__init__(
            study_name=study.study_name, storage=study._storage, pruner=optuna.pruners.NopPruner()
        )
        self._last, self._asking = last, asking

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials that may be seen."""
        return self._get_trials(deepcopy, states)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy, states, use_cache)
        return [trial for trial in trials if trial.number <= self._last or trial.number == self._asking]


class DeterministicSampler(optuna.samplers.BaseSampler):
    """For each trial a sampler of its own, seeded by the study's seed and the trial's number."""

    def __init__(self, make: MakeSampler, seed: int, lag: int) -> None:
        self._make, self._seed, self._lag = make, seed, lag
        self._current: tuple[int, optuna.samplers.BaseSampler, StudyView] | None = None

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> tuple[optuna.samplers.BaseSampler, StudyView]:
        if self._current is None or self._current[0] != trial.number:
            seed = (self._seed * 1_000_003 + trial.number * 7919) % 2**32
            view = StudyView(study, trial.number - self._lag, trial.number)
            self._current = trial.number, self._make(seed), view
        return self._current[1], self._current[2]

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """See :class:`optuna.samplers.BaseSampler`."""
        sampler, view = self._of(study, trial)
        return sampler.infer_relative_search_space(view, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See :class:`optuna.samplers.BaseSampler`."""
        sampler, view = self._of(study, trial)
        return sampler.sample_relative(view, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See :class:`optuna.samplers.BaseSampler`."""
        sampler, view = self._of(study, trial)
        return sampler.sample_independent(view, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        sampler, view = self._of(study, trial)
        sampler.before_trial(view, trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        sampler, view = self._of(study, trial)
        sampler.after_trial(view, trial, state, values)


class DeterministicPruner(optuna.pruners.BasePruner):
    """A pruner that compares a trial with those that its configuration was proposed from."""

    def __init__(self, pruner: optuna.pruners.BasePruner, lag: int) -> None:
        self._pruner, self._lag = pruner, lag

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether `trial` shall stop at its last reported step."""
        return self._pruner.prune(StudyView(study, trial.number - self._lag, trial.number), trial)
