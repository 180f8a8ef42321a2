"""Several predictions side by side: one table, one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rookery.reports.assess.classes import Assessment
from rookery.reports.assess.covariates import bin_by
from rookery.reports.assess.curves import make_curves
from rookery.reports.charts.against import methods_chart
from rookery.reports.charts.classes import precision_recall_chart, reliability_chart, roc_chart
from rookery.reports.charts.model import Chart
from rookery.reports.draw.colours import colour
from rookery.reports.page.class_report import json_metrics, marked_recalls, notices, reliability_note
from rookery.reports.page.folder import (
    PAGE,
    made_now,
    predictions_provenance,
    refuse_foreign,
    survey_provenance,
    write_report,
)
from rookery.reports.page.render import render, render_page
from rookery.reports.page.words import Rows, compared_cells, describe_objects, spoken
from rookery_ensembles import Classes
from rookery_ensembles.binned import quantile_edges
from rookery_ensembles.errors import fail
from rookery_ensembles.metric import METRICS
from rookery_ensembles.target import target_of

# Bands of several methods overlap and are read roughly: fewer replicates than a report's.
_REPLICATES = 100


def lost_to_average(ensemble: Mapping[str, float], average: Mapping[str, float]) -> str | None:
    """Say it plainly when a selected, calibrated ensemble is worse than the plain average of all networks.

    Judged by log-loss, or by the CRPS of redshifts.
    """
    key = target_of(ensemble).decisive
    found = METRICS[key]
    if not ensemble[key] > average[key]:
        return None
    figures = f"{found.format(ensemble[key])} against {found.format(average[key])}"
    return (
        "Here selection and calibration did harm: the ensemble is worse than the plain average of all "
        f"networks ({found.label} {figures}; lower is better)."
    )


def comparison_html(rows: Rows, keys: Sequence[str] = Classes.compared) -> str:
    """Return the same table as an HTML fragment."""
    shown = [(name, colour(index), cells) for index, (name, cells) in enumerate(compared_cells(rows, keys))]
    return render("table.html.j2", metrics=[METRICS[key] for key in keys], rows=shown)


def write_comparison(
    report: str | Path,
    assessments: Sequence[Assessment],
    *,
    title: str = "Which method is best?",
    notes: Sequence[str] = (),
) -> Path:
    """Write a page that compares assessments of the same objects, and return its path.

    The folder holds ``index.html`` (one file, works offline), ``metrics.json`` and the overlaid
    figures as PNG and PDF under ``figures/``. An earlier report there is replaced.

    Parameters
    ----------
    report
        Folder to write.
    assessments
        From :func:`rookery.reports.assess.classes.assess`, at least one; their names label the rows.
    title
        Heading of the page.
    notes
        Sentences to stand out above the table.

    Raises
    ------
    InputError
        When there is nothing to compare, the assessments are of different surveys, positive
        classes or objects, or the folder holds other files or cannot be written.
    """
    report = Path(report)
    refuse_foreign(report)
    _check_comparable(assessments, report)
    first, curves = assessments[0], [make_curves(assessment) for assessment in assessments]
    document = {
        "kind": "comparison",
        "simulated": first.simulated,
        "positive": first.positive,
        "methods": [
            {
                "name": assessment.name,
                "metrics": json_metrics(assessment.metrics),
                "predictions": predictions_provenance(assessment),
            }
            for assessment in assessments
        ],
        "survey": survey_provenance(first.survey),
        "restriction": first.restriction or None,
        **made_now(),
    }
    recalls = [marked_recalls(assessment) for assessment in assessments]
    charts = {
        "roc": roc_chart(curves),
        "precision_recall": precision_recall_chart(curves, recalls),
        "reliability": reliability_chart([(one.name, one.reliability) for one in curves]),
        **_redshift_chart(assessments),
    }
    write_report(report, _page(assessments, charts, document, title, notes), document, charts)
    return report / PAGE


def _redshift_chart(assessments: Sequence[Assessment]) -> dict[str, Chart]:
    """Return the chart of all methods against redshift, by its name; none where redshifts are unknown."""
    redshift = assessments[0].survey.objects["redshift"].to_numpy()
    shown = redshift[assessments[0].row]
    if len(np.unique(shown[np.isfinite(shown)])) < 2:
        return {}
    edges = quantile_edges(shown)
    binned = {
        one.name: bin_by(one, "redshift", redshift[one.row], edges, replicates=_REPLICATES, seed=0)
        for one in assessments
    }
    return {"by_redshift": methods_chart(binned)}


def _page(
    assessments: Sequence[Assessment],
    charts: Mapping[str, Chart],
    document: Mapping[str, Any],
    title: str,
    notes: Sequence[str],
) -> str:
    from markupsafe import Markup

    first = assessments[0]
    keys = Classes.shown(Classes.compared, len(first.class_names))
    sources = [
        (method["name"], f"{made['file']} · SHA-256 {made['sha256']}")
        for method in document["methods"]
        if (made := method["predictions"])["file"] is not None
    ]
    return render_page(
        "comparison.html.j2",
        charts,
        title=title,
        lead=f"{len(assessments)} methods on {describe_objects(first)}",
        simulated=first.simulated,
        notices=[*notes, *notices(first)],
        table=Markup(comparison_html([(one.name, one.metrics) for one in assessments], keys)),
        positive=first.positive,
        by_redshift="by_redshift" in charts,
        reliability_note=reliability_note(first),
        metrics=[METRICS[key] for key in keys],
        provenance=[
            *sources,
            *spoken("survey:", document["survey"]),
            *spoken("", {"date": document["date"], "versions": document["versions"]}),
        ],
    )


def _check_comparable(assessments: Sequence[Assessment], report: Path) -> None:
    if not assessments:
        raise fail(report, "there must be at least one assessment to compare, but there is none")
    first = assessments[0]
    for other in assessments[1:]:
        pair = f"{first.name!r} and {other.name!r}"
        if other.survey.checksum != first.survey.checksum:
            raise fail(report, f"all assessments must be of one survey, but {pair} are of two")
        if other.positive != first.positive:
            found = f"{first.positive} and {other.positive}"
            raise fail(report, f"all assessments must have one positive class, but {pair} have {found}")
        if set(other.row) != set(first.row):
            found = f"{len(first.row)} and {len(other.row)}"
            raise fail(
                report, f"all assessments must be of the same objects, but {pair} differ ({found} objects)"
            )
