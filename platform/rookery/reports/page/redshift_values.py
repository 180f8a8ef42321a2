"""What the page of a report of redshifts says, as values of its template."""

from collections.abc import Mapping
from typing import Any

from rookery.reports.assess.covariates import against_covariate
from rookery.reports.assess.redshift_results import Results
from rookery.reports.assess.rows import LABELS
from rookery.reports.assess.trends import label_key
from rookery.reports.draw.colours import colour
from rookery.reports.page.comparison import comparison_html
from rookery.reports.page.csv_tables import slugs
from rookery.reports.page.words import (
    bin_note,
    chance_lines,
    coarse_lines,
    describe_objects,
    listed,
    matched_lines,
    metric_cells,
    provenance_rows,
    published_rows,
    with_half_width,
)
from rookery_ensembles import RedshiftBins
from rookery_ensembles.metric import METRICS, REDSHIFT_METRICS
from rookery_ensembles.photoz_sample import POINT_KEYS

_COLUMNS = RedshiftBins.brief
_TREND_NOTES = {
    "redshift": " Estimates with scatter are drawn towards the bulk of the sample: too high at the lowest "
    "z_spec, too low at the highest.",
    "z_phot": " Each method in bins of its own estimates: what their user meets.",
}


def page_values(results: Results, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the template ``redshift.html.j2``."""
    from markupsafe import Markup

    first, methods = results.methods[0], results.methods
    wholes = [row for row in results.rows if row.key == "all"]
    rows = [(row.method, {key: found.value for key, found in row.scores.metrics.items()}) for row in wholes]
    against = "" if len(methods) == 1 else f", beside {listed([one.name for one in methods[1:]])}"
    return {
        "title": first.name,
        "lead": f"Redshift PDFs of {describe_objects(first)}{against}",
        "matched": matched_lines(document),
        "simulated": first.simulated,
        "notices": chance_lines(document) + coarse_lines(document) + notices(results),
        "tiles": [
            (METRICS[key].short.replace("@", " "), METRICS[key].format(results.metrics[key]))
            for key in RedshiftBins.headline
        ],
        "columns": [METRICS[key] for key in _COLUMNS],
        "groups": [group for key in LABELS if (group := _group(document, key)) is not None],
        "others": _other_experiments(document),
        "published": document["published"],
        "ratios": [_ratio(found) for found in document["sigma_mad_ratios"]],
        "methods": [one.name for one in methods],
        "comparison": Markup(comparison_html(rows, RedshiftBins.compared)),
        "metrics": [(entry, *metric_cells(document, entry.name)) for entry in REDSHIFT_METRICS],
        "points": [
            (point, [with_half_width(found[key], METRICS[key].digits) for key in POINT_KEYS])
            for point, found in document["rows"][0]["points"].items()
        ],
        "point_metrics": [METRICS[key] for key in POINT_KEYS],
        "bootstrap": document["bootstrap"],
        "trends": _trends(document),
        "rules": [
            (
                kind,
                rule,
                ", ".join(
                    found["object_id"] for found in document["examples"]["objects"] if found["kind"] == kind
                ),
            )
            for kind, rule in document["examples"]["rules"].items()
        ],
        "counts": list(document["counts"].items()),
        "provenance": provenance_rows(document["provenance"], document["provenance"]["predictions"]),
    }


def notices(results: Results) -> list[str]:
    """Return what a reader must know before the numbers: what flatters, and who is left out."""
    first, found = results.methods[0], []
    for one in results.methods:
        out_of_fold = one.info.role == "validation" or one.info.role == "test"
        if one.in_folds and not out_of_fold:
            found.append(
                f"{one.name} is judged on objects that train, each in its turn: fair only if every PDF is "
                "out of fold, made by networks that were not trained on its object."
            )
        elif first.restriction.startswith("train ") and not one.in_folds:
            found.append(f"{one.name} is judged on objects to train on: if it was, these numbers flatter it.")
        elif not first.restriction and not out_of_fold:
            found.append(
                f"{one.name} is judged on every predicted object. If it was trained on some of them, these "
                "numbers flatter it: name the split (--split) to judge test objects alone."
            )
    if first.n_missing:
        found.append(f"{first.n_missing:,} {first.restriction} have no prediction and are not counted.")
    left_out = [f"{one.n_not_common:,} of {one.name}" for one in results.methods if one.n_not_common]
    if left_out:
        found.append(f"Objects that not all methods have are left out: {listed(left_out)}.")
    if len({one.edges for one in results.methods}) > 1:
        found.append(
            "The methods’ redshift bins differ: log-likelihood and CDE loss favour the finer ones a little."
        )
    return found


def _group(document: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """Return one row of the paper's table: every method's cells, the published ones below; or None."""
    ours = [row for row in document["rows"] if row["row"] == key]
    if not ours:
        return None
    best: dict[str, str | None] = {}
    if len(ours) > 1:
        values = {name: [_number(row["metrics"][name]["value"]) for row in ours] for name in _COLUMNS}
        best = {name: METRICS[name].best(found) for name, found in values.items()}
    entries = [
        {
            "name": row["method"],
            "colour": colour(index),
            "n": f"{row['n']:,}",
            "cells": [
                (
                    _cell(row["metrics"][name], name),
                    best.get(name) == METRICS[name].format(_number(row["metrics"][name]["value"])),
                )
                for name in _COLUMNS
            ],
        }
        for index, row in enumerate(ours)
    ]
    return {
        "label": LABELS[key],
        "entries": entries,
        "published": [_published(row) for row in published_rows(document, key)],
    }


def _other_experiments(document: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the published numbers of other training samples."""
    every = document["published"]["rows"] if document["published"] else []
    return [
        (row["experiment"], _published(row)) for row in every if row["experiment"] != every[0]["experiment"]
    ]


def _published(row: Mapping[str, Any]) -> dict[str, Any]:
    cells = [METRICS[name].format(row[name]) if name in POINT_KEYS else "–" for name in _COLUMNS]
    return {"name": row["method"], "training_size": f"{row['training_size']:,}", "cells": cells}


def _ratio(found: Mapping[str, Any]) -> str:
    """Return how two methods' scatters compare, as a sentence."""
    objects = "all objects" if found["row"] == "all" else LABELS[found["row"]]
    if found["value"] is None:
        return f"On {objects} {found['to']} has no scatter to compare with."
    ends = found.get("95")
    interval = f" (95 %: {ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    times = f"{found['value']:.3f} times that of {found['to']}"
    return f"On {objects} the σ_MAD of {found['method']} is {times}{interval}."


def _trends(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, heading and note of each covariate's figure."""
    found = []
    for name, slug in slugs(document["bins"]).items():
        first = next(iter(document["bins"][name]["methods"].values()))
        note = bin_note(first) + _TREND_NOTES.get(name, "")
        found.append((f"by_{slug}", f"Against {against_covariate(label_key(name))}", note))
    return found


def _cell(estimate: Mapping[str, Any], name: str) -> str:
    """Return a value; with half its interval where the published tables have a column too."""
    if name in POINT_KEYS:
        return with_half_width(estimate, METRICS[name].digits)
    return METRICS[name].format(_number(estimate["value"]))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
