"""The commands `rookery submit` and `rookery jobs`."""

from __future__ import annotations

import inspect
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from rookery.cli.values import JsonOption, say_json

if TYPE_CHECKING:
    from rookery.clusters.jobs import JobClient

AddressOption = Annotated[
    str | None,
    typer.Option(
        help="The head's dashboard, http://HEAD:8265; by default RAY_API_SERVER_ADDRESS or this machine's."
    ),
]
_PATHS_OR_URLS = ("study", "path")
"""Parameters that are a path, or else a URL, and therefore text."""
jobs_app = typer.Typer(help="Jobs sent to a cluster by `rookery submit`.", no_args_is_help=True)


def submit(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(help="After `--`: a verb with its options.", metavar="-- VERB ...")
    ],
    address: AddressOption = None,
    folder: Annotated[
        str | None, typer.Option(help="Folder on the cluster to run in, where its paths begin: /shared.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show what it prints, until it ends.")] = False,
    python: Annotated[str, typer.Option(help="The Python on the cluster that has Rookery.")] = "python",
) -> None:
    """Send a command to a cluster, which runs it while you go home: rookery submit -- search pelican ..."""
    from rookery import api

    name = api.submit(complete(context, command, folder), address=address, folder=folder, python=python)
    typer.echo(f"{name}: sent")
    if follow:
        _follow(api.jobs(address), name)
    else:
        where = f" --address {address}" if address else ""
        typer.echo(f"rookery jobs logs {name} --follow{where}")


@jobs_app.command("list")
def list_jobs(
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the jobs of a cluster, the latest first."""
    from rookery import api

    jobs = api.jobs(address).jobs()
    if as_json:
        from dataclasses import asdict

        say_json([asdict(job) for job in jobs])
        return
    for job in jobs:
        typer.echo(f"{job.name}  {job.state:9}  {job.started}  {job.command}")
    if not jobs:
        typer.echo("no jobs")


@jobs_app.command()
def logs(
    name: Annotated[str, typer.Argument(help="Name of the job.")],
    address: AddressOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job ends.")] = False,
) -> None:
    """Show what a job has printed."""
    from rookery import api

    client = api.jobs(address)
    if follow:
        _follow(client, name)
    else:
        typer.echo(client.logs(name), nl=False)


@jobs_app.command()
def stop(
    name: Annotated[str, typer.Argument(help="Name of the job.")], address: AddressOption = None
) -> None:
    """Stop a job; a study goes on when the same command is sent again."""
    from rookery import api

    running = api.jobs(address).stop(name)
    typer.echo(f"{name}: stopping" if running else f"{name}: had ended already")


def _follow(client: JobClient, name: str) -> None:
    """Print a job's words until it ends; Ctrl-C leaves it running. Exit status 1 unless it succeeded."""
    try:
        for text in client.follow(name):
            typer.echo(text, nl=False)
    except KeyboardInterrupt:
        typer.echo(f"\n{name}: runs on; rookery jobs stop {name} ends it", err=True)
        raise typer.Exit(130) from None
    job = client.job(name)
    typer.echo(f"{name}: {job.state}")
    if job.state != "SUCCEEDED":
        raise typer.Exit(1)


def complete(context: typer.Context, command: list[str], folder: str | None) -> list[str]:
    """Check a command as the cluster's head will, before it goes there; add ``--address auto`` where it fits.

    Raises
    ------
    InputError
        When the verb is none, or a path is relative and there is no `folder` where it could begin.
    click.UsageError
        When an option is unknown or missing.
    """
    from rookery_ensembles.errors import InputError

    commands: dict[str, Any] = getattr(context.find_root().command, "commands", {})
    verb, rest = command[0], command[1:]
    sent = ("submit", "jobs", "dashboard")
    if verb not in commands or verb in sent:
        known = ", ".join(name for name in commands if name not in sent)
        raise InputError(f"rookery submit: {verb!r} is no verb that can be sent; those are {known}")
    target = commands[verb]
    options = {option for parameter in target.params for option in parameter.opts}
    given = [item.split("=", 1)[0] for item in rest]
    if "--address" in options and "--address" not in given:
        command = [*command, "--address", "auto"]
    if hasattr(target, "commands"):
        return command
    parsed = target.make_context(verb, command[1:], parent=context.find_root())
    for name in path_parameters(target.callback) if folder is None else ():
        value = parsed.params.get(name)
        for item in value if isinstance(value, list | tuple) else [value]:
            if item is not None and not PurePosixPath(item).is_absolute() and "://" not in str(item):
                rule = "begins nowhere on the cluster: give it whole, or give --folder"
                raise InputError(f"rookery submit: `{name}` {item} {rule}")
    return command


def path_parameters(function: Any) -> list[str]:
    """Return the names of a command's parameters that are paths."""
    hints = get_type_hints(inspect.unwrap(function))
    return [
        name
        for name, hint in hints.items()
        if Path in (hint, *get_args(hint)) or list[Path] in get_args(hint) or name in _PATHS_OR_URLS
    ]
