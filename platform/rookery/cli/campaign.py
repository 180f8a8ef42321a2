"""The command `rookery campaign`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rookery.cli.values import pairs, plain_values


def campaign(
    file: Annotated[str, typer.Argument(help="Campaign: a YAML file, or the name of one that ships.")],
    out: Annotated[Path, typer.Option(help="Folder of the campaign; one that exists is continued.")],
    surveys: Annotated[
        Path | None, typer.Option(help="Folder where surveys are made; by default OUT/surveys.")
    ] = None,
    survey: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER: take this survey store; may be repeated.")
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE: set a dotted key of the file, such as defaults.members=1."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Networks at once; by default all that fit.", min=1)
    ] = None,
    cpus_per_network: Annotated[float, typer.Option(help="CPU cores of a network.")] = 1,
    gpus_per_network: Annotated[
        float | None, typer.Option(help="GPUs of a network, also parts, as 0.25; by default 1 if any.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster that this machine belongs to: auto or HOST:6379."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count networks, device-hours and cost only.")
    ] = False,
    seconds_per_network: Annotated[
        float | None, typer.Option(help="What a network takes, for the dry run; else measured or stated.")
    ] = None,
    price_per_device_hour: Annotated[
        float | None, typer.Option(help="What an hour of a device costs, for the dry run.", min=0)
    ] = None,
    currency: Annotated[str, typer.Option(help="Of that price.")] = "USD",
) -> None:
    """Train every network of a file of experiments and write their table; kill it and call it again."""
    from rookery import api

    result = api.campaign(
        file,
        out,
        surveys=surveys,
        survey_paths=dict(pairs(survey, "--survey")),
        settings=plain_values(fix, "--set"),
        processes=processes,
        cpus_per_network=cpus_per_network,
        gpus_per_network=gpus_per_network,
        address=address,
        dry_run=dry_run,
        seconds_per_network=seconds_per_network,
        price_per_device_hour=price_per_device_hour,
        currency=currency,
    )
    if dry_run:
        typer.echo(result.plan)
        return
    typer.echo(result.table)
    typer.echo(f"Tables: {out / 'table.md'}, {out / 'table.csv'}, {out / 'table.json'}")
