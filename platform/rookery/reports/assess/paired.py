"""Two predictions compared on the objects of a survey, or on those whose truth both tell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rookery.reports.assess.judged import hold, opened
from rookery.surveys import open_survey
from rookery_ensembles.paired import Comparison, compare_predictions
from rookery_ensembles.predictions import Predictions, read_predictions

Made = str | Path | Predictions


def compare_on(
    first: Made,
    second: Made,
    survey: str | Path | None,
    *,
    split: str | None = None,
    role: str | None = None,
    **options: Any,
) -> Comparison:
    """Compare predictions on the objects of a survey's role, or without a survey by their own truths.

    Parameters
    ----------
    first, second
        Prediction files, or what was read from them.
    survey
        Who knows the truth; the predictions must be of it.
    split, role
        Restrict the objects to a role (test by default) of a split of the survey.
    options
        See :func:`rookery_ensembles.paired.compare_predictions`.
    """
    if survey is None:
        return compare_predictions(*(_read(each) for each in (first, second)), **options)
    known = open_survey(survey)
    held = []
    for each in (first, second):
        read, where, _ = opened(each, known)
        source = None if isinstance(each, Predictions) else Path(each)
        rows, truth, _ = hold(
            read, known, where, name=where, source=source, split=split, role=role, truth="agree"
        )
        held.append(replace(read.take(rows), info=replace(read.info, member=where, bundle=None), truth=truth))
    return compare_predictions(held[0], held[1], **options)


def _read(given: Made) -> Predictions:
    """Return predictions that messages call by their file."""
    if isinstance(given, Predictions):
        return given
    read = read_predictions(given)
    return replace(read, info=replace(read.info, member=str(given), bundle=None))
