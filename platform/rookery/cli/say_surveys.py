"""What the verbs of surveys say on the terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rookery.cli.say import Given

if TYPE_CHECKING:
    from rookery.surveys import Growth, IngestReport, Survey


def split(_: Path, given: Given) -> None:
    """Tell how many objects have which role."""
    from rookery.surveys import open_split, open_survey

    opened = open_split(open_survey(given["survey"], verify=False), given["name"])
    roles = {role: int((opened.role == role).sum()) for role in ("train", "validation", "test", "unlabelled")}
    parts = [f"{count} {role}" for role, count in roles.items() if count]
    if opened.group is not None:
        parts.append(f"{len(set(opened.group.tolist()))} groups, none on two sides")
    typer.echo(f"{given['name']}: " + ", ".join(parts))


def ingested(report: "IngestReport", given: Given) -> None:
    """Tell what was read and what the survey holds."""
    survey, provenance = report.survey, report.survey.info.provenance
    if "by_type" in survey.info.counts:
        typer.echo(f"{report.n_read} light curves read, {report.n_skipped} skipped")
        for rule, found in report.dropped.items():
            typer.echo(f"{found.rows} rows left out: {rule}; the first: {found.first}")
        if report.columns:
            typer.echo("columns: " + _columns(report.columns))
            typer.echo(f"fluxes: {report.flux}")
    else:
        ignored = f", {report.n_ignored} files ignored" if report.n_ignored else ""
        typer.echo(f"{report.n_read} galaxies read, {report.n_skipped} skipped{ignored}")
        for file, text in provenance.get("headers", {}).items():
            typer.echo(f"header of {file}: {text}")
        typer.echo("columns: " + (_columns(provenance["columns"]) or "none"))
        flagged = provenance.get("flagged", {"missing_magnitude": provenance["without_some_magnitude"]})
        if any(flagged.values()):
            told = ", ".join(f"{count} {word}" for word, count in flagged.items() if count)
            typer.echo(f"flagged: {told}")
    simulated(survey, given)


def simulated(survey: "Survey", _: Given) -> None:
    """Tell what a survey holds."""
    counts = survey.info.counts
    if "by_type" in counts:
        types = ", ".join(f"{count} {name}" for name, count in counts["by_type"].items())
        text = f"{counts['objects']} objects ({types}), {counts['observations']} observations"
    else:
        image = survey.info.image
        cutouts = f", cutouts of {image.size} x {image.size} pixels" if image is not None else ""
        text = f"{counts['objects']} galaxies ({counts['with_redshift']} with a redshift){cutouts}"
    typer.echo(f"{survey.path}: {text}")
    typer.echo(f"bands {' '.join(survey.bands)}, checksum {survey.checksum[:12]}")


def merged(survey: "Survey", given: Given) -> None:
    """Tell what each survey gave, and what the merged one holds."""
    for part in survey.info.provenance["merged"]:
        lacks = [band for band in survey.bands if band not in part["bands"].values()]
        without = f", without {' '.join(lacks)}" if lacks else ""
        typer.echo(f"{part['objects']} of {part['origin']}{without}")
    simulated(survey, given)


def grown(growth: "Growth", given: Given) -> None:
    """Tell what has come to a survey, and what it holds now."""
    told = [
        f"{growth.added} new objects" if growth.added else "",
        f"{growth.extended} known ones extended" if growth.extended else "",
        f"{growth.observations} new observations" if growth.observations else "",
        f"{growth.repeated} observations left out that it had" if growth.repeated else "",
        f"{growth.truths} types or redshifts that were unknown or have changed" if growth.truths else "",
        f"{growth.skipped} broken light curves, galaxies or rows left out" if growth.skipped else "",
        f"{growth.strangers} rows of other objects left out" if growth.strangers else "",
    ]
    typer.echo(", ".join(text for text in told if text) or "nothing new")
    if growth.splits:
        unlabelled = ", new objects as unlabelled" if growth.added else ""
        typer.echo(f"splits kept{unlabelled}: {' '.join(growth.splits)}")
    simulated(growth.survey, given)


def _columns(roles: Mapping[str, str]) -> str:
    return ", ".join(f"{role}={name}" for role, name in roles.items())
