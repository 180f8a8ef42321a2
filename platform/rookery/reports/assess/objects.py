"""Predicted objects within a survey: whose truth they have, and which of them are judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.splits import open_split
from rookery.surveys.store import Survey, open_survey
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import Predictions, read_predictions
from rookery_ensembles.schema import PredictionInfo

Truth = Literal["agree", "survey"]
"""What to do where the predictions' own truth contradicts the survey's: refuse, or judge by the survey's."""
_SHOWN = 3


@dataclass(frozen=True)
class Matched:
    """How the objects of a file of predictions fit a survey.

    Attributes
    ----------
    in_file, in_survey
        Predicted objects, all of which the survey knows; objects of the survey.
    in_role, predicted
        Objects of the role that is judged (all of the survey without a split), and those predicted.
    compared, contradicted
        Predicted objects whose truth both the file and the survey tell, and those where they differ.
    """

    in_file: int
    in_survey: int
    in_role: int
    predicted: int
    compared: int
    contradicted: int


def matched_lines(document: Mapping[str, Any]) -> list[str]:
    """Return what a report's document says of each file's objects, a sentence each."""
    found, restriction = document["matched"], document["provenance"]["restriction"]
    sentences = {name: _matched_sentence(numbers, restriction) for name, numbers in found.items()}
    return [f"{name}: {text}" if len(found) > 1 else text for name, text in sentences.items()]


def _matched_sentence(found: Mapping[str, int], restriction: str | None) -> str:
    whole = f"All {found['in_file']:,} predicted objects are among the survey's {found['in_survey']:,}"
    role = f"; {found['predicted']:,} of the {found['in_role']:,} {restriction} are predicted"
    if not found["compared"]:
        truth = "the file tells no truth to compare with the survey's"
    elif found["contradicted"]:
        wrong = f"{found['contradicted']:,} of the {found['compared']:,} compared"
        truth = f"the file's own truth CONTRADICTS the survey's for {wrong}; the survey's counts"
    else:
        truth = f"the file's own truth agrees for all {found['compared']:,} compared"
    return f"{whole}{role if restriction else ''}; {truth}."


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
    if info.target.kind != kind:
        raise fail(where, f"must be of the kind {kind!r} to be assessed, but is of {info.target.kind!r}")


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


def match(
    predictions: Predictions,
    rows: NDArray[np.intp],
    truth_n: NDArray[Any],
    survey: Survey,
    where: str,
    *,
    truth: Truth,
    predicted: int,
    n_missing: int,
) -> Matched:
    """Hold the predictions' own truth to the survey's, for every predicted object that both know.

    Ids that are shifted, or those of another survey, show in nothing else.

    Parameters
    ----------
    rows
        (N,) rows of the survey's object table, of the predicted objects.
    truth_n
        (N,) what the survey says: class names (None where unknown) or redshifts (NaN).
    truth
        ``"survey"`` to count contradictions only.
    predicted, n_missing
        Predicted objects of the role that is judged, and those of the role that are not.

    Raises
    ------
    InputError
        When an object's truths differ, unless `truth` is ``"survey"``: with the number, and examples.
    """
    if truth not in ("agree", "survey"):
        raise fail("truth", f"must be 'agree' or 'survey', but is {truth!r}")
    n = len(rows)
    own_n = np.full(n, None) if predictions.truth is None else np.asarray(predictions.truth)
    compared = np.asarray(pd.notna(own_n) & pd.notna(truth_n))
    wrong = np.flatnonzero(compared & predictions.info.target.contradicts(own_n, truth_n))
    if wrong.size and truth == "agree":
        raise fail(where, _contradiction(predictions, own_n, truth_n, wrong, int(compared.sum()), survey))
    return Matched(n, len(survey), predicted + n_missing, predicted, int(compared.sum()), len(wrong))


def check_truth(predictions: Predictions, survey: Survey, where: str) -> None:
    """Raise InputError unless the predictions' own truth is that of the survey; see :func:`match`."""
    rows = survey_rows(predictions.object_id, survey, where)
    target = predictions.info.target
    truth_n = target.truth_of(survey.objects[target.truth_column], str(survey.path))[rows]
    match(predictions, rows, truth_n, survey, where, truth="agree", predicted=len(rows), n_missing=0)


def _contradiction(
    predictions: Predictions,
    own_n: NDArray[Any],
    truth_n: NDArray[Any],
    wrong: NDArray[np.intp],
    compared: int,
    survey: Survey,
) -> str:
    """Return the rule that contradicting truths break."""

    def value(found: Any) -> str:
        return found if isinstance(found, str) else f"{found:.6g}"

    some = "; ".join(
        f"{predictions.object_id[i]} {value(own_n[i])} here and {value(truth_n[i])} there"
        for i in wrong[:_SHOWN]
    )
    rule = f"the predictions' own truth must be that of the survey {survey.path}"
    found = f"but differs for {len(wrong):,} of {compared:,} objects: {some}"
    hint = "are the ids shifted, or the truths revised? `--truth survey` judges by the survey's"
    return f"{rule}, {found} ({hint})"
