"""Reads of a study's database that answer with what its readers rely on, or with one error.

SQLite holds any value in any column, and a file may be damaged in every way; Optuna and SQLAlchemy then
raise whatever they stumble over.
"""

import math
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

import alembic.util
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import NOT_FOUND_MSG
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from rookery.compute.faults import reason
from rookery.search.attributes import RULES, is_number, is_whole
from rookery_ensembles.errors import InputError, fail

T = TypeVar("T")
DAMAGE = (
    SQLAlchemyError, StorageInternalError, alembic.util.CommandError, LookupError, ValueError, TypeError,
    AttributeError, AssertionError, ArithmeticError, RuntimeError,
)  # fmt: skip
"""What Optuna, Alembic and SQLAlchemy raise over a database that is damaged or of another version."""
_READS = (
    "get_study_id_from_name", "get_study_name_from_id", "get_study_directions", "get_study_user_attrs",
    "get_study_system_attrs", "get_trial_user_attrs", "get_trial_system_attrs", "get_all_studies",
    "get_trial", "get_all_trials", "_get_trials", "get_best_trial",
    "get_trial_id_from_study_id_trial_number",
)  # fmt: skip
_MAY_LACK = ("get_study_id_from_name", "get_trial_id_from_study_id_trial_number")


def damaged(where: str, error: BaseException) -> InputError:
    """Return what to tell of a database that cannot be read."""
    name = type(error.__cause__ or error).__name__
    return fail(where, f"is damaged: cannot be read as the database of a study ({name}: {reason(error)})")


def type_reads(
    storage: RDBStorage, where: str, passing: Callable[[BaseException], object] = lambda error: None
) -> None:
    """Let every reading method of a storage raise `InputError`, with `where`, over what is damaged.

    An error of which `passing` says anything is left as it is.
    """
    for name in _READS:
        setattr(storage, name, _typed(getattr(storage, name), where, passing, may_lack=name in _MAY_LACK))


def _typed(
    call: Callable[..., T], where: str, passing: Callable[[BaseException], object], *, may_lack: bool
) -> Callable[..., T]:
    @wraps(call)
    def wrapped(*args: Any, **options: Any) -> T:
        try:
            found = call(*args, **options)
        except InputError:
            raise
        except DAMAGE as error:
            absent = isinstance(error, KeyError) and (may_lack or error.args == (NOT_FOUND_MSG,))
            if absent or passing(error):
                raise
            raise damaged(where, error) from error
        if isinstance(found, list):
            for trial in found:
                if isinstance(trial, FrozenTrial):
                    _check(trial, where)
        elif isinstance(found, FrozenTrial):
            _check(found, where)
        return found

    return wrapped


def _check(trial: FrozenTrial, where: str) -> None:
    """Hold a trial to what its readers rely on."""
    place = f"{where}, trial {trial.number!r}"
    if not is_whole(trial.number) or trial.number < 0:
        raise fail(place, f"`number` must be a whole number from 0, but is {trial.number!r}")
    values = trial.values or []
    if trial.state is TrialState.COMPLETE and not values:
        raise fail(place, "a complete trial must have a value, but has none")
    if bad := [value for value in values if not is_number(value) or math.isnan(value)]:
        raise fail(place, f"`values` must be numbers, but hold {bad[0]!r}")
    for step, value in trial.intermediate_values.items():
        if not is_whole(step) or not is_number(value):
            raise fail(place, f"intermediate values must be numbers by step, but hold {step!r}: {value!r}")
    for time in (trial.datetime_start, trial.datetime_complete):
        if time is not None and not isinstance(time, datetime):
            raise fail(place, f"must begin and end at times, but at {time!r}")
    for name, (rule, holds) in RULES.items():
        if name in trial.user_attrs and not holds(trial.user_attrs[name]):
            raise fail(place, f"`{name}` must be {rule}, but is {trial.user_attrs[name]!r}")
