"""Optuna's private names that a driver needs, all in one place: what to look at when Optuna is updated."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from rookery.search.storage.single_writer import SingleWriterStorage


def storage_of(study: optuna.Study) -> BaseStorage:
    """Return where a study keeps its trials."""
    return study._storage


def together(study: optuna.Study) -> AbstractContextManager[None]:
    """Return a context whose writes are one transaction, where the storage knows how."""
    storage = storage_of(study)
    return storage.together() if isinstance(storage, SingleWriterStorage) else nullcontext()


def kept(study: optuna.Study, trial: optuna.Trial | FrozenTrial) -> FrozenTrial:
    """Return a trial as the storage has it now."""
    return storage_of(study).get_trial(trial._trial_id)


def take_up(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """Return a trial that is RUNNING in the storage, to go on with."""
    return optuna.Trial(study, trial._trial_id)


def set_user_attr(study: optuna.Study, trial: FrozenTrial, key: str, value: Any) -> None:
    """Write a user attribute of a trial that this process does not run."""
    storage_of(study).set_trial_user_attr(trial._trial_id, key, value)
