"""Options that several verbs of the command line share, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

SurveyOption = Annotated[Path, typer.Option("--survey", help="Survey store.")]
SplitOption = Annotated[str, typer.Option("--split", help="Name of a split of the survey.")]
SeedOption = Annotated[int, typer.Option(help="Seed of everything random.", min=0, max=2**31 - 1)]
ClassesOption = Annotated[str, typer.Option(help="Classes to tell apart; `non-X` takes every other type.")]
BinsOption = Annotated[
    str, typer.Option("--bins", help="Redshift bins: lower edge, upper edge, number; for redshifts only.")
]
PositiveOption = Annotated[str, typer.Option(help="Class whose recall at fixed precision is reported.")]
DeviceOption = Annotated[str | None, typer.Option(help="Torch device; by default a GPU where there is one.")]
WHERE_HELP = "objects with COLUMN=VALUE (or <, >), of the object or truth table; repeatable."

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

SinceOption = Annotated[Literal["detection", "peak"], typer.Option(help="What days count from.")]


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Split NAME=VALUE options."""
    from rookery_ensembles.errors import InputError

    for item in given or []:
        if "=" not in item:
            raise InputError(f"{option} must be NAME=VALUE, but is {item!r}")
    return dict(item.split("=", 1) for item in given or [])


def plain_values(given: list[str] | None, option: str) -> dict[str, Any]:
    """Read NAME=VALUE options; a value is read as YAML does: 3, 0.1, true, relu."""
    from rookery_ensembles.plain_text import YamlText

    return {name: YamlText(text, f"{option} {name}").data for name, text in pairs(given, option).items()}


def type_codes(given: list[str] | None) -> dict[int, str]:
    """Read CODE=NAME options of SNANA's types."""
    from rookery_ensembles.errors import InputError

    codes = pairs(given, "--type")
    for code in codes:
        if not code.isdigit():
            raise InputError(f"--type must be CODE=NAME with a number for CODE, but is {code}={codes[code]}")
    return {int(code): name for code, name in codes.items()}


def class_list(text: str) -> list[str]:
    """Read a comma-separated list of class names."""
    return [name.strip() for name in text.split(",")]


def numbers(text: str | None, option: str) -> list[float]:
    """Read a comma-separated list of numbers."""
    from rookery_ensembles.errors import InputError

    try:
        return [float(item) for item in text.split(",")] if text else []
    except ValueError:
        raise InputError(f"{option} must be numbers with commas between them, but is {text!r}") from None


def redshift_bins(text: str) -> tuple[float, float, int]:
    """Read LOW,HIGH,NUMBER."""
    from rookery_ensembles.errors import InputError

    found = numbers(text, "--bins")
    if len(found) != 3 or found[2] != int(found[2]):
        raise InputError(f"--bins must be LOW,HIGH,NUMBER, for example 0,0.4,180, but is {text!r}")
    return found[0], found[1], int(found[2])


def bins_by_covariate(given: list[str] | None) -> dict[str, int | list[float]]:
    """Read NAME=8 (so many quantile bins) and NAME=0,0.2,0.4 (edges) options."""
    found: dict[str, int | list[float]] = {}
    for name, text in pairs(given, "--bins").items():
        found[name] = int(text) if text.isdigit() else numbers(text, f"--bins {name}")
    return found


def say_json(value: Any) -> None:
    """Print plain values as JSON."""
    import json

    typer.echo(json.dumps(value, indent=2))
