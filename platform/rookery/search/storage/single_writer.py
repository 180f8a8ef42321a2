"""The SQLite database of a study that one driver alone writes: what it wrote, it need not read again.

Optuna's own storage makes every write a transaction with questions before it. Here the answers are in
memory, and writes that belong together (a new trial and its parameters; a trial's costs, values and end) are
one transaction of plain statements. The tables and what is in them are Optuna's: every other reader finds
what Optuna's own storage would have written.
"""

import copy
import json
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.dialects.sqlite import Insert, insert

from rookery.search.storage.patient_calls import file_patient


@dataclass
class _Unwritten:
    """What of a trial is not in the database yet; the trial's own row always goes with it."""

    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    """Internal value and distribution."""
    steps: set[int] = field(default_factory=set)
    values: bool = False
    user_attrs: dict[str, str] = field(default_factory=dict)
    """JSON."""
    system_attrs: dict[str, str] = field(default_factory=dict)
    """JSON."""


class SingleWriterStorage(_CachedStorage):
    """Optuna's own cache, which also serves trials that still run.

    A write that is not within :meth:`together` is in the database when its call returns, so that a process
    killed at any moment loses nothing; reads come from memory. Trials handed out do not change later: a write
    replaces the trial by a changed copy. Only for the driver that holds the study's lock; one thread.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._read: set[int] = set()
        self._unwritten: defaultdict[int, _Unwritten] = defaultdict(_Unwritten)
        self._depth = 0
        self._next_id: int | None = None
        self._write = file_patient(self._write_once)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the writes within one transaction, at the end; one that fails is tried again with the next."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._unwritten:
                self._write()
                self._unwritten.clear()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Write a new trial; return its identity."""
        trials = self._trials(study_id)
        if self._next_id is None:
            self._next_id = 1 + file_patient(self._last_id)()
        trial = copy.deepcopy(template_trial) or _running()
        trial.number, trial._trial_id = len(trials), self._next_id
        self._next_id += 1
        params = {}
        for name, distribution in trial.distributions.items():
            self._check_distribution(study_id, name, distribution)
            params[name] = distribution.to_internal_repr(trial.params[name]), distribution
        unwritten = _Unwritten(
            params=params,
            steps=set(trial.intermediate_values),
            values=trial.values is not None,
            user_attrs={key: json.dumps(value) for key, value in trial.user_attrs.items()},
            system_attrs={key: json.dumps(value) for key, value in trial.system_attrs.items()},
        )
        with self.together():
            self._add_trials_to_cache(study_id, [trial])
            self._unwritten[trial._trial_id] = unwritten
        return trial._trial_id

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial as it is now."""
        study_id, number = self._place(trial_id)
        return _copied(self._studies[study_id].trials[number])

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study by their numbers; read from the database once."""
        known = self._trials(study_id).values()
        trials = [trial for trial in known if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Write a parameter."""
        with self._changing(trial_id) as (trial, unwritten):
            self._check_distribution(self._place(trial_id)[0], param_name, distribution)
            trial.params[param_name] = distribution.to_external_repr(param_value_internal)
            trial.distributions[param_name] = distribution
            unwritten.params[param_name] = param_value_internal, distribution

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Write a state, and values; return whether the trial took it."""
        if state is TrialState.RUNNING and self.get_trial(trial_id).state is TrialState.RUNNING:
            return False
        with self._changing(trial_id) as (trial, unwritten):
            trial.state = state
            if values is not None:
                trial.values = list(values)
                unwritten.values = True
            if state is TrialState.RUNNING:
                trial.datetime_start = datetime.now()
            if state.is_finished():
                trial.datetime_complete = datetime.now()
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Write the value of a step."""
        with self._changing(trial_id) as (trial, unwritten):
            trial.intermediate_values[step] = intermediate_value
            unwritten.steps.add(step)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write a user attribute."""
        with self._changing(trial_id) as (trial, unwritten):
            unwritten.user_attrs[key] = json.dumps(value)
            trial.user_attrs[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write a system attribute."""
        with self._changing(trial_id) as (trial, unwritten):
            unwritten.system_attrs[key] = json.dumps(value)
            trial.system_attrs[key] = value

    @contextmanager
    def _changing(self, trial_id: int) -> Iterator[tuple[FrozenTrial, _Unwritten]]:
        """Yield a copy of a trial, which takes its place, and what is to be written of it."""
        study_id, number = self._place(trial_id)
        trials = self._studies[study_id].trials
        self.check_trial_is_updatable(trial_id, trials[number].state)
        changed = _copied(trials[number])
        with self.together():
            yield changed, self._unwritten[trial_id]
            trials[number] = changed

    def _trials(self, study_id: int) -> dict[int, FrozenTrial]:
        """Return a study's trials by ascending numbers, from the database the first time."""
        if study_id not in self._read:
            super().get_all_trials(study_id, deepcopy=False)
            self._read.add(study_id)
            study = self._studies[study_id]
            study.trials = dict(sorted(study.trials.items()))
            for trial in study.trials.values():
                for name, distribution in trial.distributions.items():
                    study.param_distribution.setdefault(name, distribution)
        return self._studies[study_id].trials

    def _place(self, trial_id: int) -> tuple[int, int]:
        """Return a trial's study and number; raises KeyError when there is none."""
        if trial_id not in self._trial_id_to_study_id_and_number:
            for study in self._backend.get_all_studies():
                self._trials(study._study_id)
        return self._trial_id_to_study_id_and_number[trial_id]

    def _check_distribution(self, study_id: int, name: str, distribution: BaseDistribution) -> None:
        """Raise ValueError when a distribution contradicts the first of its name."""
        first = self._studies[study_id].param_distribution.setdefault(name, distribution)
        check_distribution_compatibility(first, distribution)

    def _last_id(self) -> int:
        ids = sqlalchemy.select(sqlalchemy.func.max(models.TrialModel.trial_id))
        with self._backend.engine.connect() as connection:
            return connection.execute(ids).scalar_one() or 0

    def _write_once(self) -> None:
        """Bring the database up to date, in one transaction; the same twice does no harm."""
        rows: dict[sqlalchemy.Table, list[dict[str, Any]]] = {table: [] for table in _UPSERTS}
        for trial_id, unwritten in self._unwritten.items():
            study_id, number = self._place(trial_id)
            for table, row in _rows(study_id, self._studies[study_id].trials[number], unwritten):
                rows[table].append(row)
        with self._backend.engine.begin() as connection:
            for table, some in rows.items():
                if some:
                    connection.execute(_UPSERTS[table], some)


def _running() -> FrozenTrial:
    """Return a new trial without a place."""
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _copied(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial that may be changed without a change to the one given."""
    copied = copy.copy(trial)
    copied.params, copied.distributions = dict(trial.params), dict(trial.distributions)
    copied.intermediate_values = dict(trial.intermediate_values)
    copied.user_attrs, copied.system_attrs = dict(trial.user_attrs), dict(trial.system_attrs)
    return copied


_TRIAL, _PARAM, _VALUE, _STEP, _USER, _SYSTEM = (
    models.TrialModel.__table__,
    models.TrialParamModel.__table__,
    models.TrialValueModel.__table__,
    models.TrialIntermediateValueModel.__table__,
    models.TrialUserAttributeModel.__table__,
    models.TrialSystemAttributeModel.__table__,
)


def _upsert(table: sqlalchemy.Table, *unique: str) -> Insert:
    """Return the statement that writes a row, in place of the one with the same `unique` columns."""
    (own_key,) = (column.name for column in table.primary_key)
    statement = insert(table)
    others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in {own_key, *unique}}
    return statement.on_conflict_do_update(index_elements=unique, set_=others)


_UPSERTS = {
    _TRIAL: _upsert(_TRIAL, "trial_id"),
    _PARAM: _upsert(_PARAM, "trial_id", "param_name"),
    _VALUE: _upsert(_VALUE, "trial_id", "objective"),
    _STEP: _upsert(_STEP, "trial_id", "step"),
    _USER: _upsert(_USER, "trial_id", "key"),
    _SYSTEM: _upsert(_SYSTEM, "trial_id", "key"),
}
"""In the order in which rows are written."""


def _rows(
    study_id: int, trial: FrozenTrial, unwritten: _Unwritten
) -> Iterator[tuple[sqlalchemy.Table, dict[str, Any]]]:
    """Yield the rows of what is unwritten of a trial, each with its table."""
    identity = {"trial_id": trial._trial_id}
    yield (
        _TRIAL,
        {
            **identity,
            "study_id": study_id,
            "number": trial.number,
            "state": trial.state,
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        },
    )
    for name, (internal, distribution) in unwritten.params.items():
        described = {"param_value": internal, "distribution_json": distribution_to_json(distribution)}
        yield _PARAM, {**identity, "param_name": name, **described}
    for objective, value in enumerate(trial.values if unwritten.values else ()):
        number, finite = models.TrialValueModel.value_to_stored_repr(value)
        yield _VALUE, {**identity, "objective": objective, "value": number, "value_type": finite}
    for step in unwritten.steps:
        value = trial.intermediate_values[step]
        number, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        described = {"intermediate_value": number, "intermediate_value_type": kind}
        yield _STEP, {**identity, "step": step, **described}
    for table, attributes in ((_USER, unwritten.user_attrs), (_SYSTEM, unwritten.system_attrs)):
        for key, text in attributes.items():
            yield table, {**identity, "key": key, "value_json": text}


def _utc(local: datetime | None) -> datetime | None:
    """Return a local time as Optuna's tables keep it."""
    return local and local.astimezone(UTC).replace(tzinfo=None)
