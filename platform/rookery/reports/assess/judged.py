"""Predictions held against a survey: which of their objects are judged, and whose truth they have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.surveys.splits import open_split
from rookery.surveys.store import Survey, open_survey
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import Predictions, read_predictions
from rookery_ensembles.schema import PredictionInfo
from rookery_ensembles.stack import Labelled

Truth = Literal["agree", "survey"]
"""What to do where the predictions' own truth contradicts the survey's: refuse, or judge by the survey's."""
_SHOWN = 3
_TRUTH = "truth.parquet"


@dataclass(frozen=True)
class Matched:
    """How the objects of a file of predictions fit a survey."""

    in_file: int
    in_survey: int
    """Predicted objects, all of which the survey knows; objects of the survey."""
    in_role: int
    predicted: int
    """Objects of the role that is judged (all of the survey without a split), and those predicted."""
    compared: int
    contradicted: int
    """Predicted objects whose truth both the file and the survey tell, and those where they differ."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Predictions of N objects whose truth a survey knows."""

    name: str
    """What tables and legends call the predictions."""
    info: PredictionInfo
    """What the predictions say about themselves."""
    source: Path | None
    """The file they were read from, or None."""
    survey: Survey
    """The survey that told the truth."""
    restriction: str
    """Split and role that the objects were restricted to, as text; empty without one."""
    row: NDArray[np.intp]
    """(N,) rows of the survey's object table."""
    matched: Matched
    """How the predicted objects fit the survey."""
    n_unknown: int
    n_outside: int
    n_missing: int
    """Predicted objects left out since their truth is unknown, or since they are outside the
    restriction; objects of the restriction that have no prediction."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.row)

    @property
    def simulated(self) -> bool:
        """Whether the survey is simulated."""
        return is_simulated(self.survey)


def is_simulated(survey: Survey) -> bool:
    """Return whether a survey's objects are simulated.

    Its provenance tells, by ``simulated`` or by naming a ``simulator``; else truth that only a
    simulation has (columns ``sim_...``) does.
    """
    provenance = survey.info.provenance
    if "simulated" in provenance:
        return bool(provenance["simulated"])
    if "simulator" in provenance:
        return True
    if _TRUTH not in survey.info.files:
        return False
    return any(name.startswith("sim_") for name in pq.read_schema(survey.path / _TRUTH).names)


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


def hold(
    read: Predictions,
    survey: Survey,
    where: str,
    *,
    name: str,
    source: Path | None,
    split: str | None,
    role: str | None,
    truth: Truth,
) -> tuple[NDArray[np.intp], NDArray[Any], dict[str, Any]]:
    """Find the objects of predictions whose truth a survey knows.

    Parameters
    ----------
    split, role
        Restrict the objects to a role of one of the survey's splits; the role is ``"test"`` unless
        another is named.
    truth
        See :func:`match`.

    Returns
    -------
    (N,) positions in the predictions, (N,) truths, and the fields of :class:`Judged`.

    Raises
    ------
    InputError
        When the predictions belong to another survey, an object is unknown to the survey, their own
        truth contradicts it, or none is left.
    """
    check_survey(read.info, survey, where)
    rows = survey_rows(read.object_id, survey, where)
    inside, n_missing, restriction = restrict(rows, survey, split, role, where)
    truth_n, n_inside = _truths(read.info, survey, rows), int(inside.sum())
    matched = match(read, rows, truth_n, survey, where, truth=truth, predicted=n_inside, n_missing=n_missing)
    known = np.asarray(pd.notna(truth_n))
    used = np.flatnonzero(inside & known)
    if not used.size:
        what = read.info.target.truth_column
        raise fail(where, f"none of its {n_inside} objects has a known {what} in {survey.path}")
    fields = {
        "name": name,
        "info": read.info,
        "source": source,
        "survey": survey,
        "restriction": restriction,
        "row": rows[used],
        "matched": matched,
        "n_unknown": n_inside - len(used),
        "n_outside": len(rows) - n_inside,
        "n_missing": n_missing,
    }
    return used, truth_n[used], fields


def _truths(info: PredictionInfo, survey: Survey, rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return what a survey says of objects: class names (None where unknown), or redshifts (NaN)."""
    return info.target.truth_of(survey.objects[info.target.truth_column], str(survey.path))[rows]


def check_survey(info: PredictionInfo, survey: Survey, where: str) -> None:
    """Raise InputError when predictions say that they are of another survey."""
    if info.survey is not None and not survey.info.was(info.survey):
        rule = f"must be of the survey {survey.path}, whose checksum is {survey.checksum[:12]}"
        raise fail(where, f"{rule}, but was made for the checksum {info.survey[:12]}")


def survey_rows(object_id: NDArray[Any], survey: Survey, where: str) -> NDArray[np.intp]:
    """Return each predicted object's row of the survey's object table."""
    rows = pd.Index(survey.objects["object_id"]).get_indexer(pd.Index(object_id.astype(object)))
    unknown = np.flatnonzero(rows < 0)
    if unknown.size:
        first = str(object_id[unknown[0]])
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


def match(
    predictions: Labelled,
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


def check_truth(predictions: Labelled, survey: Survey, where: str) -> None:
    """Raise InputError unless the predictions' own truth is that of the survey; see :func:`match`."""
    rows = survey_rows(predictions.object_id, survey, where)
    truth_n = _truths(predictions.info, survey, rows)
    match(predictions, rows, truth_n, survey, where, truth="agree", predicted=len(rows), n_missing=0)


def _contradiction(
    predictions: Labelled,
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
