"""The command `rookery cluster write`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

cluster_app = typer.Typer(help="Files that make a Ray cluster.", no_args_is_help=True)


@cluster_app.command()
def write(
    kind: Annotated[
        str, typer.Argument(help="local (machines of your own, by ssh), slurm, kubernetes or grafana.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write, one that does not exist; else it is shown.")
    ] = None,
) -> None:
    """Write the file that makes a cluster, or a Grafana board; lines to change are marked CHANGE."""
    from rookery import api

    text = api.cluster(kind, out)
    typer.echo(text if out is None else _after(kind, out), nl=out is not None)


def _after(kind: str, out: Path) -> str:
    return f"{out}: import it in Grafana" if kind == "grafana" else f"{out}: change the lines marked CHANGE"
