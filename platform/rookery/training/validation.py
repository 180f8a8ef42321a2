"""What a network is judged by after each epoch: plain validation, and validation under a shift."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, arange, nn, tensor

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family, Inputs
from rookery.shift.copies import redshifted_view
from rookery.shift.degraded import degraded_survey
from rookery.shift.options import DegradedValidation, ImportanceWeighting, Shift
from rookery.shift.weights import (
    ShiftWeights,
    check_covariates,
    effective_number,
    importance_weights,
    labelled_and_target,
)
from rookery.surveys import Survey, open_split
from rookery.surveys.splits import split_path
from rookery.training.data import TrainingData, predict_rows
from rookery.training.device_metrics import Judged, fetched, judged
from rookery.training.job import TrainingJob
from rookery.training.resident import place_of
from rookery_ensembles.errors import fail
from rookery_ensembles.files import sha256


@dataclass(frozen=True)
class Validation:
    """Objects that a network is judged by, and how its job's shift sees them."""

    family: Family[Any]
    data: TrainingData
    rows: Tensor
    """(V,) their row numbers."""
    weight: NDArray[np.float64] | None = None
    """(V,) importance weights of mean 1, or None."""
    degraded: Inputs | None = None
    """The family's tensors of the degraded copies, first dimension V, or None."""

    @property
    def effective_objects(self) -> float | None:
        """Effective number of these objects under importance weights."""
        return None if self.weight is None else effective_number(self.weight)

    def wanted(self) -> list[tuple[Inputs, Tensor]]:
        """Return what is to be predicted: rows of the survey's inputs, then of those of degraded copies."""
        found = [(self.data.inputs, self.rows)]
        if self.degraded is not None:
            first: Tensor = next(iter(self.degraded.values()))
            found.append((self.degraded, arange(len(first), device=first.device)))
        return found

    def metrics(self, probability: Tensor, degraded: Tensor | None = None) -> dict[str, float]:
        """Return the target's metrics as `validation_*`, and under a shift as `validation_*_shift` too.

        Parameters
        ----------
        probability, degraded
            (V, K) of what :meth:`wanted` names, on the device of the data.
        """
        scores = {"": self._judged.score(probability)}
        if self.weight is not None or degraded is not None:
            seen = probability if degraded is None else degraded
            scores["_shift"] = self._judged.score(seen, self._weight)
        found = fetched(list(scores.values()))
        return {
            f"validation_{name}{ending}": value
            for ending, some in zip(scores, found, strict=True)
            for name, value in some.items()
        }

    @cached_property
    def _judged(self) -> Judged:
        target, rows = self.data.target, self.rows.cpu().numpy()
        truth = target.truth_of(self.data.survey.objects[target.truth_column].iloc[rows])
        return judged(target, self.data.target_n[self.rows], truth)

    @cached_property
    def _weight(self) -> Tensor | None:
        return None if self.weight is None else tensor(self.weight).to(self.data.target_n.device)

    def predict_degraded(self, network: nn.Module) -> NDArray[np.float32]:
        """Return probabilities (V, K) of the degraded copies."""
        assert self.degraded is not None
        inputs, rows = self.wanted()[1]
        return predict_rows(network, self.family, inputs, rows)


def prepare_validation(
    job: TrainingJob,
    family: Family[Any],
    configuration: TrainingConfiguration,
    data: TrainingData,
    role: Literal["choosing", "validation"] = "choosing",
) -> Validation:
    """Return a job's validation; the same for every epoch, and for every job on that survey and split."""
    place = data.rows[role]
    rows = place.cpu().numpy()
    if job.shift is None:
        return Validation(family, data, place)
    if isinstance(job.shift, ImportanceWeighting):
        weight = shift_weights(data.survey, job.split, job.shift).of(rows)
        return Validation(family, data, place, weight=weight)
    if job.shift.redshifting:
        models = data.rows["unlabelled"].cpu().numpy()
        how = job.shift
        survey = redshifted_view(
            data.survey, rows, models, distance=how.distance, selection=how.selection, seed=how.seed
        )
    else:
        split = open_split(data.survey, job.split)
        survey = degraded_survey(data.survey, split, rows, seed=job.shift.seed)
    inputs = family.encode(survey, configuration, survey.bands)
    device = place_of(data.inputs)
    degraded = {name: values.to(device) for name, values in inputs.items()}
    return Validation(family, data, place, degraded=degraded)


def shift_weights(survey: Survey, split: str, shift: ImportanceWeighting) -> ShiftWeights:
    """Return the weights of a split's labelled objects; kept for the next job on the same."""
    return _weights(_Key(survey, (survey.checksum, split, sha256(split_path(survey, split)))), shift)


def check_shift(survey: Survey, split: str, shift: Shift) -> None:
    """Raise InputError unless survey and split allow the shift."""
    labelled_and_target(survey, open_split(survey, split))
    if isinstance(shift, ImportanceWeighting):
        check_covariates(survey, shift.covariates, "objective.shift.covariates")
        shift_weights(survey, split, shift)
    elif survey.info.kind != "light_curves":
        assert isinstance(shift, DegradedValidation)
        raise fail(survey.path, "`objective.shift` degraded is for light curves; take importance_weights")


@dataclass(frozen=True)
class _Key:
    """A survey and split, equal to another where their contents are."""

    survey: Survey
    identity: tuple[str, str, str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)


@lru_cache(maxsize=4)
def _weights(key: _Key, shift: ImportanceWeighting) -> ShiftWeights:
    split = open_split(key.survey, key.identity[1])
    return importance_weights(
        key.survey,
        split,
        shift.covariates,
        classifier=shift.classifier,
        clip=shift.clip,
        seed=shift.seed,
    )
