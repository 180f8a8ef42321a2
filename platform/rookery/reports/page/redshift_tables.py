"""The numbers of a report of redshifts as CSV files and for the terminal; made from ``metrics.json``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rookery.reports.assess.rows import LABELS
from rookery.reports.page.comparison import comparison_table
from rookery.reports.page.tables import (
    bin_name,
    csv_text,
    estimate_cells,
    interval_cells,
    interval_table,
    plain_table,
    slugs,
    whole_estimate,
    with_half_width,
)
from rookery_ensembles.metric import METRICS, REDSHIFT_METRICS
from rookery_ensembles.photoz_sample import POINT_KEYS

if TYPE_CHECKING:
    from rich.table import Table

_KEYS = [entry.name for entry in REDSHIFT_METRICS]


def csv_tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of a report's document as CSV text, by file name; undefined cells are empty."""
    rows, pit = document["rows"], document["pit"]
    tables: dict[str, list[dict[str, Any]]] = {
        "metrics": [{"metric": key, **interval_cells("", whole_estimate(document, key))} for key in _KEYS],
        "rows": [
            {**{key: row[key] for key in ("row", "method", "n")}, **estimate_cells(row["metrics"], _KEYS)}
            for row in rows
        ],
        "points": [
            {"row": row["row"], "method": row["method"], "point": point, **estimate_cells(found, POINT_KEYS)}
            for row in rows
            for point, found in row["points"].items()
        ],
        "published": [
            {**row, "source": document["published"]["source"]} for row in document["published"]["rows"]
        ],
        "pit": [
            {"low": low, "high": high, **{name: counts[i] for name, counts in pit["counts"].items()}}
            for i, (low, high) in enumerate(zip(pit["edges"][:-1], pit["edges"][1:], strict=True))
        ],
        "pit_quantiles": _curve(document["pit_quantiles"], "theoretical"),
        "coverage": _curve(document["coverage"], "level"),
        "examples": document["examples"]["objects"],
    }
    for name, slug in slugs(document["bins"]).items():
        tables[f"by_{slug}"] = [
            {
                "method": method,
                **{key: found[key] for key in ("low", "high", "median", "n")},
                **estimate_cells(found["metrics"] or {}, POINT_KEYS),
            }
            for method, binned in document["bins"][name]["methods"].items()
            for found in binned["bins"]
        ]
    if document["sigma_mad_ratios"]:
        tables["sigma_mad_ratios"] = [
            {**{key: found[key] for key in ("row", "method", "to")}, **interval_cells("", found)}
            for found in document["sigma_mad_ratios"]
        ]
    return {f"{name}.csv": csv_text(rows) for name, rows in tables.items()}


def report_tables(document: Mapping[str, Any], covariates: Iterable[str]) -> "list[Table]":
    """Return the tables of a report for the terminal: methods, rows, all metrics, the named covariates."""
    methods = [(row["method"], _values(row["metrics"])) for row in document["rows"] if row["row"] == "all"]
    first, n = methods[0][0], document["metrics"]["n"]
    drawn = document["bootstrap"]["replicates"]
    note = f"; intervals by {drawn} bootstrap replicates over objects" if drawn else ""
    tables = [
        comparison_table(methods, title=f"{n:,} objects"),
        rows_table(document),
        interval_table(document, f"{first}{note}", REDSHIFT_METRICS),
    ]
    for name in covariates:
        for method, binned in document["bins"][name]["methods"].items():
            left_out = binned["n_unknown"] + binned["n_outside"]
            unknown = f" ({left_out:,} unknown or outside)" if left_out else ""
            whose = f"{method}, in" if len(methods) > 1 else "In"
            table = _point_table(f"{whose} bins of {name}{unknown}", name)
            for found in binned["bins"]:
                cells = _narrow(found["metrics"] or {})
                table.add_row(bin_name(found["low"], found["high"]), f"{found['n']:,}", *cells)
            tables.append(table)
    return tables


def rows_table(document: Mapping[str, Any]) -> "Table":
    """Return the paper's table: every row of every method, the published numbers among them."""
    from rich.text import Text

    table = _point_table(
        "z_mean; ±: half the 68 % interval; published: other galaxies, see the report", "objects"
    )
    for key, label in LABELS.items():
        ours = [row for row in document["rows"] if row["row"] == key]
        if not ours:
            continue
        table.add_row(Text(label, style="bold"))
        for row in ours:
            table.add_row(Text(f"  {row['method']}"), f"{row['n']:,}", *_narrow(row["metrics"]))
        for found in published_rows(document, key):
            cells = (METRICS[name].format(found[name]) for name in POINT_KEYS)
            table.add_row(Text(f"  {found['method']} (published)", style="dim"), "", *cells)
    return table


def published_rows(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the published numbers that stand beside a row: those of the paper's main experiment."""
    every: list[dict[str, Any]] = document["published"]["rows"]
    return [row for row in every if row["row"] == key and row["experiment"] == every[0]["experiment"]]


def _point_table(title: str, first: str) -> "Table":
    return plain_table(title, first, "n", *(METRICS[key].label for key in POINT_KEYS), wrap=True)


def _narrow(found: Mapping[str, Any]) -> list[str]:
    return [with_half_width(found.get(key), METRICS[key].digits).replace(" ", "") for key in POINT_KEYS]


def _values(estimates: Mapping[str, Any]) -> dict[str, float]:
    nothing = float("nan")
    return {key: nothing if found["value"] is None else found["value"] for key, found in estimates.items()}


def _curve(curve: Mapping[str, Any], x_name: str) -> list[dict[str, Any]]:
    low, high = curve["calibrated_95"]
    columns: dict[str, Sequence[Any]] = {
        x_name: curve[x_name],
        **curve["methods"],
        "calibrated_low_95": low,
        "calibrated_high_95": high,
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
