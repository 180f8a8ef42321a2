"""The verbs of `rookery ingest`: one for each format of light curves; galaxies have their own module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rookery.cli.galaxies import add_verbs
from rookery.cli.values import pairs, type_codes

if TYPE_CHECKING:
    from rookery.surveys import IngestReport

ingest_app = typer.Typer(help="Read survey files into a survey store.", no_args_is_help=True)

OutArgument = Annotated[Path, typer.Argument(help="Survey store to make.")]
OnErrorOption = Annotated[
    Literal["stop", "skip", "skip-row"],
    typer.Option(help="At a broken light curve: stop, or skip and count it, or its broken rows alone."),
]
NameOption = Annotated[str | None, typer.Option(help="The survey's name; by default that of PATH.")]
BandOption = Annotated[
    list[str] | None,
    typer.Option("--band", help="Alias OLD=NEW of a band; may be repeated. `DES-g` is `g` unasked."),
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", help="CODE=NAME of a type, beside the usual ones; may be repeated."),
]
TypeColumnOption = Annotated[str | None, typer.Option(help="Column or key that tells the type.")]
TimeUnitOption = Annotated[
    Literal["mjd", "jd"], typer.Option(help="Unit of the dates; the two never mix in one survey.")
]


@ingest_app.command("snana")
def ingest_snana(
    path: Annotated[Path, typer.Argument(help="Folder or tar archive of SNANA ascii light curves.")],
    out: OutArgument,
    on_error: OnErrorOption = "stop",
    name: NameOption = None,
    band: BandOption = None,
    type_code: TypeOption = None,
    type_column: TypeColumnOption = None,
    time_unit: TimeUnitOption = "mjd",
) -> None:
    """Read SNANA ascii light curves."""
    from rookery import api

    common = _common(on_error, name, band, type_column, time_unit)
    _tell(api.ingest_snana(path, out, type_map=type_codes(type_code), **common))


@ingest_app.command("snana-fits")
def ingest_snana_fits(
    path: Annotated[
        Path, typer.Argument(help="HEAD file, .LIST of HEAD files, or folder (FITS, plain or gzipped).")
    ],
    out: OutArgument,
    on_error: OnErrorOption = "stop",
    name: NameOption = None,
    band: BandOption = None,
    type_code: TypeOption = None,
    type_column: TypeColumnOption = None,
    time_unit: TimeUnitOption = "mjd",
) -> None:
    """Read SNANA HEAD and PHOT tables in FITS."""
    from rookery import api

    common = _common(on_error, name, band, type_column, time_unit)
    _tell(api.ingest_snana_fits(path, out, type_map=type_codes(type_code), **common))


@ingest_app.command("headphot-csv")
def ingest_headphot_csv(
    path: Annotated[Path, typer.Argument(help="HEAD file, or folder of *HEAD*.csv (plain or gzipped).")],
    out: OutArgument,
    on_error: OnErrorOption = "stop",
    name: NameOption = None,
    band: BandOption = None,
    type_code: TypeOption = None,
    type_column: TypeColumnOption = None,
    time_unit: TimeUnitOption = "mjd",
) -> None:
    """Read HEAD and PHOT tables in CSV, as SuperNNova has them."""
    from rookery import api

    common = _common(on_error, name, band, type_column, time_unit)
    _tell(api.ingest_headphot_csv(path, out, type_map=type_codes(type_code), **common))


@ingest_app.command("plasticc")
def ingest_plasticc(
    path: Annotated[Path, typer.Argument(help="Light-curve CSV (also .gz, .zip), or folder of them.")],
    out: OutArgument,
    metadata: Annotated[
        Path | None,
        typer.Option(help="Metadata CSV; by default the one beside PATH with `meta` in its name."),
    ] = None,
    on_error: OnErrorOption = "stop",
    name: NameOption = None,
    band: BandOption = None,
    type_code: TypeOption = None,
    type_column: TypeColumnOption = None,
    time_unit: TimeUnitOption = "mjd",
) -> None:
    """Read PLAsTiCC's CSV tables, of any size."""
    from rookery import api

    common = _common(on_error, name, band, type_column, time_unit)
    _tell(api.ingest_plasticc(path, out, metadata=metadata, type_map=type_codes(type_code), **common))


@ingest_app.command("table")
def ingest_table(
    path: Annotated[
        Path, typer.Argument(help="CSV or Parquet file with an observation a row, or folder of them.")
    ],
    out: OutArgument,
    objects: Annotated[Path | None, typer.Option(help="CSV or Parquet file with an object a row.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=COLUMN, for example mjd=time; may be repeated. See docs/readers.md."),
    ] = None,
    columns_file: Annotated[Path | None, typer.Option(help="YAML file with lines ROLE: COLUMN.")] = None,
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude of flux 1; fluxes are converted to 27.5.")
    ] = None,
    flux_unit: Annotated[
        str | None, typer.Option(help="Unit of the fluxes instead: uJy, nJy, mJy, Jy, nanomaggy, maggy.")
    ] = None,
    on_error: OnErrorOption = "stop",
    name: NameOption = None,
    band: BandOption = None,
    type_code: Annotated[
        list[str] | None, typer.Option("--type", help="CODE=NAME or LABEL=NAME of a type; may be repeated.")
    ] = None,
    type_column: TypeColumnOption = None,
    time_unit: TimeUnitOption = "mjd",
) -> None:
    """Read any long table of light curves."""
    from rookery import api

    report = api.ingest_table(
        path,
        out,
        objects=objects,
        columns=pairs(column, "--column"),
        columns_file=columns_file,
        zero_point=zero_point,
        flux_unit=flux_unit,
        type_map=pairs(type_code, "--type"),
        **_common(on_error, name, band, type_column, time_unit),
    )
    _tell(report)


add_verbs(ingest_app)


def describe_survey(survey: Any) -> None:
    """Print what a survey holds."""
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


def _common(
    on_error: str, name: str | None, band: list[str] | None, type_column: str | None, time_unit: str
) -> dict[str, Any]:
    return {
        "on_error": on_error,
        "name": name,
        "band_aliases": pairs(band, "--band"),
        "type_column": type_column,
        "time_unit": time_unit,
    }


def _tell(report: IngestReport) -> None:
    typer.echo(f"{report.n_read} light curves read, {report.n_skipped} skipped")
    for rule, found in report.dropped.items():
        typer.echo(f"{found.rows} rows left out: {rule}; the first: {found.first}")
    if report.columns:
        typer.echo("columns: " + ", ".join(f"{role}={name}" for role, name in report.columns.items()))
        typer.echo(f"fluxes: {report.flux}")
    describe_survey(report.survey)
