"""What of a ``study.yaml`` is needed to look at a study; a `StudyDocument` would load Optuna and pandas."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from rookery.documents import Source
from rookery.search.attributes import is_whole

STUDY_DOCUMENT = "study.yaml"
Training = tuple[int | None, int]
"""Fold and start of a network; the fold is None for a validation role."""


def trainings_of(folds: int, starts: int) -> list[Training]:
    """Return fold and start of each network of a trial, in the order of their training."""
    return [(fold, start) for start in range(starts) for fold in ([*range(folds)] or [None])]


def member_name(trial: int, training: Training, starts: int) -> str:
    """Return a network's name from its trial's number, its fold and, where there are several, its start."""
    fold, start = training
    name = f"{trial:04d}" if fold is None else f"{trial:04d}-f{fold}"
    return name if starts == 1 else f"{name}-s{start}"


class _Objective(BaseModel):
    metric: str
    direction: Literal["minimize", "maximize"]
    shift: dict[str, Any] | None = None


class _Space(BaseModel):
    objective: _Objective
    beside: list[Any] = []
    parameters: dict[str, Any] = {}


class _Split(BaseModel):
    name: str = ""
    folds: int = 0


class _Survey(BaseModel):
    path: str = ""


class StudyFacts(BaseModel):
    """A study's own names: its family, metric and direction, folds and starts, fixed values."""

    family: str
    """Whose networks are searched."""
    storage: str | None = None
    storage_name: str = "rookery"
    """URL of the database, None for `study.db`; and the Optuna study's name in it."""
    survey: _Survey = _Survey()
    split: _Split = _Split()
    """What it learns from."""
    starts: int = 1
    """Networks of each trial and fold."""
    search_for: str = "member"
    """The best member, or the best ensemble."""
    sampler: str = "tpe"
    pruner: str = "percentile"
    """Who proposes, and who stops trials."""
    space: _Space
    """Objectives and parameters."""

    @property
    def metric(self) -> str:
        """What is optimised."""
        objective = self.space.objective
        return objective.metric + ("" if objective.shift is None else "_shift")

    @property
    def minimize(self) -> bool:
        """Whether less is better."""
        return self.space.objective.direction == "minimize"

    @property
    def objectives(self) -> list[str]:
        """Names of all objectives, the first one first."""
        beside = [
            str(one.get("metric", one)) if isinstance(one, dict) else str(one) for one in self.space.beside
        ]
        return [self.metric, *beside]

    @property
    def fixed(self) -> dict[str, Any]:
        """Hyperparameters that are not searched."""
        found = self.space.parameters.items()
        values = {name: value.get("value") if isinstance(value, dict) else value for name, value in found}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def epochs(self) -> int | None:
        """Epochs of every network of the study; None where they are searched or not written down."""
        value = self.fixed.get("epochs")
        return value if isinstance(value, int) and is_whole(value) and value > 0 else None

    @property
    def trainings(self) -> list[Training]:
        """Fold and start of each network of a trial, in the order of their training."""
        return trainings_of(self.split.folds, self.starts)

    def members_of(self, number: int) -> list[str]:
        """Return the names of a trial's networks."""
        return [member_name(number, each, self.starts) for each in self.trainings]

    def training_of(self, step: int, epochs: int | None) -> tuple[int, int]:
        """Return which network of its trial, from 0, and which epoch of it, from 1, a step is."""
        if not epochs or len(self.trainings) == 1:
            return 0, step
        return (step - 1) // epochs, (step - 1) % epochs + 1


def read_facts(folder: Path) -> StudyFacts:
    """Read a study's document.

    Raises
    ------
    InputError
        When it is missing or cannot be read.
    """
    return Source.read(folder / STUDY_DOCUMENT).validate(StudyFacts)
