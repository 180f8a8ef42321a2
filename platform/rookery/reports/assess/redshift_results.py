"""Everything that a report of redshifts tells, computed once; and its JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rookery.reports.assess.class_results import (
    binned_document,
    bootstrap_document,
    estimates_document,
    numbers,
)
from rookery.reports.assess.covariates import Bins, covariate_label
from rookery.reports.assess.examples import RULES, Example, choose_examples
from rookery.reports.assess.pit import (
    CalibrationCurve,
    PitHistogram,
    coverage_curve,
    pit_histogram,
    quantile_curve,
)
from rookery.reports.assess.redshifts import RedshiftAssessment
from rookery.reports.assess.rows import LABELS, SAMPLE, SOURCE, Ratio, Row, paper_rows, published
from rookery.reports.assess.trends import Trend, label_key, running_trends

KIND = "redshift_evaluation"
"""The kind of the report, in its ``metrics.json``."""


@dataclass(frozen=True, eq=False)
class Results:
    """What is known of one or several methods' PDFs of the same objects."""

    methods: Sequence[RedshiftAssessment]
    """The method of the report, then those that it is compared with."""
    replicates: int
    seed: int
    """Of the bootstrap."""
    rows: Sequence[Row]
    ratios: Sequence[Ratio]
    """See :func:`rookery.reports.assess.rows.paper_rows`."""
    trends: Sequence[Trend]
    """See :func:`rookery.reports.assess.trends.running_trends`."""
    pit: PitHistogram
    quantiles: CalibrationCurve
    coverage: CalibrationCurve
    """See :mod:`rookery.reports.assess.pit`."""
    examples: Sequence[Example]
    """See :func:`rookery.reports.assess.examples.choose_examples`; chosen by the first method."""

    @property
    def metrics(self) -> dict[str, float]:
        """The first method's metrics of all objects; bias, sigma_MAD and eta are those of `z_mean`."""
        scores = self.rows[0].scores
        return {"n": float(scores.n), **{key: found.value for key, found in scores.metrics.items()}}


def make_results(
    methods: Sequence[RedshiftAssessment],
    *,
    by: Sequence[str] = (),
    bins: Mapping[str, Bins] | None = None,
    replicates: int,
    seed: int,
) -> Results:
    """Compute the results of methods that were assessed on the same objects.

    Raises
    ------
    InputError
        See :func:`~rookery.reports.assess.trends.running_trends`.
    """
    # First what may be refused, then what takes time.
    trends = running_trends(methods, by=by, bins=bins, replicates=replicates, seed=seed)
    rows, ratios = paper_rows(methods, replicates=replicates, seed=seed)
    pits = {one.name: one.sample.pit for one in methods}
    return Results(
        methods=methods,
        replicates=replicates,
        seed=seed,
        rows=rows,
        ratios=ratios,
        trends=trends,
        pit=pit_histogram(pits),
        quantiles=quantile_curve(pits),
        coverage=coverage_curve(pits),
        examples=choose_examples(methods[0]),
    )


def results_document(results: Results, *, with_published: bool = False) -> dict[str, Any]:
    """Return the results as they stand in ``metrics.json``; null where undefined, or not asked for."""
    whole = results.rows[0]
    estimates = estimates_document(whole.scores.metrics)
    pit = results.pit
    return {
        "point": "z_mean",
        "metrics": {"n": whole.scores.n, **{key: found["value"] for key, found in estimates.items()}},
        "intervals": {
            key: {level: ends for level, ends in found.items() if level != "value"}
            for key, found in estimates.items()
        },
        "bootstrap": bootstrap_document(results.replicates, results.seed),
        "rows": [
            {
                "row": row.key,
                "label": LABELS[row.key],
                "method": row.method,
                "n": row.scores.n,
                "metrics": estimates_document(row.scores.metrics),
                "points": {f"z_{point}": estimates_document(found) for point, found in row.points.items()},
            }
            for row in results.rows
        ],
        "sigma_mad_ratios": [
            {
                "row": ratio.key,
                "method": ratio.method,
                "to": results.methods[0].name,
                **ratio.sigma_mad.to_json(),
            }
            for ratio in results.ratios
        ],
        "published": (
            {"source": SOURCE, "sample": SAMPLE, "rows": [entry._asdict() for entry in published()]}
            if with_published
            else None
        ),
        "bins": {trend.name: _trend(trend) for trend in results.trends},
        "pit": {
            "edges": numbers(pit.edges),
            "expected": pit.expected,
            "calibrated_95": [pit.low, pit.high],
            "counts": {name: numbers(counts) for name, counts in pit.counts.items()},
        },
        "pit_quantiles": _curve(results.quantiles, "theoretical"),
        "coverage": _curve(results.coverage, "level"),
        "examples": {
            "rules": RULES,
            "objects": [
                {key: value for key, value in asdict(example).items() if key != "index"}
                for example in results.examples
            ],
        },
    }


def _trend(trend: Trend) -> dict[str, Any]:
    label = covariate_label(label_key(trend.name))
    return {
        "label": label,
        "methods": {name: binned_document(binned) for name, binned in trend.methods.items()},
    }


def _curve(curve: CalibrationCurve, x_name: str) -> dict[str, Any]:
    return {
        x_name: numbers(curve.x),
        "calibrated_95": [numbers(curve.low), numbers(curve.high)],
        "methods": {name: numbers(y) for name, y in curve.y.items()},
    }
