"""Predicted objects within a survey: whose truth they have, and which of them are judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.splits import open_split
from rookery.surveys.store import Survey, open_survey
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import Predictions, read_predictions
from rookery_ensembles.schema import PredictionInfo


def opened(
    predictions: str | Path | Predictions, survey: str | Path | Survey
) -> tuple[Predictions, str, Survey]:
    """Return the predictions, what messages call them, and the survey, each read if it is a path."""
    known = survey if isinstance(survey, Survey) else open_survey(survey)
    if isinstance(predictions, Predictions):
        return predictions, predictions.info.maker, known
    return read_predictions(predictions), str(predictions), known


def check_kind(info: PredictionInfo, kind: str, where: str) -> None:
    """Raise InputError unless predictions are of a kind."""
    if info.kind != kind:
        raise fail(where, f"must be of the kind {kind!r} to be assessed, but is of {info.kind!r}")


def check_survey(info: PredictionInfo, survey: Survey, where: str) -> None:
    """Raise InputError when predictions say that they are of another survey."""
    if info.survey is not None and info.survey != survey.checksum:
        rule = f"must be of the survey {survey.path}, whose checksum is {survey.checksum}"
        raise fail(where, f"{rule}, but was made for the checksum {info.survey}")


def survey_rows(object_id: NDArray[Any], survey: Survey, where: str) -> NDArray[np.intp]:
    """Return each predicted object's row of the survey's object table."""
    rows = pd.Index(survey.objects["object_id"]).get_indexer(pd.Index(object_id.astype(object)))
    unknown = np.flatnonzero(rows < 0)
    if unknown.size:
        first = object_id[unknown[0]]
        rule = f"every object must be in the survey {survey.path}, but {unknown.size} are not"
        raise fail(where, f"{rule}, the first being {first!r} in row {unknown[0]}")
    return np.asarray(rows)


def restrict(
    rows: NDArray[np.intp], survey: Survey, split: str | None, role: str | None, where: str
) -> tuple[NDArray[np.bool_], int, str]:
    """Mark the predicted objects of a role; count the role's objects that are not predicted.

    The role is ``"test"`` unless another is named. The text says what the objects are.
    """
    if split is None:
        if role is not None:
            raise fail(where, f"the role {role!r} needs a split that says who has it")
        return np.ones(len(rows), dtype=bool), 0, ""
    role = role or "test"
    known = open_split(survey, split)
    wanted = known.indices(role)
    inside = np.isin(rows, wanted)
    if not inside.any():
        rule = f"none of its {len(rows)} objects has the role {role!r} in the split {split!r}"
        found, number = np.unique(known.role[rows].astype(str), return_counts=True)
        has = ", ".join(f"{n} {name}" for name, n in zip(found, number, strict=True))
        raise fail(where, f"{rule}; its objects are {has}")
    return inside, len(wanted) - int(inside.sum()), f"{role} objects of the split {split}"


def describe_objects(n: int, survey: Survey, restriction: str) -> str:
    """Return how many objects of which survey and part of it were assessed."""
    part = f", {restriction}" if restriction else ""
    return f"{n:,} objects of {survey.info.name}{part}"
