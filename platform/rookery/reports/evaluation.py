"""The report of one file of predictions."""

import math
from pathlib import Path
from typing import Any

from rookery.reports import figures as paper
from rookery.reports import interactive
from rookery.reports.assessment import Assessment, assess
from rookery.reports.curves import Curves, make_curves
from rookery.reports.folder import refuse_foreign, write_report
from rookery.reports.metric_names import METRICS, metric
from rookery.reports.pages import render_page
from rookery.reports.provenance import made_now, predictions_provenance, spoken, survey_provenance
from rookery.surveys.store import Survey

_TILES = ("accuracy", "auc", "log_loss", "ece", "recall_at_precision_0.95", "recall_at_precision_0.98")


def evaluate(
    predictions: str | Path,
    survey: str | Path | Survey,
    report: str | Path,
    *,
    split: str | None = None,
    role: str | None = None,
    positive: str = "Ia",
) -> dict[str, float]:
    """Hold predictions against a survey's truth, write a report, and return the metrics.

    The report is a folder: ``index.html`` (one file, works offline), ``metrics.json``, and each
    figure as PNG and PDF under ``figures/``. An earlier report there is replaced.

    Parameters
    ----------
    predictions
        Parquet file of class probabilities, of a member or a bundle.
    survey
        The survey that knows the truth.
    report
        Folder to write.
    split, role, positive
        See :func:`rookery.reports.assessment.assess`.

    Returns
    -------
    See :func:`rookery_ensembles.metrics.classification_metrics`.

    Raises
    ------
    InputError
        As :func:`~rookery.reports.assessment.assess` does; and when `report` holds other files,
        or cannot be written.
    """
    report = Path(report)
    refuse_foreign(report)
    assessment = assess(predictions, survey, split=split, role=role, positive=positive)
    curves = make_curves(assessment)
    origin = {
        "predictions": predictions_provenance(assessment),
        "survey": survey_provenance(assessment.survey),
        "restriction": assessment.restriction or None,
        **made_now(),
    }
    page = _page(assessment, curves, origin)
    with paper.paper_style():
        drawn = {
            "roc": paper.draw_roc([curves]),
            "precision_recall": paper.draw_precision_recall([curves]),
            "reliability": paper.draw_reliability([curves]),
            "histogram": paper.draw_histogram(curves, assessment.class_names, positive),
            "confusion": paper.draw_confusion(curves, assessment.class_names),
        }
    document = {
        "kind": "evaluation",
        "simulated": assessment.simulated,
        "positive": positive,
        "class_names": list(assessment.class_names),
        "metrics": json_metrics(assessment.metrics),
        "counts": dict(_counts(assessment, curves)),
        "confusion": curves.confusion.tolist(),
        "provenance": origin,
    }
    write_report(report, page, document, drawn)
    return assessment.metrics


def json_metrics(metrics: dict[str, float]) -> dict[str, float | None]:
    """Return metrics as JSON has them: None where undefined."""
    return {key: None if math.isnan(value) else value for key, value in metrics.items()}


def describe_objects(assessment: Assessment) -> str:
    """Return how many objects of which survey and part of it were assessed."""
    part = f", {assessment.restriction}" if assessment.restriction else ""
    return f"{len(assessment.truth_index):,} objects of {assessment.survey.info.name}{part}"


def recall_marks(assessment: Assessment) -> list[tuple[float, float]]:
    """Return the (recall, precision) points that a precision-recall plot points out."""
    found = (
        (assessment.metrics[f"recall_at_precision_{precision}"], precision) for precision in (0.95, 0.98)
    )
    return [(recall, precision) for recall, precision in found if recall > 0]


def reliability_note(assessment: Assessment) -> str:
    """Return the sentence under a reliability diagram."""
    what = (
        f"the probability of {assessment.positive}"
        if len(assessment.class_names) == 2
        else "the highest probability"
    )
    return f"How often {what} comes true, in bins of equal width. Below the dotted line: too confident of it."


def notices(assessment: Assessment) -> list[str]:
    """Return what a reader must know before the numbers: what is undefined, and what flatters."""
    found = []
    if assessment.info.bundle and not assessment.restriction:
        found.append(
            "Judged on every predicted object. If the ensemble was trained on some of them, these numbers "
            "flatter it: name the split (--split) to judge test objects alone."
        )
    if not assessment.outcome.any():
        found.append(f"No object here is of type {assessment.positive}: curves and recalls are undefined.")
    if assessment.outcome.all():
        found.append(f"All objects here are of type {assessment.positive}: the ROC curve is undefined.")
    return found


def _page(assessment: Assessment, curves: Curves, origin: dict[str, Any]) -> str:
    positive, names = assessment.positive, assessment.class_names
    missing = f"{assessment.n_missing:,} {assessment.restriction} have no prediction and are not counted."
    others = " and ".join(name for name in names if name != positive)
    return render_page(
        "report.html.j2",
        {
            "roc": interactive.roc_figure([curves]),
            "precision_recall": interactive.precision_recall_figure([curves], [recall_marks(assessment)]),
            "reliability": interactive.reliability_figure([curves]),
            "histogram": interactive.histogram_figure(curves, names, positive),
        },
        title=assessment.name,
        lead=f"{positive} against {others} for {describe_objects(assessment)}",
        simulated=assessment.simulated,
        notices=notices(assessment) + ([missing] if assessment.n_missing else []),
        tiles=[(metric(key).label, metric(key).format(assessment.metrics[key])) for key in _TILES],
        positive=positive,
        class_names=names,
        reliability_note=reliability_note(assessment),
        confusion=[
            (name, list(zip(fractions.tolist(), counts.tolist(), strict=True)))
            for name, fractions, counts in zip(names, curves.row_fractions, curves.confusion, strict=True)
        ],
        counts=_counts(assessment, curves),
        metrics=[(entry, entry.format(assessment.metrics[entry.key])) for entry in METRICS],
        provenance=_provenance_rows(origin),
    )


def _counts(assessment: Assessment, curves: Curves) -> list[tuple[str, int]]:
    by_class = zip(assessment.class_names, curves.confusion.sum(axis=1).tolist(), strict=True)
    return [
        ("assessed", len(assessment.truth_index)),
        *((f"of true class {name}", count) for name, count in by_class),
        ("left out: type unknown", assessment.n_untyped),
        ("left out: outside the split’s role", assessment.n_outside),
        ("without a prediction", assessment.n_missing),
    ]


def _provenance_rows(origin: dict[str, Any]) -> list[tuple[str, str]]:
    rest = {"objects": origin["restriction"], "date": origin["date"], "versions": origin["versions"]}
    return [
        *spoken("predictions:", origin["predictions"]),
        *spoken("survey:", origin["survey"]),
        *spoken("", rest),
    ]
