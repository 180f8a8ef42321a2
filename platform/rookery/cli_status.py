"""The commands `rookery status` and `rookery pareto`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rookery.cli_options import JsonOption, say_json


def status(
    path: Annotated[
        str, typer.Argument(help="Folder of a study (or its URL) or a campaign, running or not.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Say how a study or campaign stands, from its folder alone; disturbs no search that runs."""
    from rookery import api

    found = api.status(path)
    if as_json:
        say_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _of_study(found) if found["kind"] == "study" else _of_campaign(found):
        table.add_row(name, value)
    energy = found["energy_kilowatt_hours"]
    table.add_row("device-hours", f"{found['device_hours']:.3g}")
    table.add_row("energy", "not reported" if energy is None else f"{energy:.3g} kWh")
    if found["first_error"]:
        table.add_row("first error", found["first_error"])
    table.add_row("last change", found["last_change"] or "none yet")
    alive = {True: "works on it", False: "none", None: "not known"}
    table.add_row("driver", alive[found["driver_alive"]])
    Console(highlight=False, markup=False).print(table)


def _of_study(found: dict[str, Any]) -> list[tuple[str, str]]:
    best = found["best"]
    rows = [
        ("study", found["path"]),
        ("trials", ", ".join(f"{number} {state}" for state, number in found["trials"].items())),
        ("objective", f"{found['metric']}, to {found['direction']}"),
        ("best", "none yet" if best is None else f"{best['value']:.5g} (trial {best['trial']})"),
    ]
    for path, trust in found["trust_in_earlier_studies"].items():
        rows.append((f"trust in {path}", f"{trust:.0%}"))
    for trial in found["running"]:
        value = "no epoch yet" if trial["step"] is None else f"{trial['value']:.5g} at step {trial['step']}"
        rows.append((f"running {trial['trial']}", f"{value}, since {trial['started']}"))
    if found["pruned_at"]:
        rows.append(("pruned at steps", ", ".join(map(str, found["pruned_at"]))))
    if found["trials_per_hour"] is not None:
        rows.append(("rate", f"{found['trials_per_hour']:.3g} trials an hour"))
    return rows


def _of_campaign(found: dict[str, Any]) -> list[tuple[str, str]]:
    numbers = ", ".join(f"{number} {state}" for state, number in found["networks"].items())
    rows = [("campaign", found["path"]), ("networks", numbers)]
    for row in found["rows"]:
        if row["members"] < row["wanted"]:
            rows.append(
                (f"{row['experiment']}/{row['row']}", f"{row['members']} of {row['wanted']} networks")
            )
    return rows


def pareto(
    study: Annotated[Path, typer.Argument(help="Study folder.")],
    as_json: JsonOption = False,
) -> None:
    """Show the trials of a study that none beats in all of its objectives."""
    from rookery import api

    found = api.pareto(study)
    if as_json:
        say_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    names = list(found[0]["values"]) if found else []
    table = Table("trial", *names, "configuration")
    for trial in found:
        values = [f"{value:.5g}" for value in trial["values"].values()]
        settings = ", ".join(f"{name}={_short(value)}" for name, value in trial["configuration"].items())
        table.add_row(str(trial["trial"]), *values, settings)
    Console(highlight=False, markup=False).print(table if found else "no trial is complete yet")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
