"""Predictions held against a survey's truth: the numbers that every report starts from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.judged import Judged, Truth, check_kind, hold, opened
from rookery.surveys.store import Survey
from rookery_ensembles import Classes
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import classification_metrics
from rookery_ensembles.predictions import Predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.weighted import WeightedSample


@short_repr
@dataclass(frozen=True, eq=False)
class Assessment(Judged):
    """Class probabilities of objects whose class is known, and how good they are."""

    positive: str
    """The class that ROC, precision-recall and reliability curves are about."""
    truth_index: NDArray[np.intp]
    """(N,) positions of the true classes in ``class_names``."""
    probability: NDArray[np.float64]
    """(N, K)."""
    metrics: dict[str, float]
    """See :func:`rookery_ensembles.metrics.classification_metrics`."""

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
        See :func:`rookery.reports.assess.judged.match`.
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
    check_kind(read.info, Classes.kind, where)
    target = read.info.target
    class_names = target.names
    if positive not in class_names:
        listed = ", ".join(class_names)
        raise fail(where, f"`positive` must be one of its classes {listed}, but is {positive!r}")
    used, types, fields = hold(
        read,
        known,
        where,
        name=name or read.info.maker,
        source=None if isinstance(predictions, Predictions) else Path(predictions),
        split=split,
        role=role,
        truth=truth,
    )
    probability = np.asarray(read.values, dtype=np.float64)[used]
    return Assessment(
        **fields,
        positive=positive,
        truth_index=target.index(types),
        probability=probability,
        metrics=classification_metrics(class_names, types, probability, positive),
    )
