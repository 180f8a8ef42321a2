"""The command `rookery cluster write`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

cluster_app = typer.Typer(help="Files that make a Ray cluster.", no_args_is_help=True)


@cluster_app.command()
def write(
    kind: Annotated[str, typer.Argument(help="local (machines of your own, by ssh), slurm or kubernetes.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write, one that does not exist; else it is shown.")
    ] = None,
) -> None:
    """Write the file that makes a cluster; lines to change are marked CHANGE."""
    from rookery import api

    text = api.cluster(kind, out)
    typer.echo(text if out is None else f"{out}: change the lines marked CHANGE", nl=out is not None)
