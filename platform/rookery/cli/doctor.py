"""The command `rookery doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rookery.cli.values import JsonOption, say_json

if TYPE_CHECKING:
    from rookery.clusters.doctor import DoctorReport

_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}


def doctor(
    address: Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster that this machine belongs to: auto or HOST:6379; else this machine."
        ),
    ] = None,
    survey: Annotated[Path | None, typer.Option(help="Survey store that every node must read.")] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of a study or campaign, made or not, that every node must write."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at every node of a cluster (versions, GPUs, shared folder, clocks, disks) and say what to mend."""
    from rookery import api

    report = api.doctor(address, survey=survey, study=study)
    if as_json:
        say_json(report.plain())
    else:
        _show(report)
    if report.level == "FAIL":
        raise typer.Exit(1)


def _show(report: DoctorReport) -> None:
    """Print the findings as a table, and what they come to."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rookery.clusters.findings import node_list

    console = Console()
    table = Table("", "check", "where", "found", pad_edge=False)
    for finding in report.findings:
        where = node_list(finding.nodes, len(report.nodes))
        table.add_row(
            Text(finding.level, style=_COLOURS[finding.level]), finding.check, where, Text(finding.text)
        )
    console.print(table)
    wrong = [finding for finding in report.findings if finding.advice]
    for finding in wrong:
        head = Text(f"{finding.level} {finding.check}: ", style=_COLOURS[finding.level])
        console.print(head + Text(finding.advice, style="default"))
    counts = {level: sum(f.level == level for f in report.findings) for level in ("FAIL", "WARN")}
    told = f"{counts['FAIL']} to mend (FAIL), {counts['WARN']} to think about (WARN)."
    console.print(told if wrong else "All is well.")
