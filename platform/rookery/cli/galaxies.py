"""The verbs of `rookery ingest` for galaxies: catalogues, cubes, cutouts and frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rookery.cli.values import numbers, pairs

if TYPE_CHECKING:
    from rookery.surveys import IngestReport

PathArgument = Annotated[Path, typer.Argument(help="File or folder.")]
PathsArgument = Annotated[list[Path], typer.Argument(help="File or folder; several may be given.")]
OutArgument = Annotated[Path, typer.Argument(help="Survey store to make.")]


def _catalogue_options(
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=COLUMN, such as redshift=z_sp or 'mag_{band}=modelMag_{band}'; may be repeated."
        ),
    ] = None,
    columns_file: Annotated[
        Path | None, typer.Option("--columns", "--columns-file", help="YAML file with lines ROLE: COLUMN.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(help="Names of a text table's columns, with commas, instead of its header's."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="ab, asinh, nanomaggy, ...; or BAND=UNIT; may be repeated. AB by default."),
    ] = None,
    softening: Annotated[
        list[str] | None, typer.Option(help="BAND=b of asinh magnitudes; SDSS's are known.")
    ] = None,
    offset: Annotated[
        list[str] | None, typer.Option(help="BAND=MAG to add, such as SDSS's u=-0.04 and z=0.02 to AB.")
    ] = None,
    deredden: Annotated[
        bool, typer.Option("--deredden", help="Correct magnitudes for Galactic extinction (role mwebv).")
    ] = False,
    extinction: Annotated[
        list[str] | None, typer.Option(help="BAND=A/E(B-V) for --deredden; SDSS's are known.")
    ] = None,
    missing: Annotated[
        list[float] | None,
        typer.Option(help="Another number that means 'missing', beside -9999, -999, 99 ...; repeatable."),
    ] = None,
    on_error: Annotated[
        Literal["stop", "skip"], typer.Option(help="At a broken galaxy: stop, or skip and count it.")
    ] = "stop",
    name: Annotated[str | None, typer.Option(help="The survey's name; by default that of PATH.")] = None,
) -> dict[str, Any]:
    return {
        "columns": pairs(column, "--column"),
        "columns_file": columns_file,
        "names": None if names is None else [one.strip() for one in names.split(",")],
        "unit": _units(unit),
        "softening": _numbers_by_band(softening, "--softening"),
        "offsets": _numbers_by_band(offset, "--offset"),
        "deredden": deredden,
        "extinction": _numbers_by_band(extinction, "--extinction"),
        "missing": missing,
        "on_error": on_error,
        "name": name,
    }


def _image_options(
    catalogue: Annotated[
        Path | None, typer.Option(help="Table of the galaxies, joined by object id (else by row).")
    ] = None,
    bands: Annotated[str, typer.Option(help="The images' bands in order: u,g,r,i,z or ugriz.")] = "u,g,r,i,z",
    size: Annotated[int, typer.Option(help="Rows and columns of a cutout.")] = 64,
    pixel_scale: Annotated[
        float | None, typer.Option(help="Arcsec along a pixel; by default the frames', or 0.396.")
    ] = None,
    dtype: Annotated[Literal["float16", "float32"], typer.Option(help="Type of pixels.")] = "float16",
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude of pixel value 1; nanomaggies (22.5) by default.")
    ] = None,
    spike_ratio: Annotated[
        float, typer.Option(help="Clip pixels above so many times their neighbours' median; 0: never.")
    ] = 4.0,
    saturation: Annotated[float | None, typer.Option(help="Clip pixels above so many nanomaggies.")] = None,
) -> dict[str, Any]:
    return {
        "catalogue": catalogue,
        "bands": tuple(one.strip() for one in bands.split(",")) if "," in bands else tuple(bands.strip()),
        "size": size,
        "pixel_scale": pixel_scale,
        "dtype": dtype,
        "zero_point": zero_point,
        "spike_ratio": spike_ratio or None,
        "saturation": saturation,
    }


@cache
def _parameters(group: Callable[..., dict[str, Any]]) -> list[Parameter]:
    return list(signature(group, eval_str=True).parameters.values())


def _with_options(*groups: Callable[..., dict[str, Any]]) -> Callable[[Callable[..., None]], Any]:
    """Give a verb, which takes **options, the options of groups."""

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        # Typer reads an explicit signature as it stands: its annotations must be evaluated.
        whole = signature(verb, eval_str=True)
        own = [one for one in whole.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        shared = [(group, _parameters(group)) for group in groups]

        def command(**given: Any) -> None:
            options: dict[str, Any] = {}
            for group, parameters in shared:
                options |= group(**{one.name: given.pop(one.name) for one in parameters})
            verb(**given, **options)

        everything = [*own, *(one for _, parameters in shared for one in parameters)]
        command.__signature__ = whole.replace(  # type: ignore[attr-defined]
            parameters=[one.replace(kind=Parameter.KEYWORD_ONLY) for one in everything]
        )
        command.__annotations__ = {one.name: one.annotation for one in everything}
        command.__doc__, command.__name__, command.__module__ = verb.__doc__, verb.__name__, verb.__module__
        return command

    return decorate


@_with_options(_catalogue_options)
def ingest_catalogue(path: PathsArgument, out: OutArgument, **options: Any) -> None:
    """Read a catalogue of galaxies: FITS, CSV, Parquet, text."""
    from rookery import api

    _tell(api.ingest_catalogue(path, out, **options))


@_with_options(_catalogue_options)
def ingest_mlz(path: PathsArgument, out: OutArgument, **options: Any) -> None:
    """Read MLZ's text catalogues."""
    from rookery import api

    _tell(api.ingest_mlz(path, out, **options))


@_with_options(_catalogue_options)
def ingest_annz(path: PathsArgument, out: OutArgument, **options: Any) -> None:
    """Read ANNZ's CSV catalogues, with their typed header."""
    from rookery import api

    _tell(api.ingest_annz(path, out, **options))


@_with_options(_image_options, _catalogue_options)
def ingest_cubes(
    path: PathsArgument,
    out: OutArgument,
    cube: Annotated[str, typer.Option(help="The .npz file's array of cutouts.")] = "cube",
    labels: Annotated[str, typer.Option(help="The .npz file's structured array of labels.")] = "labels",
    **options: Any,
) -> None:
    """Read .npz or .npy cubes of galaxy cutouts with labels, of any size."""
    from rookery import api

    _tell(api.ingest_cubes(path, out, cube=cube, labels=labels, **options))


@_with_options(_image_options, _catalogue_options)
def ingest_cutouts(
    path: PathArgument,
    out: OutArgument,
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest; by default manifest.json, .csv, ... in PATH.")
    ] = None,
    path_column: Annotated[str | None, typer.Option(help="The manifest's column of files.")] = None,
    **options: Any,
) -> None:
    """Read cutouts with a .npy or FITS file per galaxy, and a manifest."""
    from rookery import api

    _tell(api.ingest_cutouts(path, out, manifest=manifest, path_column=path_column, **options))


@_with_options(_image_options, _catalogue_options)
def ingest_frames(
    path: PathsArgument,
    out: OutArgument,
    frame: Annotated[
        list[str] | None, typer.Option(help="BAND=PATTERN of file names, if headers do not tell; repeatable.")
    ] = None,
    resample: Annotated[
        Literal["auto", "never", "always"],
        typer.Option(help="Interpolate bands onto one grid: where theirs differ, never, or always."),
    ] = "auto",
    **options: Any,
) -> None:
    """Cut galaxies out of FITS frames, around the positions of --catalogue."""
    from rookery import api

    _tell(api.ingest_frames(path, out, frames=pairs(frame, "--frame"), resample=resample, **options))


VERBS: dict[str, Callable[..., None]] = {
    "catalogue": ingest_catalogue,
    "mlz": ingest_mlz,
    "annz": ingest_annz,
    "cubes": ingest_cubes,
    "cutouts": ingest_cutouts,
    "frames": ingest_frames,
}


def add_verbs(app: typer.Typer) -> None:
    """Add the verbs for galaxies to `rookery ingest`."""
    for name, verb in VERBS.items():
        app.command(name)(verb)


def _units(given: list[str] | None) -> str | dict[str, str] | None:
    """Read NAME for all bands, or BAND=NAME options."""
    if given is not None and len(given) == 1 and "=" not in given[0]:
        return given[0]
    return pairs(given, "--unit") or None


def _numbers_by_band(given: list[str] | None, option: str) -> dict[str, float]:
    from rookery_ensembles.errors import InputError

    found = {}
    for band, text in pairs(given, option).items():
        values = numbers(text, f"{option} {band}")
        if len(values) != 1:
            raise InputError(f"{option} must be BAND=NUMBER, but is {band}={text}")
        found[band] = values[0]
    return found


def _tell(report: IngestReport) -> None:
    ignored = f", {report.n_ignored} files ignored" if report.n_ignored else ""
    typer.echo(f"{report.n_read} galaxies read, {report.n_skipped} skipped{ignored}")
    survey = report.survey
    provenance = survey.info.provenance
    for file, text in provenance.get("headers", {}).items():
        typer.echo(f"header of {file}: {text}")
    typer.echo(
        "columns: " + (", ".join(f"{role}={name}" for role, name in provenance["columns"].items()) or "none")
    )
    flagged = provenance.get("flagged", {"missing_magnitude": provenance["without_some_magnitude"]})
    if any(flagged.values()):
        typer.echo("flagged: " + ", ".join(f"{count} {word}" for word, count in flagged.items() if count))
    counts, image = survey.info.counts, survey.info.image
    cutouts = f", cutouts of {image.size} x {image.size} pixels" if image is not None else ""
    typer.echo(
        f"{survey.path}: {counts['objects']} galaxies ({counts['with_redshift']} with a redshift){cutouts}"
    )
    typer.echo(f"bands {' '.join(survey.bands)}, checksum {survey.checksum[:12]}")
