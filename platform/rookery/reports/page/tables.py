"""The numbers of a report as CSV files, and as tables for the terminal; made from ``metrics.json``."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rookery_ensembles import Classes
from rookery_ensembles.metric import CLASS_METRICS, EACH_CLASS_METRICS, METRICS, Metric

if TYPE_CHECKING:
    from rich.table import Table

_LEVELS = ("68", "95")
CLASS_LABELS = {metric.name: metric.short for metric in EACH_CLASS_METRICS}


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return a file name for each covariate: its name with odd characters replaced, all different."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name) or "_"
        slug, number = plain, 2
        while slug in found.values():
            slug, number = f"{plain}_{number}", number + 1
        found[name] = slug
    return found


def csv_tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of a report's document as CSV text, by file name; undefined cells are empty."""
    metrics = [
        {"metric": entry.name, **interval_cells("", whole_estimate(document, entry.name))}
        for entry in CLASS_METRICS
    ]
    classes = [
        {
            "class": name,
            "n": found["n"],
            "n_predicted": found["n_predicted"],
            **estimate_cells(found, list(CLASS_LABELS)),
        }
        for name, found in document["per_class"].items()
    ]
    curve = document["purity_efficiency"]
    ends = {
        f"{name}_{end}_68": curve[f"{name}_68"][i]
        for name in ("purity", "efficiency")
        for i, end in enumerate(("low", "high"))
    }
    columns = {
        "threshold": curve["threshold"],
        "purity": curve["purity"],
        "efficiency": curve["efficiency"],
        **ends,
    }
    thresholds = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    tables = {"metrics": metrics, "per_class": classes, "purity_efficiency": thresholds}
    names = slugs(document["bins"])
    for name, binned in document["bins"].items():
        tables[f"by_{names[name]}"] = [
            _point(found, ("low", "high", "median", "n", "n_positive")) for found in binned["bins"]
        ]
    if document["days"] is not None:
        keys = ("days", "n", "n_positive", "n_without_observation", "median_observations")
        tables["days"] = [_point(found, keys) for found in document["days"]["points"]]
    return {f"{name}.csv": csv_text(rows) for name, rows in tables.items()}


def whole_estimate(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a metric of the whole sample with its intervals."""
    return {"value": document["metrics"][key], **document["intervals"].get(key, {})}


def format_value(key: str, value: float | None) -> str:
    """Return a metric's value as text; a dash where undefined."""
    return "–" if value is None else METRICS[key].format(value)


def format_interval(key: str, ends: Sequence[float] | None) -> str:
    """Return an interval as text; a dash where undefined."""
    return "–" if ends is None else f"{METRICS[key].format(ends[0])} to {METRICS[key].format(ends[1])}"


def interval_table(
    document: Mapping[str, Any], title: str | None = None, metrics: Sequence[Metric] = CLASS_METRICS
) -> "Table":
    """Return every metric of the whole sample with its intervals, for the terminal."""
    table = plain_table(title, "metric", "value", "68 %", "95 %")
    for entry in metrics:
        found = whole_estimate(document, entry.name)
        ends = [format_interval(entry.name, found.get(level)) for level in _LEVELS]
        table.add_row(entry.label, format_value(entry.name, found["value"]), *ends)
    return table


def class_table(document: Mapping[str, Any]) -> "Table":
    """Return the metrics of each class with their 68 % intervals, for the terminal."""
    table = plain_table(
        "Per class (assigned to the most probable; AUC one against the rest)",
        "class",
        "n",
        *CLASS_LABELS.values(),
    )
    for name, found in document["per_class"].items():
        table.add_row(name, f"{found['n']:,}", *(_narrow(found[key]) for key in CLASS_LABELS))
    return table


def point_table(title: str, label: str, points: Sequence[tuple[str, Mapping[str, Any]]]) -> "Table":
    """Return metrics in bins or by days with their 68 % intervals, for the terminal."""
    table = plain_table(title, label, "n", *(METRICS[key].short for key in Classes.brief))
    for name, found in points:
        metrics = found["metrics"] or {}
        table.add_row(name, f"{found['n']:,}", *(_narrow(metrics.get(key)) for key in Classes.brief))
    return table


def report_tables(document: Mapping[str, Any], covariates: Iterable[str]) -> "list[Table]":
    """Return the tables of a report for the terminal: classes, the named covariates, and days."""
    tables = [class_table(document)]
    for name in covariates:
        binned = document["bins"][name]
        points = [(bin_name(found["low"], found["high"]), found) for found in binned["bins"]]
        left_out = binned["n_unknown"] + binned["n_outside"]
        note = f" ({left_out:,} unknown or outside)" if left_out else ""
        tables.append(point_table(f"In bins of {name}{note}", name, points))
    if document["days"] is not None:
        days = document["days"]
        points = [(f"{found['days']:g}", found) for found in days["points"]]
        tables.append(point_table(f"Partial light curves; day 0 is the {days['reference']}", "days", points))
    return tables


def bin_name(low: float, high: float) -> str:
    """Return the edges of a bin as text."""
    return f"{low:.3g} to {high:.3g}"


def with_half_width(estimate: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Return a value, and half the width of its 68 % interval."""
    if estimate is None or estimate["value"] is None:
        return "–"
    ends = estimate.get("68")
    half = f" ± {(ends[1] - ends[0]) / 2:.{digits}f}" if ends else ""
    return f"{estimate['value']:.{digits}f}{half}"


def _narrow(estimate: Mapping[str, Any] | None) -> str:
    """Return the same without spaces: on 80 columns the numbers must stay whole."""
    return with_half_width(estimate).replace(" ", "")


def plain_table(title: str | None, first: str, *others: str, wrap: bool = False) -> "Table":
    """Return an empty table for the terminal, all columns but the first to the right; that one may wrap."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    heading = None if title is None else Text(title)  # names in it are no markup
    table = Table(title=heading, title_justify="left", header_style="bold", box=SIMPLE, pad_edge=False)
    table.add_column(first, no_wrap=not wrap)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _point(found: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    metrics = found["metrics"] or {}
    return {key: found[key] for key in keys} | estimate_cells(
        metrics, [entry.name for entry in CLASS_METRICS]
    )


def estimate_cells(found: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return metrics with their intervals as cells of a CSV row; empty where undefined."""
    cells: dict[str, Any] = {}
    for key in keys:
        cells |= interval_cells(f"{key}_", found.get(key, {"value": None}))
    return cells


def interval_cells(prefix: str, estimate: Mapping[str, Any]) -> dict[str, Any]:
    """Return one metric with its intervals as cells of a CSV row."""
    cells = {f"{prefix}value".replace("_value", ""): estimate["value"]}
    for level in _LEVELS:
        low, high = estimate.get(level) or (None, None)
        cells |= {f"{prefix}low_{level}": low, f"{prefix}high_{level}": high}
    return cells


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV, the keys of the first one above; nothing without a row."""
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()
