"""Predictions held against a survey's truth: the numbers that every report starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.surveys.labels import class_indices
from rookery.surveys.splits import open_split
from rookery.surveys.store import Survey, open_survey
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import classification_metrics
from rookery_ensembles.predictions import PredictionInfo, Predictions, read_predictions

_TRUTH = "truth.parquet"


@dataclass(frozen=True, eq=False)
class Assessment:
    """Class probabilities of objects whose class is known, and how good they are.

    Attributes
    ----------
    name
        What tables and legends call the predictions.
    info
        What the predictions say about themselves.
    source
        The file they were read from, or None.
    survey
        The survey that told the truth.
    restriction
        Split and role that the objects were restricted to, as text; empty without one.
    positive
        The class that ROC, precision-recall and reliability curves are about.
    row
        (N,) rows of the survey's object table.
    truth_index
        (N,) positions of the true classes in ``class_names``.
    probability
        (N, K).
    metrics
        See :func:`rookery_ensembles.metrics.classification_metrics`.
    n_untyped, n_outside, n_missing
        Predicted objects left out since their type is unknown, or since they are outside the
        restriction; objects of the restriction that have no prediction.
    """

    name: str
    info: PredictionInfo
    source: Path | None
    survey: Survey
    restriction: str
    positive: str
    row: NDArray[np.intp]
    truth_index: NDArray[np.int64]
    probability: NDArray[np.float64]
    metrics: dict[str, float]
    n_untyped: int
    n_outside: int
    n_missing: int

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the K classes."""
        return self.info.class_names or ()

    @property
    def score(self) -> NDArray[np.float64]:
        """(N,) probability of the positive class."""
        return self.probability[:, self.class_names.index(self.positive)]

    @property
    def outcome(self) -> NDArray[np.bool_]:
        """(N,) whether an object is of the positive class."""
        return np.asarray(self.truth_index == self.class_names.index(self.positive))

    @property
    def simulated(self) -> bool:
        """Whether the survey is simulated."""
        return is_simulated(self.survey)


def assess(
    predictions: str | Path | Predictions,
    survey: str | Path | Survey,
    *,
    split: str | None = None,
    role: str | None = None,
    positive: str = "Ia",
    name: str | None = None,
) -> Assessment:
    """Hold predictions against a survey's truth.

    Parameters
    ----------
    predictions
        A Parquet file of class probabilities, or what was read from one.
    survey
        The survey whose types are the truth; see :func:`rookery.surveys.labels.class_indices`
        for how types become classes. Objects of unknown type are left out, and counted.
    split, role
        Restrict the objects to a role of one of the survey's splits; the role is ``"test"``
        unless another is named.
    positive
        The class that one-sided curves and metrics are about.
    name
        What to call the predictions; by default the member or bundle that made them.

    Raises
    ------
    InputError
        When the predictions are invalid, are no class probabilities or belong to another survey,
        `positive` is no class, an object is unknown to the survey, or none is left to assess.
    """
    opened = survey if isinstance(survey, Survey) else open_survey(survey)
    read = predictions if isinstance(predictions, Predictions) else read_predictions(predictions)
    where = read.info.maker if isinstance(predictions, Predictions) else str(predictions)
    _check_info(read.info, positive, opened, where)
    rows = _survey_rows(read.object_id, opened, where)
    inside, n_missing, restriction = _restrict(rows, opened, split, role, where)
    index = class_indices(opened.objects["type"], read.info.class_names or (), opened.path)[rows]
    used = inside & (index >= 0)
    if not used.any():
        raise fail(where, f"none of its {int(inside.sum())} objects has a known type in {opened.path}")
    probability = np.asarray(read.values, dtype=np.float64)[used]
    names = np.array(read.info.class_names, dtype=object)[index[used]]
    return Assessment(
        name=name or read.info.maker,
        info=read.info,
        source=None if isinstance(predictions, Predictions) else Path(predictions),
        survey=opened,
        restriction=restriction,
        positive=positive,
        row=rows[used],
        truth_index=index[used],
        probability=probability,
        metrics=classification_metrics(read.info.class_names or (), names, probability, positive),
        n_untyped=int((inside & (index < 0)).sum()),
        n_outside=int((~inside).sum()),
        n_missing=n_missing,
    )


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


def _check_info(info: PredictionInfo, positive: str, survey: Survey, where: str) -> None:
    if info.class_names is None:
        raise fail(where, f"must be of the kind 'class_probability' to be assessed, but is of {info.kind!r}")
    if positive not in info.class_names:
        raise fail(
            where, f"`positive` must be one of its classes {', '.join(info.class_names)}, but is {positive!r}"
        )
    if info.survey is not None and info.survey != survey.checksum:
        rule = f"must be of the survey {survey.path}, whose checksum is {survey.checksum}"
        raise fail(where, f"{rule}, but was made for the checksum {info.survey}")


def _survey_rows(object_id: NDArray[Any], survey: Survey, where: str) -> NDArray[np.intp]:
    """Return each predicted object's row of the survey's object table."""
    rows = pd.Index(survey.objects["object_id"]).get_indexer(pd.Index(object_id.astype(object)))
    unknown = np.flatnonzero(rows < 0)
    if unknown.size:
        first = object_id[unknown[0]]
        rule = f"every object must be in the survey {survey.path}, but {unknown.size} are not"
        raise fail(where, f"{rule}, the first being {first!r} in row {unknown[0]}")
    return np.asarray(rows)


def _restrict(
    rows: NDArray[np.intp], survey: Survey, split: str | None, role: str | None, where: str
) -> tuple[NDArray[np.bool_], int, str]:
    """Mark the predicted objects of a role; count the role's objects that are not predicted."""
    if split is None:
        if role is not None:
            raise fail(where, f"the role {role!r} needs a split that says who has it")
        return np.ones(len(rows), dtype=bool), 0, ""
    role = role or "test"
    wanted = open_split(survey, split).indices(role)
    inside = np.isin(rows, wanted)
    if not inside.any():
        rule = f"none of its {len(rows)} objects has the role {role!r} in the split {split!r}"
        raise fail(where, rule)
    return inside, len(wanted) - int(inside.sum()), f"{role} objects of the split {split}"
