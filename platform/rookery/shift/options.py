"""How an objective looks past the labelled sample: the `shift` of a search space's `objective`."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from rookery.documents import Document


class ImportanceWeighting(Document):
    """Validation objects count by how frequent their like is among test and unlabelled objects."""

    method: Literal["importance_weights"]
    covariates: tuple[str, ...] = Field(min_length=1)
    """What tells the samples apart: covariates of the object table, or properties of the observations."""
    classifier: Literal["logistic", "boosted_trees"] = "logistic"
    """Estimates the density ratio."""
    clip: float = Field(default=20.0, gt=1, allow_inf_nan=False)
    """Largest weight, in units of the mean."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of its cross-fitting."""

    @field_validator("covariates")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"covariates must differ, but are {', '.join(names)}")
        return names


class DegradedValidation(Document):
    """Validation light curves are dimmed, made noisier and thinned to look like the target's."""

    method: Literal["degraded"]
    redshifting: bool = False
    """Whether they also move to the target's redshifts (shift/copies.py)."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the degradation: the same for every epoch, trial and fold."""


Shift = Annotated[ImportanceWeighting | DegradedValidation, Field(discriminator="method")]


def objective_name(metric: str, shift: Shift | None) -> str:
    """Return the column of a member's history that decides: the metric, or its shifted sister."""
    return metric if shift is None else f"{metric}_shift"
