"""What the pages need of a ``study.yaml``; the full document would load Optuna and pandas for each study."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from rookery.documents import Source

STUDY_DOCUMENT = "study.yaml"


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
    storage: str | None = None
    storage_name: str = "rookery"
    survey: _Survey = _Survey()
    split: _Split = _Split()
    starts: int = 1
    sampler: str = "tpe"
    pruner: str = "percentile"
    space: _Space

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
    def trainings(self) -> list[tuple[int | None, int]]:
        """Fold and start of each network of a trial, in the order of their training."""
        folds: list[int | None] = [*range(self.split.folds)] or [None]
        return [(fold, start) for start in range(self.starts) for fold in folds]

    def members_of(self, number: int) -> list[str]:
        """Return the names of a trial's networks."""
        found = []
        for fold, start in self.trainings:
            name = f"{number:04d}" if fold is None else f"{number:04d}-f{fold}"
            found.append(name if self.starts == 1 else f"{name}-s{start}")
        return found

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
