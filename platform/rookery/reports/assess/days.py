"""Metrics against days since detection or from peak: from predictions of partial light curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from rookery.reports.assess.classes import Assessment, assess
from rookery.reports.assess.judged import Truth
from rookery.surveys.partial import Since, reference_dates, truncate
from rookery_ensembles.bootstrap import Scores, bootstrap_scores
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import Predictions, read_predictions


@dataclass(frozen=True)
class Day:
    """What was known, and how well it was classified, by one day."""

    days: float
    """Days since the reference date."""
    n: int
    n_positive: int
    """Objects judged, and those of the positive class."""
    n_without_observation: int
    """Assessed objects that had no prediction then: no observation of theirs had been made."""
    median_observations: float
    """Median number of observations of the objects judged."""
    scores: Scores
    """Their metrics."""


@dataclass(frozen=True)
class DaysCurve:
    """Metrics as light curves grow."""

    since: Since
    """``"detection"`` or ``"peak"``."""
    reference: str
    """Where the dates come from that days are counted from, in words."""
    days: tuple[Day, ...]
    """From the first day on."""


def days_curve(
    assessment: Assessment,
    partial: Sequence[str | Path | Predictions],
    *,
    truth: Truth = "agree",
    replicates: int,
    seed: int,
) -> DaysCurve | None:
    """Judge predictions of partial light curves on the objects of an assessment of whole ones.

    Parameters
    ----------
    assessment
        Of the predictions from whole light curves.
    partial
        Predictions (or files of them) that `rookery predict --days` made, in any order.
    truth
        See :func:`rookery.reports.assess.judged.match`.
    replicates, seed
        See :func:`rookery_ensembles.bootstrap.bootstrap_scores`.

    Returns
    -------
    None when `partial` is empty.

    Raises
    ------
    InputError
        When one is not of partial light curves, or not by what made the predictions from whole
        ones; when they count from different dates, or two are of the same day.
    """
    read = [
        (str(item) if not isinstance(item, Predictions) else f"predictions of {item.info.maker}", item)
        for item in partial
    ]
    found: dict[float, tuple[str, Predictions]] = {}
    for where, item in read:
        predictions = item if isinstance(item, Predictions) else read_predictions(item)
        days = _check(predictions, assessment, where)
        if days in found:
            raise fail(
                where, f"there must be one prediction for each day, but {days:g} is that of {found[days][0]}"
            )
        found[days] = (where, predictions)
    kinds = {str(predictions.info.since) for _, predictions in found.values()}
    if len(kinds) > 1:
        raise fail(
            "partial light curves",
            f"days must count from one date, but count from {' and '.join(sorted(kinds))}",
        )
    if not found:
        return None
    since = cast(Since, kinds.pop())
    reference = reference_dates(assessment.survey, since)
    points = []
    for days, (where, predictions) in sorted(found.items()):
        part = assess(predictions, assessment.survey, positive=assessment.positive, truth=truth, where=where)
        inside = np.isin(part.row, assessment.row)
        if not inside.any():
            continue
        sample = part.sample.take(np.flatnonzero(inside))
        view = truncate(assessment.survey, days, reference, rows=part.row[inside])
        points.append(
            Day(
                days=days,
                n=len(sample),
                n_positive=sample.n_positive,
                n_without_observation=len(assessment.row) - len(sample),
                median_observations=float(np.median(np.diff(view.arrays.offsets))) if len(view) else 0.0,
                scores=bootstrap_scores(sample, replicates=replicates, seed=seed),
            )
        )
    return DaysCurve(since, reference.description, tuple(points)) if points else None


def _check(predictions: Predictions, assessment: Assessment, where: str) -> float:
    """Return the day of predictions that fit an assessment."""
    info, whole = predictions.info, assessment.info
    if info.days is None:
        raise fail(where, "must be of partial light curves (`rookery predict --days`), but is of whole ones")
    for name, found, wanted in (
        ("maker", info.maker, whole.maker),
        ("configuration", info.configuration, whole.configuration),
        (whole.target.key, info.target.names, whole.target.names),
    ):
        if found != wanted:
            rule = f"must be by what made those of whole light curves ({name} {wanted})"
            raise fail(where, f"{rule}, but has {found}")
    return info.days
