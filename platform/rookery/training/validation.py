"""What a network is judged by after each epoch: plain validation, and validation under a shift."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, arange, nn, tensor

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family, Inputs
from rookery.shift.copies import redshifted_view
from rookery.shift.degraded import degraded_survey
from rookery.shift.options import ImportanceWeighting
from rookery.shift.split_weights import shift_weights
from rookery.shift.weights import effective_number
from rookery.surveys import open_split
from rookery.training.data import TrainingData, predict_rows
from rookery.training.device_metrics import Judged, fetched, judged
from rookery.training.job import TrainingJob
from rookery.training.resident import place_of


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
