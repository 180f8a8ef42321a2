"""Predictions held against a survey's truth: the numbers that every report starts from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.reports.assess.objects import (
    Matched,
    Truth,
    check_kind,
    check_survey,
    match,
    opened,
    restrict,
    survey_rows,
)
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import classification_metrics
from rookery_ensembles.predictions import PredictionInfo, Predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.weighted import WeightedSample

_TRUTH = "truth.parquet"


@short_repr
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
    matched
        How the predicted objects fit the survey.
    """

    name: str
    info: PredictionInfo
    source: Path | None
    survey: Survey
    restriction: str
    positive: str
    row: NDArray[np.intp]
    truth_index: NDArray[np.intp]
    probability: NDArray[np.float64]
    metrics: dict[str, float]
    n_untyped: int
    n_outside: int
    n_missing: int
    matched: Matched

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the K classes."""
        return self.info.target.names

    @cached_property
    def sample(self) -> WeightedSample:
        """The objects, ready to be scored under any weights."""
        return WeightedSample(self.class_names, self.truth_index, self.probability, self.positive)

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
    truth: Truth = "agree",
    where: str | None = None,
) -> Assessment:
    """Hold predictions against a survey's truth.

    Parameters
    ----------
    predictions
        A Parquet file of class probabilities, or what was read from one.
    survey
        The survey whose types are the truth; see :class:`rookery_ensembles.Classes`
        for how types become classes. Objects of unknown type are left out, and counted.
    split, role
        Restrict the objects to a role of one of the survey's splits; the role is ``"test"``
        unless another is named.
    positive
        The class that one-sided curves and metrics are about.
    name
        What to call the predictions; by default the member or bundle that made them.
    truth
        See :func:`rookery.reports.assess.objects.match`.
    where
        What messages call the predictions; by default their file, or what made them.

    Raises
    ------
    InputError
        When the predictions are invalid, are no class probabilities or belong to another survey,
        `positive` is no class, an object is unknown to the survey, their own truth contradicts it, or
        none is left to assess.
    """
    read, source, known = opened(predictions, survey)
    where = where or source
    check_kind(read.info, "class_probability", where)
    target = read.info.target
    class_names = target.names
    if positive not in class_names:
        listed = ", ".join(class_names)
        raise fail(where, f"`positive` must be one of its classes {listed}, but is {positive!r}")
    check_survey(read.info, known, where)
    rows = survey_rows(read.object_id, known, where)
    inside, n_missing, restriction = restrict(rows, known, split, role, where)
    types = target.truth_of(known.objects[target.truth_column], str(known.path))[rows]
    index = target.index(types)
    matched = match(
        read, rows, types, known, where, truth=truth, predicted=int(inside.sum()), n_missing=n_missing
    )
    used = inside & (index >= 0)
    if not used.any():
        raise fail(where, f"none of its {int(inside.sum())} objects has a known type in {known.path}")
    probability = np.asarray(read.values, dtype=np.float64)[used]
    return Assessment(
        name=name or read.info.maker,
        info=read.info,
        source=None if isinstance(predictions, Predictions) else Path(predictions),
        survey=known,
        restriction=restriction,
        positive=positive,
        row=rows[used],
        truth_index=index[used],
        probability=probability,
        metrics=classification_metrics(class_names, types[used], probability, positive),
        n_untyped=int((inside & (index < 0)).sum()),
        n_outside=int((~inside).sum()),
        n_missing=n_missing,
        matched=matched,
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
