"""A survey as tensors on a device, and the objects of each role."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family, Inputs
from rookery.surveys import Survey, open_split, open_survey
from rookery.surveys.labels import class_indices
from rookery.training.job import TrainingJob
from rookery_ensembles.errors import fail


@dataclass(frozen=True)
class TrainingData:
    """Tensors of all N objects of a survey, and row numbers per role.

    Attributes
    ----------
    inputs
        The family's tensors, first dimension N.
    target_n
        Class index, -1 where unknown, int64.
    rows
        For `train`, `validation` and `test`: row numbers, int64.
    """

    survey: Survey
    inputs: Inputs
    target_n: Tensor
    rows: dict[str, Tensor]

    def batch(self, rows: Tensor) -> Inputs:
        """Gather the inputs of some rows."""
        return {name: values[rows] for name, values in self.inputs.items()}


def load_data(
    job: TrainingJob, family: Family[Any], configuration: TrainingConfiguration, device: torch.device
) -> TrainingData:
    """Return a job's data on `device`.

    Raises
    ------
    InputError
        When the survey is not the one the job was made for, is of the wrong kind, or training
        lacks a class.
    """
    survey = _survey(job.survey, job.survey_checksum)
    if survey.info.kind != family.survey_kind:
        found = f"but this one holds {survey.info.kind}"
        raise fail(job.survey, f"`{family.name}` learns from {family.survey_kind}, {found}")
    types = survey.objects["type"].tolist()
    target = class_indices(types, job.class_names)
    split = open_split(survey, job.split)
    validation = split.indices("validation") if job.fold is None else split.indices("train", fold=job.fold)
    train = np.setdiff1d(split.indices("train"), validation)
    rows = {"train": train, "validation": validation, "test": split.indices("test")}
    _check_roles(job, target, rows)
    inputs = family.encode(survey, configuration, survey.bands)
    return TrainingData(
        survey=survey,
        inputs={name: values.to(device) for name, values in inputs.items()},
        target_n=torch.from_numpy(target).to(device),
        rows={
            role: torch.from_numpy(np.asarray(index, dtype=np.int64)).to(device)
            for role, index in rows.items()
        },
    )


def predict_rows(
    network: torch.nn.Module, family: Family[Any], inputs: Inputs, rows: Tensor, batch_size: int = 1024
) -> NDArray[np.float32]:
    """Return predictions (len(rows), K) of a network in evaluation mode, in blocks of `batch_size`."""
    network.eval()
    with torch.inference_mode():
        blocks = [
            family.predict(network, {name: values[block] for name, values in inputs.items()}).cpu()
            for block in torch.split(rows, batch_size)
        ]
    return torch.cat(blocks).numpy()


@lru_cache(maxsize=2)
def _survey(path: str, checksum: str) -> Survey:
    survey = open_survey(path, verify=False)
    if survey.checksum != checksum:
        rule = f"is not the survey that the study was made for: its checksum is {survey.checksum[:12]}"
        raise fail(path, f"{rule}, not {checksum[:12]}")
    return survey


def _check_roles(job: TrainingJob, target: NDArray[np.int64], rows: dict[str, NDArray[np.int64]]) -> None:
    where = f"split `{job.split}` of {job.survey}"
    for role in ("train", "validation"):
        if len(rows[role]) == 0:
            fold = "" if job.fold is None else f" for fold {job.fold}"
            raise fail(where, f"has no object to take for the {role} role{fold}")
        unknown = np.flatnonzero(target[rows[role]] < 0)
        if len(unknown):
            raise fail(where, f"every object of role {role} needs a type, but {len(unknown)} have none")
    missing = sorted(set(range(len(job.class_names))) - set(target[rows["train"]].tolist()))
    if missing:
        names = ", ".join(job.class_names[index] for index in missing)
        raise fail(where, f"every class needs training objects, but there are none of {names}")
