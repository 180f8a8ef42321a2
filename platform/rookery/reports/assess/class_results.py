"""Everything that a report tells beyond single numbers: intervals, classes, bins, days; and its JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rookery.reports.assess.classes import Assessment
from rookery.reports.assess.covariates import Bins, bin_assessment, covariate_label
from rookery.reports.assess.curves import Curves, Reliability
from rookery.reports.assess.days import DaysCurve, days_curve
from rookery.reports.assess.judged import Truth
from rookery_ensembles.binned import Binned
from rookery_ensembles.bootstrap import (
    LEVELS,
    Estimate,
    PurityEfficiency,
    Scores,
    bootstrap_purity_efficiency,
    bootstrap_scores,
    check_bootstrap,
)
from rookery_ensembles.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Details:
    """What is known of an assessment beyond its metrics."""

    replicates: int
    seed: int
    """Of the bootstrap."""
    scores: Scores
    """Metrics of the whole sample and of each class, with intervals."""
    purity_efficiency: PurityEfficiency
    """Of the positive class."""
    binned: tuple[Binned, ...]
    """Metrics in bins, per covariate."""
    days: DaysCurve | None
    """Metrics against days, or None without partial light curves."""


def make_details(
    assessment: Assessment,
    *,
    by: Sequence[str] = (),
    bins: Mapping[str, Bins] | None = None,
    partial: Sequence[str | Path | Predictions] = (),
    truth: Truth = "agree",
    replicates: int,
    seed: int,
) -> Details:
    """Compute the details of an assessment.

    Raises
    ------
    InputError
        See :func:`~rookery.reports.assess.covariates.bin_assessment`,
        :func:`~rookery.reports.assess.days.days_curve` and
        :func:`~rookery_ensembles.bootstrap.check_bootstrap`.
    """
    check_bootstrap(replicates, seed)
    sample = assessment.sample
    draws: Any = {"replicates": replicates, "seed": seed}
    binned = bin_assessment(assessment, by=by, bins=bins, **draws)
    return Details(
        replicates=replicates,
        seed=seed,
        scores=bootstrap_scores(sample, classes=True, **draws),
        purity_efficiency=bootstrap_purity_efficiency(sample, **draws),
        binned=tuple(binned),
        days=days_curve(assessment, partial, truth=truth, **draws),
    )


def details_document(details: Details, curves: Curves, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the details as they stand in ``metrics.json``; null where undefined."""
    intervals = {key: estimate.to_json() for key, estimate in details.scores.metrics.items()}
    for entry in intervals.values():
        entry.pop("value")
    return {
        "bootstrap": bootstrap_document(details.replicates, details.seed),
        "intervals": intervals,
        "per_class": _per_class(details.scores, curves, class_names),
        "purity_efficiency": _purity_efficiency(details.purity_efficiency),
        "reliability": _reliability(curves.reliability),
        "reliability_by_class": {name: _reliability(found) for name, found in curves.by_class.items()},
        "bins": {
            binned.name: {"label": covariate_label(binned.name), **binned_document(binned, positives=True)}
            for binned in details.binned
        },
        "days": None if details.days is None else _days(details.days),
    }


def bootstrap_document(replicates: int, seed: int) -> dict[str, Any]:
    """Return what the intervals come from."""
    levels = list(LEVELS) if replicates else []
    return {"over": "objects", "replicates": replicates, "seed": seed, "levels": levels}


def numbers(values: Any) -> list[float | None]:
    """Return an array as JSON has it: None where undefined."""
    return [None if math.isnan(value) else value for value in np.asarray(values).tolist()]


def _reliability(found: Reliability) -> dict[str, Any]:
    return {key: numbers(getattr(found, key)) for key in ("score", "frequency", "low", "high", "count")}


def _per_class(scores: Scores, curves: Curves, class_names: Sequence[str]) -> dict[str, Any]:
    true, assigned = curves.confusion.sum(axis=1).tolist(), curves.confusion.sum(axis=0).tolist()
    return {
        name: {"n": true[i], "n_predicted": assigned[i], **estimates_document(scores.per_class[name])}
        for i, name in enumerate(class_names)
    }


def estimates_document(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return estimates as JSON has them, by metric."""
    return {key: estimate.to_json() for key, estimate in estimates.items()}


def _purity_efficiency(found: PurityEfficiency) -> dict[str, Any]:
    return {
        "threshold": numbers(found.threshold),
        "purity": numbers(found.purity),
        "purity_68": [numbers(end) for end in found.purity_band],
        "efficiency": numbers(found.efficiency),
        "efficiency_68": [numbers(end) for end in found.efficiency_band],
    }


def binned_document(binned: Binned, *, positives: bool = False) -> dict[str, Any]:
    """Return the bins of a covariate as JSON has them; `positives` counts those of a positive class too."""
    return {
        "edges": binned.edges,
        "n_unknown": binned.n_unknown,
        "n_outside": binned.n_outside,
        "bins": [
            {
                "low": found.low,
                "high": found.high,
                "median": None if math.isnan(found.median) else found.median,
                "n": found.n,
                **({"n_positive": found.n_positive} if positives else {}),
                "metrics": None if found.scores is None else estimates_document(found.scores.metrics),
            }
            for found in binned.bins
        ],
    }


def _days(curve: DaysCurve) -> dict[str, Any]:
    return {
        "since": curve.since,
        "reference": curve.reference,
        "points": [
            {key: value for key, value in vars(day).items() if key != "scores"}
            | {"metrics": estimates_document(day.scores.metrics)}
            for day in curve.days
        ],
    }
