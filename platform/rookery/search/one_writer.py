"""The database of a study that one driver alone writes: what it wrote, it need not read again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState


class OneWriterStorage(_CachedStorage):
    """Optuna's own cache, which also serves trials that still run.

    Every write goes to the database first, so that a process killed at any moment loses nothing; reads
    come from memory. Trials handed out do not change later: a write replaces the trial by a changed copy.
    Only for the driver that holds the study's lock.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._read: set[int] = set()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Write a new trial; return its identity."""
        if study_id not in self._read:  # so that trials are kept by ascending numbers
            self.get_all_trials(study_id, deepcopy=False)
        return super().create_new_trial(study_id, template_trial)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial as it is now."""
        place = self._trial_id_to_study_id_and_number.get(trial_id)
        if place is None:
            return super().get_trial(trial_id)
        return _copied(self._studies[place[0]].trials[place[1]])

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study by their numbers; read from the database once."""
        if study_id not in self._read:
            self._read.add(study_id)
            return super().get_all_trials(study_id, deepcopy, states)
        known = self._studies[study_id].trials.values()
        trials = [trial for trial in known if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Write a parameter."""
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)

        def change(trial: FrozenTrial) -> None:
            value = distribution.to_external_repr(param_value_internal)
            trial.params[param_name] = value
            trial.distributions[param_name] = distribution

        self._replace(trial_id, change)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Write a state, and values; return whether the trial took it."""
        if not super().set_trial_state_values(trial_id, state, values):
            return False

        def change(trial: FrozenTrial) -> None:
            trial.state = state
            if values is not None:
                trial.values = list(values)
            if state is TrialState.RUNNING:
                trial.datetime_start = datetime.now()
            if state.is_finished():
                trial.datetime_complete = datetime.now()

        self._replace(trial_id, change)
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Write the value of a step."""
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)

        def change(trial: FrozenTrial) -> None:
            trial.intermediate_values[step] = intermediate_value

        self._replace(trial_id, change)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write a user attribute."""
        super().set_trial_user_attr(trial_id, key, value)

        def change(trial: FrozenTrial) -> None:
            trial.user_attrs[key] = value

        self._replace(trial_id, change)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write a system attribute."""
        super().set_trial_system_attr(trial_id, key, value)

        def change(trial: FrozenTrial) -> None:
            trial.system_attrs[key] = value

        self._replace(trial_id, change)

    def _replace(self, trial_id: int, change: Callable[[FrozenTrial], None]) -> None:
        """Put a changed copy in a trial's place."""
        place = self._trial_id_to_study_id_and_number.get(trial_id)
        if place is None:
            return
        trials = self._studies[place[0]].trials
        changed = _copied(trials[place[1]])
        change(changed)
        trials[place[1]] = changed


def _copied(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial that may be changed without a change to the one given."""
    copied = copy.copy(trial)
    copied.params, copied.distributions = dict(trial.params), dict(trial.distributions)
    copied.intermediate_values = dict(trial.intermediate_values)
    copied.user_attrs, copied.system_attrs = dict(trial.user_attrs), dict(trial.system_attrs)
    return copied
