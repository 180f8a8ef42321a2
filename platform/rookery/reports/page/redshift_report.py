"""The report of one file of redshift PDFs, alone or beside others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np

from rookery.reports.assess.covariates import Bins
from rookery.reports.assess.judged import Truth
from rookery.reports.assess.redshift_results import KIND, Results, make_results, results_document
from rookery.reports.assess.redshifts import RedshiftAssessment, assess_methods
from rookery.reports.charts.model import Chart
from rookery.reports.charts.redshifts import (
    coverage_chart,
    density_chart,
    errors_chart,
    examples_chart,
    pit_chart,
    quantiles_chart,
    trend_chart,
)
from rookery.reports.page.csv_tables import paper_tables, redshift_tables, slugs
from rookery.reports.page.folder import (
    made_now,
    predictions_provenance,
    refuse_foreign,
    survey_provenance,
    write_report,
)
from rookery.reports.page.redshift_values import page_values
from rookery.reports.page.render import render_page
from rookery.reports.page.words import chance_document
from rookery.surveys.store import Survey
from rookery_ensembles.bootstrap import REPLICATES, check_bootstrap
from rookery_ensembles.redshift_pdf import bins_in_interval


def evaluate_redshifts(
    predictions: str | Path,
    survey: str | Path | Survey,
    report: str | Path,
    *,
    against: Sequence[str | Path] = (),
    split: str | None = None,
    role: str | None = None,
    by: Sequence[str] = (),
    bins: Mapping[str, Bins] | None = None,
    truth: Truth = "agree",
    published: Literal["pasquet2019"] | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, float]:
    """Hold redshift PDFs against a survey's redshifts, write a report, and return the metrics.

    The report is a folder: ``index.html`` (one file, works offline), ``metrics.json`` (all numbers),
    the same as ``tables/*.csv``, and each figure as PNG and PDF under ``figures/``. An earlier
    report there is replaced.

    Parameters
    ----------
    predictions
        Parquet file of redshift PDFs, of a member, a bundle, a baseline or all folds together.
    survey
        The survey that knows the redshifts.
    report
        Folder to write.
    against
        Files of other methods, to stand beside it in every table and figure. All are judged on the
        objects that every file has.
    split, role
        See :func:`rookery.reports.assess.redshifts.assess_redshifts`.
    by, bins
        Covariates to show trends against, beside those of
        :data:`rookery.reports.assess.trends.DEFAULTS`; and numbers of bins or edges.
    truth
        See :func:`rookery.reports.assess.judged.match`; for every file.
    published
        Whose published numbers stand beside these, marked as such.
    replicates, seed
        How often the bootstrap draws the objects again (0: no intervals), and its seed.

    Returns
    -------
    See :func:`rookery_ensembles.photoz_metrics.photoz_metrics`; of `z_mean`.

    Raises
    ------
    InputError
        As :func:`~rookery.reports.assess.redshifts.assess_methods` and
        :func:`~rookery.reports.assess.trends.running_trends` do; and when `report` holds other
        files, or cannot be written.
    """
    report = Path(report)
    refuse_foreign(report)
    check_bootstrap(replicates, seed)
    methods = assess_methods([predictions, *against], survey, split=split, role=role, truth=truth)
    results = make_results(methods, by=by, bins=bins, replicates=replicates, seed=seed)
    first = methods[0]
    document = {
        "kind": KIND,
        "simulated": first.simulated,
        "methods": [one.name for one in methods],
        **results_document(results, with_published=published is not None),
        "matched": {one.name: asdict(one.matched) for one in methods},
        "chance": {one.name: chance_document(one.pdf, one.true_bin) for one in methods},
        "bins_in_interval_68": {one.name: _median_bins(one) for one in methods},
        "counts": dict(_counts(first)),
        "provenance": {
            "predictions": {one.name: predictions_provenance(one) for one in methods},
            "survey": survey_provenance(first.survey),
            "restriction": first.restriction or None,
            **made_now(),
        },
    }
    charts = _charts(results)
    page = render_page("redshift.html.j2", charts, **page_values(results, document))
    write_report(report, page, document, charts, redshift_tables(document) | paper_tables(document))
    return results.metrics


def _median_bins(one: RedshiftAssessment) -> float:
    """Return how many bins the median 68 % interval spans, of 10,000 objects at most."""
    rows = np.linspace(0, len(one.pdf) - 1, min(len(one.pdf), 10_000)).astype(np.intp)
    return float(np.median(bins_in_interval(one.pdf[rows], one.edges)))


def _charts(results: Results) -> dict[str, Chart]:
    """Return all charts by their names."""
    methods, names = results.methods, slugs(trend.name for trend in results.trends)
    notes = [
        f"σ_MAD {row.scores.metrics['sigma_mad'].value:.5f}\nη {row.scores.metrics['eta'].value:.2f} %"
        for row in results.rows[: len(methods)]
    ]
    return {
        "density": density_chart(methods, notes),
        "errors": errors_chart(methods),
        "pit": pit_chart(results.pit),
        "examples": examples_chart(methods, results.examples),
        "pit_quantiles": quantiles_chart(results.quantiles),
        "coverage": coverage_chart(results.coverage),
        **{f"by_{names[trend.name]}": trend_chart(trend) for trend in results.trends},
    }


def _counts(first: RedshiftAssessment) -> list[tuple[str, int]]:
    low, high = first.edges[0], first.edges[-1]
    return [
        ("assessed", len(first)),
        ("redshift outside the bins", int(((first.z_spec < low) | (first.z_spec > high)).sum())),
        ("left out: redshift unknown", first.n_unknown),
        ("left out: outside the split’s role", first.n_outside),
        ("left out: another method does not have them", first.n_not_common),
        ("without a prediction", first.n_missing),
    ]
