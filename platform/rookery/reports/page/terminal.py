"""The numbers of a report on the terminal, whatever it judges."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rookery.reports.assess.objects import matched_lines
from rookery.reports.page import redshift_tables, tables
from rookery.reports.page.comparison import comparison_table
from rookery.reports.page.folder import DOCUMENT
from rookery.reports.page.redshift_report import KIND

if TYPE_CHECKING:
    from rich.console import Console


def print_report(console: "Console", report: Path, name: str, covariates: Iterable[str] = ()) -> None:
    """Print the numbers of a report folder, those in bins of the named covariates among them.

    `name` is what the predictions are called.
    """
    document = json.loads((report / DOCUMENT).read_text(encoding="utf-8"))
    wanted = dict.fromkeys(covariates)
    if document["kind"] == KIND:
        shown = redshift_tables.report_tables(document, wanted)
    else:
        undefined = float("nan")
        metrics = {key: undefined if value is None else value for key, value in document["metrics"].items()}
        drawn = document["bootstrap"]["replicates"]
        note = f"; intervals by {drawn} bootstrap replicates over objects" if drawn else ""
        shown = [
            comparison_table([(name, metrics)]),
            tables.interval_table(document, f"{metrics['n']:,.0f} objects{note}"),
            *tables.report_tables(document, wanted),
        ]
    for sentence in matched_lines(document):
        console.print(sentence, markup=False, highlight=False)
    for table in shown:
        console.print(table)
