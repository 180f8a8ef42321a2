"""A study as a sampler or pruner shall see it: some of its trials alone, or earlier studies' beside them.

A search for the ensemble shows the trials with what they add to it as their values.

A deterministic study looks so at itself: trial k is proposed, and stopped, from the trials up to k - lag
alone, which have all ended by then, so that it does not matter who was faster.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from rookery.search.earlier_studies import WarmStart
from rookery.search.ensemble_gains import EnsembleGains
from rookery.search.storage.optuna_internals import storage_of

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]
"""Makes a sampler from a seed."""


class VisibleTrials(optuna.Study):
    """A study's trials up to the last, its own, which is proposed, and earlier studies'; writes go to it."""

    def __init__(
        self,
        study: optuna.Study,
        last: int | None,
        own: int,
        warm_start: WarmStart | None = None,
        gains: EnsembleGains | None = None,
    ) -> None:
        super().__init__(
            study_name=study.study_name, storage=storage_of(study), pruner=optuna.pruners.NopPruner()
        )
        self._last, self._own, self._warm_start, self._gains = last, own, warm_start, gains
        self._earlier: list[FrozenTrial] | None = None

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials that may be seen."""
        return self._get_trials(deepcopy, states)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy, states, use_cache)
        if self._last is not None:
            trials = [t for t in trials if t.number <= self._last or t.number == self._own]
        if not (states is None or TrialState.COMPLETE in states):
            return trials
        if self._gains is not None:
            trials = self._gains.revalued(trials)
        if self._warm_start is None:
            return trials
        if self._earlier is None:
            own = [trial for trial in trials if trial.state is TrialState.COMPLETE]
            self._earlier = self._warm_start.seen(own)
        return [*self._earlier, *trials]


class VisibleTrialsSampler(optuna.samplers.BaseSampler):
    """A sampler that looks at a study through a view.

    Parameters
    ----------
    make
        Makes Optuna's sampler.
    seed
        Its seed.
    lag
        Of a deterministic study, whose every trial has a sampler of its own, seeded by `seed` and its number.
    warm_start
        Earlier studies that the sampler shall learn from, too.
    gains
        Of a search for the ensemble.
    """

    def __init__(
        self,
        make: MakeSampler,
        seed: int,
        lag: int | None = None,
        warm_start: WarmStart | None = None,
        gains: EnsembleGains | None = None,
    ) -> None:
        self._make, self._seed, self._lag, self._warm_start, self._gains = make, seed, lag, warm_start, gains
        self._sampler = make(seed)
        self._view: tuple[int, VisibleTrials] | None = None

    def _of(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> tuple[optuna.samplers.BaseSampler, VisibleTrials]:
        if self._view is None or self._view[0] != trial.number:
            last = None
            if self._lag is not None:
                last = trial.number - self._lag
                self._sampler = self._make((self._seed * 1_000_003 + trial.number * 7919) % 2**32)
            view = VisibleTrials(study, last, trial.number, self._warm_start, self._gains)
            self._view = trial.number, view
        return self._sampler, self._view[1]

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
        return self._pruner.prune(VisibleTrials(study, trial.number - self._lag, trial.number), trial)
