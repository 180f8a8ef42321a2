"""The target of jobs, studies and cards: how their documents hold it, and what a survey's truth is to it."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.surveys import Survey
from rookery.surveys.equal_bins import EqualBins, equal_bins
from rookery_ensembles import Classes, RedshiftBins, Target
from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)


def make_target(class_names: tuple[str, ...] | None, redshift_bins: EqualBins | None) -> Target:
    """Return the target of a document: classes or bins of redshift, exactly one of the two."""
    if class_names is not None and redshift_bins is None:
        return Classes(class_names)
    if redshift_bins is not None and class_names is None:
        return redshift_bins.target
    raise ValueError("exactly one of `class_names` and `redshift_bins` must be given")


def target_fields(target: Target) -> dict[str, Any]:
    """Return what documents hold of a target: `class_names` and `redshift_bins`, one of them None."""
    if isinstance(target, Classes):
        return {"class_names": target.names, "redshift_bins": None}
    return {"class_names": None, "redshift_bins": EqualBins.of(target)}


def chosen_target(
    kind: str, class_names: Sequence[str], bins: tuple[float, float, int] | EqualBins
) -> Target:
    """Return what networks of a kind predict: the classes, or the bins (low, high, number) of redshift.

    Raises
    ------
    InputError
        When redshifts are predicted and the bins break a rule.
    """
    return equal_bins(bins) if kind == RedshiftBins.kind else Classes(tuple(class_names))


def survey_index(target: Target, survey: Survey) -> NDArray[np.int64]:
    """Return every object's output (N,), -1 where unknown.

    Raises
    ------
    InputError
        For a type that fits no class, and a class that no object is of.
    """
    truth = survey.objects[target.truth_column]
    index = target.index(target.truth_of(truth, str(survey.path)))
    target.check_survey(index, truth, str(survey.path))
    return index.astype(np.int64)


def known_truth(target: Target, survey: Survey) -> NDArray[Any] | None:
    """Return every object's redshift, or its class as the networks name it; None where none is known."""
    try:
        truth = target.truth_of(survey.objects[target.truth_column])
    except InputError:
        logger.warning("%s: its types are not those of the ensemble; predictions have no truth", survey.path)
        return None
    return target.check_truth(truth, str(survey.path))
