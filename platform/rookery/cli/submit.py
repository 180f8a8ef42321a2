"""Commands sent to a cluster: checked before they leave, and what the jobs say."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import typer

from rookery import api
from rookery.cli.build import Group, Verb, command, spelled
from rookery.cli.say import Given, as_json

if TYPE_CHECKING:
    from rookery.clusters.jobs import Job, JobClient

_STAY = ("submit", "jobs", "dashboard")
"""Verbs that make no sense on the cluster."""


def complete(given: dict[str, Any], verbs: "Mapping[str, Verb | Group]") -> None:
    """Check a command as the cluster's head will, before it goes there; add ``--address auto`` where it fits.

    Parameters
    ----------
    given
        The arguments of `submit`; its `command` is completed.
    verbs
        All verbs.

    Raises
    ------
    InputError
        When the verb is none, or a path is relative and there is no `folder` where it could begin.
    click.UsageError
        When an option is unknown or missing.
    """
    from rookery_ensembles.errors import InputError  # not above: it loads numpy

    name, *rest = given["command"]
    if name not in verbs or name in _STAY:
        known = ", ".join(verb for verb in verbs if verb not in _STAY)
        raise InputError(f"rookery submit: {name!r} is no verb that can be sent; those are {known}")
    verb = verbs[name]
    if isinstance(verb, Group):
        return
    taken = spelled(verb.function)
    typed = [item.split("=", 1)[0] for item in rest]
    if "--address" not in typed and any(argument.name == "address" for argument, _ in taken):
        rest += ["--address", "auto"]
    given["command"] = [name, *rest]
    parsed = command(name, verb).make_context(f"rookery {name}", list(rest)).params
    for argument, how in taken if given["folder"] is None else ():
        value = parsed[argument.name]
        for item in value if isinstance(value, list | tuple) else [value]:
            if how.is_path and item and not PurePosixPath(item).is_absolute() and "://" not in str(item):
                rule = "begins nowhere on the cluster: give it whole, or give --folder"
                raise InputError(f"rookery submit: `{argument.name}` {item} {rule}")


def sent(name: str, given: Given) -> None:
    """Tell a job's name, and how to see what it says; or follow it."""
    typer.echo(f"{name}: sent")
    if given["follow"]:
        _follow(api.jobs(given["address"]), name)
    else:
        where = f" --address {given['address']}" if given["address"] else ""
        typer.echo(f"rookery jobs logs {name} --follow{where}")


def list_jobs(*, address: str | None = None) -> "list[Job]":
    """List the jobs of a cluster, the latest first.

    Parameters
    ----------
    address
        The head's dashboard, http://HEAD:8265; by default RAY_API_SERVER_ADDRESS or this machine's.
    """
    return api.jobs(address).jobs()


def listed(jobs: "list[Job]", given: Given) -> None:
    """Show the jobs."""
    if given["json"]:
        from dataclasses import asdict

        as_json([asdict(job) for job in jobs])
        return
    for job in jobs:
        typer.echo(f"{job.name}  {job.state:9}  {job.started}  {job.command}")
    if not jobs:
        typer.echo("no jobs")


def show_logs(name: str, *, address: str | None = None, follow: bool = False) -> None:
    """Show what a job has printed.

    Parameters
    ----------
    name
        Name of the job.
    address
        The head's dashboard, http://HEAD:8265; by default RAY_API_SERVER_ADDRESS or this machine's.
    follow
        Go on until the job ends.
    """
    client = api.jobs(address)
    if follow:
        _follow(client, name)
    else:
        typer.echo(client.logs(name), nl=False)


def stop_job(name: str, *, address: str | None = None) -> bool:
    """Stop a job; a study goes on when the same command is sent again.

    Parameters
    ----------
    name
        Name of the job.
    address
        The head's dashboard, http://HEAD:8265; by default RAY_API_SERVER_ADDRESS or this machine's.
    """
    return api.jobs(address).stop(name)


def stopped(running: bool, given: Given) -> None:
    """Tell whether the job was running."""
    typer.echo(f"{given['name']}: stopping" if running else f"{given['name']}: had ended already")


def _follow(client: "JobClient", name: str) -> None:
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
