"""The numbers of a report on the terminal, whatever it judges; made from ``metrics.json``."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery.reports.assess.redshift_results import KIND
from rookery.reports.assess.rows import LABELS
from rookery.reports.page.folder import DOCUMENT
from rookery.reports.page.words import (
    Rows,
    bin_name,
    chance_lines,
    coarse_lines,
    compared_cells,
    matched_lines,
    metric_cells,
    published_rows,
    with_half_width,
)
from rookery_ensembles import Classes
from rookery_ensembles.metric import EACH_CLASS_METRICS, METRICS, names, shown
from rookery_ensembles.photoz_sample import POINT_KEYS
from rookery_ensembles.target import target_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_report(console: "Console", report: Path, name: str, covariates: Iterable[str] = ()) -> None:
    """Print the numbers of a report folder, those in bins of the named covariates among them.

    `name` is what the predictions are called.
    """
    document = json.loads((report / DOCUMENT).read_text(encoding="utf-8"))
    wanted = dict.fromkeys(covariates)
    of_redshifts = document["kind"] == KIND
    tables = _redshift_tables(document, wanted) if of_redshifts else _class_tables(document, name, wanted)
    for sentence in matched_lines(document):
        console.print(sentence, markup=False, highlight=False)
    for table in tables:
        console.print(table)
    for sentence in chance_lines(document) + coarse_lines(document):
        console.print(sentence, markup=False, highlight=False, style="bold red")


def comparison_table(rows: Rows, *, title: str | None = None, keys: Sequence[str] | None = None) -> "Table":
    """Return a table for the terminal: one row per (name, metrics), the best value of a column in bold.

    Its columns are `keys`; by default those of classes or of redshifts, as the rows have them.
    """
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    # Narrow: on 80 columns the numbers must stay whole, and the names wrap.
    table = Table(
        title=title, title_justify="left", header_style="bold", box=SIMPLE, pad_edge=False, padding=0
    )
    table.add_column("method", min_width=16)
    keys = keys or target_of(rows[0][1]).compared
    for key in keys:
        name, _, precision = METRICS[key].short.partition("@")
        table.add_column(f"{name}\n{precision} {METRICS[key].arrow}", justify="right", no_wrap=True)
    for name, cells in compared_cells(rows, keys):
        table.add_row(Text(name), *(Text(text, style="bold green" if best else "") for text, best in cells))
    return table


def _class_tables(document: Mapping[str, Any], name: str, covariates: Iterable[str]) -> "list[Table]":
    """Return all metrics, those of each class, in bins of the named covariates, and by days."""
    per_class = _table(
        "Per class (assigned to the most probable; AUC one against the rest)",
        "class",
        "n",
        *(metric.short for metric in EACH_CLASS_METRICS),
    )
    for kind, found in document["per_class"].items():
        per_class.add_row(kind, f"{found['n']:,}", *_narrow(found, names(EACH_CLASS_METRICS)))
    metrics = document["metrics"]
    tables = [
        comparison_table(
            [(name, {key: _number(value) for key, value in metrics.items()})],
            keys=Classes.shown(Classes.compared, len(document["class_names"])),
        ),
        _interval_table(document, f"{metrics['n']:,.0f} objects"),
        per_class,
    ]
    brief = [METRICS[key].short for key in Classes.brief]
    for covariate in covariates:
        binned = document["bins"][covariate]
        table = _table(f"In bins of {covariate}{_left_out(binned)}", covariate, "n", *brief)
        _add_bins(table, binned["bins"], Classes.brief)
        tables.append(table)
    if (days := document["days"]) is not None:
        table = _table(f"Partial light curves; day 0 is the {days['reference']}", "days", "n", *brief)
        for found in days["points"]:
            table.add_row(f"{found['days']:g}", f"{found['n']:,}", *_narrow(found["metrics"], Classes.brief))
        tables.append(table)
    return tables


def _redshift_tables(document: Mapping[str, Any], covariates: Iterable[str]) -> "list[Table]":
    """Return methods, the paper's rows, all metrics of the first method, and the named covariates."""
    methods = [
        (row["method"], {key: _number(found["value"]) for key, found in row["metrics"].items()})
        for row in document["rows"]
        if row["row"] == "all"
    ]
    tables = [
        comparison_table(methods, title=f"{document['metrics']['n']:,} objects"),
        _rows_table(document),
        _interval_table(document, methods[0][0]),
    ]
    for name in covariates:
        for method, binned in document["bins"][name]["methods"].items():
            whose = f"{method}, in" if len(methods) > 1 else "In"
            table = _point_table(f"{whose} bins of {name}{_left_out(binned)}", name)
            _add_bins(table, binned["bins"], POINT_KEYS)
            tables.append(table)
    return tables


def _rows_table(document: Mapping[str, Any]) -> "Table":
    """Return the paper's table: every row of every method, the published numbers among them."""
    from rich.text import Text

    table = _point_table(
        "z_mean; ±: half the 68 % interval"
        + ("; published: other galaxies, see the report" if document["published"] else ""),
        "objects",
    )
    for key, label in LABELS.items():
        ours = [row for row in document["rows"] if row["row"] == key]
        if not ours:
            continue
        table.add_row(Text(label, style="bold"))
        for row in ours:
            table.add_row(Text(f"  {row['method']}"), f"{row['n']:,}", *_narrow(row["metrics"], POINT_KEYS))
        for found in published_rows(document, key):
            cells = (METRICS[name].format(found[name]) for name in POINT_KEYS)
            table.add_row(Text(f"  {found['method']} (published)", style="dim"), "", *cells)
    return table


def _point_table(title: str, first: str) -> "Table":
    return _table(title, first, "n", *(METRICS[key].label for key in POINT_KEYS), wrap=True)


def _interval_table(document: Mapping[str, Any], title: str) -> "Table":
    """Return every metric of the whole sample with its intervals."""
    drawn = document["bootstrap"]["replicates"]
    note = f"; intervals by {drawn} bootstrap replicates over objects" if drawn else ""
    table = _table(f"{title}{note}", "metric", "value", "68 %", "95 %")
    for entry in shown(target_of(document["metrics"]).metrics, len(document.get("class_names", ()))):
        table.add_row(entry.label, *metric_cells(document, entry.name))
    return table


def _add_bins(table: "Table", bins: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> None:
    for found in bins:
        cells = _narrow(found["metrics"] or {}, keys)
        table.add_row(bin_name(found["low"], found["high"]), f"{found['n']:,}", *cells)


def _left_out(binned: Mapping[str, Any]) -> str:
    number = binned["n_unknown"] + binned["n_outside"]
    return f" ({number:,} unknown or outside)" if number else ""


def _narrow(found: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Return values and half intervals without spaces: on 80 columns the numbers must stay whole."""
    digits = {key: METRICS[key].digits for key in POINT_KEYS}
    return [with_half_width(found.get(key), digits.get(key, 3)).replace(" ", "") for key in keys]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _table(title: str | None, first: str, *others: str, wrap: bool = False) -> "Table":
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
