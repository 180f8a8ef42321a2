"""The verb `baseline`: classical methods that each network must beat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rookery.cli.values import (
    ClassesOption,
    SeedOption,
    SplitOption,
    SurveyOption,
    class_list,
    redshift_bins,
)


def baseline(
    name: Annotated[
        str,
        typer.Argument(help="Which classical method, for example parametric-trees; a wrong name lists all."),
    ],
    survey: SurveyOption,
    split: SplitOption,
    out: Annotated[Path, typer.Argument(help="Prediction file (Parquet) to write.")],
    classes: ClassesOption = "Ia,non-Ia",
    seed: SeedOption = 0,
    redshift: Annotated[
        str | None,
        typer.Option(help="Covariate of the survey to use as a redshift, for example host_photo_z."),
    ] = None,
    role: Annotated[
        Literal["test", "unlabelled", "validation"],
        typer.Option(help="Who is predicted; validation objects train unless they are."),
    ] = "test",
    address: Annotated[
        str | None,
        typer.Option(help="Fit on a Ray cluster that this machine belongs to: auto or HOST:6379."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="Blocks of objects fitted at once; by default all CPUs; 0: without Ray.", min=0),
    ] = None,
    model_path: Annotated[
        Path | None, typer.Option(help="Of salt2-trees: folder of a SALT2 or SALT3 model's files.")
    ] = None,
    filters: Annotated[
        str | None,
        typer.Option(help="Of salt2-trees: speclite's filters, as decam2014 or g=decam2014-g,..."),
    ] = None,
    bins: Annotated[
        str | None,
        typer.Option(
            help="Of b16: lower edge, upper edge and number of redshift bins; 0,0.4,180 by default."
        ),
    ] = None,
    deredden: Annotated[
        bool | None,
        typer.Option("--deredden", help="Of b16: correct the magnitudes with the covariate mwebv."),
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(
            help="Of binned-trees: train also on so many copies of each training object as objects to "
            "classify would be seen, as the networks' hyperparameter `copies` does.",
            min=0,
        ),
    ] = None,
    redshifting: Annotated[
        bool | None,
        typer.Option(
            help="Of binned-trees: copies also move to the (photometric) redshifts of objects to classify."
        ),
    ] = None,
) -> None:
    """Train a classical method on a split and predict its test objects."""
    from rookery import api

    predictions = api.baseline(
        name,
        survey,
        split,
        out,
        class_names=class_list(classes),
        seed=seed,
        redshift=redshift,
        role=role,
        address=address,
        processes=processes,
        model_path=model_path,
        filters=filters,
        bins=None if bins is None else redshift_bins(bins),
        deredden=deredden,
        copies=copies,
        redshifting=redshifting,
    )
    typer.echo(f"{out}: {len(predictions.object_id)} objects")
