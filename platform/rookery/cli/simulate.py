"""The verbs `rookery simulate ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rookery.cli.ingest import describe_survey
from rookery.cli.values import SeedOption

simulate_app = typer.Typer(help="Simulate a survey.", no_args_is_help=True)


@simulate_app.command("supernovae")
def simulate_supernovae(
    out: Annotated[Path, typer.Argument(help="Survey store to make.")],
    n: Annotated[int, typer.Option("--n", help="Number of detected supernovae.")],
    seed: SeedOption = 0,
    survey: Annotated[
        Literal["des", "sdss", "lsst"],
        typer.Option(help="DES-like griz, SDSS-II-like ugriz, or LSST ugrizy."),
    ] = "des",
    deep_fraction: Annotated[
        float | None, typer.Option(help="lsst: fraction in deep-drilling fields; 0.5 by default.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes; by default one a core, 8 at most.", min=1)
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw an example of each type: a .png, .pdf or .svg file.")
    ] = None,
) -> None:
    """Simulate light curves of supernovae: six types, volumetric rates, a survey's filters and cadence."""
    from rookery import api

    made = api.simulate_supernovae(
        out,
        n=n,
        seed=seed,
        survey=survey,
        deep_fraction=deep_fraction,
        processes=processes,
        figure=figure,
    )
    describe_survey(made)


@simulate_app.command("galaxies")
def simulate_galaxies(
    out: Annotated[Path, typer.Argument(help="Survey store to make.")],
    n: Annotated[int, typer.Option("--n", help="Number of selected galaxies.")],
    seed: SeedOption = 0,
    survey: Annotated[
        Literal["sdss", "stripe82", "both"],
        typer.Option(help="Single SDSS-like images, stacks as deep as Stripe 82's, or both."),
    ] = "sdss",
    stripe82_fraction: Annotated[
        float | None, typer.Option(help="both: fraction of galaxies in Stripe 82; 0.1 by default.")
    ] = None,
    size: Annotated[int, typer.Option(help="Pixels of a cutout's side, 0.396 arcsec each.")] = 64,
    processes: Annotated[
        int | None, typer.Option(help="Processes; by default one a core, 16 at most.", min=1)
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw some cutouts in colour: a .png, .pdf or .svg file.")
    ] = None,
) -> None:
    """Simulate ugriz cutouts of galaxies, and what a survey would measure on them."""
    from rookery import api

    made = api.simulate_galaxies(
        out,
        n=n,
        seed=seed,
        survey=survey,
        stripe82_fraction=stripe82_fraction,
        size=size,
        processes=processes,
        figure=figure,
    )
    describe_survey(made)
