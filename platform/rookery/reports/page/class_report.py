"""The report of one file of predictions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rookery.reports.assess.class_results import Details, details_document, make_details
from rookery.reports.assess.classes import Assessment, assess
from rookery.reports.assess.covariates import Bins, against_covariate
from rookery.reports.assess.curves import Curves, class_curves, make_curves
from rookery.reports.assess.judged import Truth
from rookery.reports.charts.against import binned_chart, days_chart, purity_efficiency_chart
from rookery.reports.charts.classes import (
    MARKED,
    confusion_chart,
    histogram_chart,
    precision_recall_chart,
    reliability_chart,
    roc_chart,
)
from rookery.reports.charts.model import Chart
from rookery.reports.page.csv_tables import class_tables, paper_tables, slugs
from rookery.reports.page.folder import (
    made_now,
    predictions_provenance,
    refuse_foreign,
    survey_provenance,
    write_report,
)
from rookery.reports.page.render import render_page
from rookery.reports.page.words import (
    bin_note,
    chance_document,
    chance_lines,
    describe_objects,
    listed,
    matched_lines,
    metric_cells,
    provenance_rows,
    with_half_width,
)
from rookery.surveys.store import Survey
from rookery_ensembles import Classes
from rookery_ensembles.bootstrap import REPLICATES, check_bootstrap
from rookery_ensembles.metric import CLASS_METRICS, EACH_CLASS_METRICS, METRICS, shown
from rookery_ensembles.predictions import Predictions

PartialPredictions = (
    Sequence[str | Path | Predictions] | Callable[[Assessment], Sequence[str | Path | Predictions]]
)


def evaluate(
    predictions: str | Path,
    survey: str | Path | Survey,
    report: str | Path,
    *,
    split: str | None = None,
    role: str | None = None,
    positive: str = "Ia",
    by: Sequence[str] = (),
    bins: Mapping[str, Bins] | None = None,
    partial: PartialPredictions = (),
    truth: Truth = "agree",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, float]:
    """Hold predictions against a survey's truth, write a report, and return the metrics.

    The report is a folder: ``index.html`` (one file, works offline), ``metrics.json`` (all numbers:
    metrics, bootstrap intervals, per class, in bins, by days), the same as ``tables/*.csv``, and
    each figure as PNG and PDF under ``figures/``. An earlier report there is replaced.

    Parameters
    ----------
    predictions
        Parquet file of class probabilities, of a member or a bundle.
    survey
        The survey that knows the truth.
    report
        Folder to write.
    split, role, positive
        See :func:`rookery.reports.assess.classes.assess`.
    by, bins
        Covariates to bin by, beside redshift, peak signal-to-noise and number of observations;
        and numbers of bins or edges. See :func:`rookery.reports.assess.covariates.bin_assessment`.
    partial
        Predictions of partial light curves by the same maker (or files of them), or a function
        of an assessment that returns them; see :func:`rookery.reports.assess.days.days_curve`.
    truth
        See :func:`rookery.reports.assess.judged.match`; for the partial light curves too.
    replicates, seed
        How often the bootstrap draws the objects again (0: no intervals), and its seed.

    Returns
    -------
    See :func:`rookery_ensembles.metrics.classification_metrics`.

    Raises
    ------
    InputError
        As :func:`~rookery.reports.assess.classes.assess` and
        :func:`~rookery.reports.assess.class_results.make_details` do; and when `report` holds other
        files, or cannot be written.
    """
    report = Path(report)
    refuse_foreign(report)
    check_bootstrap(replicates, seed)
    assessment = assess(predictions, survey, split=split, role=role, positive=positive, truth=truth)
    curves = make_curves(assessment)
    details = make_details(
        assessment,
        by=by,
        bins=bins,
        partial=partial(assessment) if callable(partial) else partial,
        truth=truth,
        replicates=replicates,
        seed=seed,
    )
    origin = {
        "predictions": predictions_provenance(assessment),
        "survey": survey_provenance(assessment.survey),
        "restriction": assessment.restriction or None,
        **made_now(),
    }
    document = {
        "kind": "evaluation",
        "simulated": assessment.simulated,
        "positive": positive,
        "class_names": list(assessment.class_names),
        "metrics": json_metrics(assessment.metrics),
        **details_document(details, curves, assessment.class_names),
        "matched": {assessment.name: asdict(assessment.matched)},
        "chance": {assessment.name: chance_document(assessment.probability, assessment.truth_index)},
        "counts": dict(_counts(assessment, curves)),
        "confusion": curves.confusion.tolist(),
        "provenance": origin,
    }
    charts = _charts(assessment, curves, details)
    page = _page(assessment, curves, charts, document)
    write_report(report, page, document, charts, class_tables(document) | paper_tables(document))
    return assessment.metrics


def _charts(assessment: Assessment, curves: Curves, details: Details) -> dict[str, Chart]:
    """Return all charts by their names."""
    positive, names = assessment.positive, assessment.class_names
    # With more than two classes a curve for each, one against the rest.
    entries = [curves] if len(names) == 2 else class_curves(assessment)
    file_names = slugs(binned.name for binned in details.binned)
    found = {
        "roc": roc_chart(entries),
        "precision_recall": precision_recall_chart(entries, [marked_recalls(assessment)]),
        "reliability": reliability_chart([(curves.name, curves.reliability)]),
        "histogram": histogram_chart(curves, names, positive),
        "confusion": confusion_chart(curves, names),
        "purity_efficiency": purity_efficiency_chart(details.purity_efficiency, positive),
        **{f"by_{file_names[one.name]}": binned_chart(one, positive) for one in details.binned},
    }
    if len(names) > 2:
        found["reliability_by_class"] = reliability_chart(list(curves.by_class.items()))
    if details.days is not None:
        found["days"] = days_chart(details.days, details.scores, positive)
    return found


def json_metrics(metrics: dict[str, float]) -> dict[str, float | None]:
    """Return metrics as JSON has them: None where undefined."""
    return {key: None if math.isnan(value) else value for key, value in metrics.items()}


def marked_recalls(assessment: Assessment) -> list[float]:
    """Return the recalls that a precision-recall plot points out."""
    return [assessment.metrics[f"recall_at_precision_{precision}"] for precision in MARKED]


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
    if assessment.info.days is not None:
        found.append(
            f"The light curves were cut {assessment.info.days:g} days after {assessment.info.since}; "
            "bins are those of the whole light curves."
        )
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


def _page(
    assessment: Assessment, curves: Curves, charts: Mapping[str, Chart], document: Mapping[str, Any]
) -> str:
    positive, names = assessment.positive, assessment.class_names
    missing = f"{assessment.n_missing:,} {assessment.restriction} have no prediction and are not counted."
    others = listed([name for name in names if name != positive])
    origin, each = document["provenance"], EACH_CLASS_METRICS
    return render_page(
        "report.html.j2",
        # The page has the confusion matrix as a table.
        {name: chart for name, chart in charts.items() if name != "confusion"},
        title=assessment.name,
        lead=f"{positive} against {others} for {describe_objects(assessment)}",
        matched=matched_lines(document),
        simulated=assessment.simulated,
        notices=chance_lines(document) + notices(assessment) + ([missing] if assessment.n_missing else []),
        tiles=[
            (METRICS[key].label, METRICS[key].format(assessment.metrics[key]))
            for key in Classes.shown(Classes.headline, len(names))
        ],
        positive=positive,
        class_names=names,
        reliability_note=reliability_note(assessment),
        confusion=[
            (name, list(zip(fractions.tolist(), counts.tolist(), strict=True)))
            for name, fractions, counts in zip(names, curves.row_fractions, curves.confusion, strict=True)
        ],
        counts=_counts(assessment, curves),
        metrics=[(entry, *metric_cells(document, entry.name)) for entry in shown(CLASS_METRICS, len(names))],
        bootstrap=document["bootstrap"],
        class_labels=[entry.short for entry in each],
        per_class=[
            (name, found["n"], found["n_predicted"], [with_half_width(found[entry.name]) for entry in each])
            for name, found in document["per_class"].items()
        ],
        binned=_bin_notes(document),
        days=document["days"],
        provenance=provenance_rows(origin, {"predictions": origin["predictions"]}),
    )


def _bin_notes(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, heading and note of each covariate's figure."""
    return [
        (f"by_{slug}", f"Metrics against {against_covariate(name)}", bin_note(document["bins"][name]))
        for name, slug in slugs(document["bins"]).items()
    ]


def _counts(assessment: Assessment, curves: Curves) -> list[tuple[str, int]]:
    by_class = zip(assessment.class_names, curves.confusion.sum(axis=1).tolist(), strict=True)
    return [
        ("assessed", len(assessment.truth_index)),
        *((f"of true class {name}", count) for name, count in by_class),
        ("left out: type unknown", assessment.n_unknown),
        ("left out: outside the split’s role", assessment.n_outside),
        ("without a prediction", assessment.n_missing),
    ]
