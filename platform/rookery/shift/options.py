"""How an objective looks past the labelled sample: the `shift` of a search space's `objective`."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from rookery.documents import Document

CopyDistance = Literal["redshift", "brightness"]
"""How far copies go: by redshifts, or until they are as bright as the objects that they shall look like."""
CopySelection = Literal["detected", "survey"]
"""Which copies and points of theirs are kept: copies with one detection, or what the survey would tell of."""


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
    distance: CopyDistance = "redshift"
    """Whether they go by the target's redshifts, or until they are as bright as the target's objects."""
    selection: CopySelection = "detected"
    """Whether copies lose what the target's survey would not tell of; goes with `redshifting`, as does
    `distance`."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the degradation: the same for every epoch, trial and fold."""

    @model_validator(mode="after")
    def _moved(self) -> "DegradedValidation":
        for name in ("distance", "selection"):
            if name in self.model_fields_set and not self.redshifting:
                raise ValueError(f"`{name}` goes with `redshifting: true` alone")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is as it was before there was a choice, so that the digest of such a job is too."""
        before = {"distance": "redshift", "selection": "detected"}
        return {name: value for name, value in serialise(self).items() if before.get(name) != value}


Shift = Annotated[ImportanceWeighting | DegradedValidation, Field(discriminator="method")]


def objective_name(metric: str, shift: Shift | None) -> str:
    """Return the column of a member's history that decides: the metric, or its shifted sister."""
    return metric if shift is None else f"{metric}_shift"
