"""Surveys: read from files, simulated, and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from rookery.api._common import PathLike

if TYPE_CHECKING:
    from rookery.surveys import IngestReport, Survey
    from rookery.surveys.readers.galaxies import CatalogueOptions, ImageOptions


class LightCurveOptions(TypedDict, total=False):
    """Keyword arguments that every reader of light curves takes; their defaults are the reader's."""

    on_error: Literal["stop", "skip", "skip-row"]
    name: str | None
    band_aliases: Mapping[str, str] | None
    type_map: Mapping[int, str] | Mapping[str, str] | None
    type_column: str | None
    time_unit: Literal["mjd", "jd"]


def ingest_snana(path: PathLike, out: PathLike, **options: Unpack[LightCurveOptions]) -> IngestReport:
    """Read a folder or tar archive of SNANA ascii light curves into a survey store.

    See :func:`rookery.surveys.ingest_snana`.
    """
    from rookery.surveys import ingest_snana as ingest

    return ingest(path, out, **options)


def ingest_snana_fits(path: PathLike, out: PathLike, **options: Unpack[LightCurveOptions]) -> IngestReport:
    """Read SNANA HEAD and PHOT FITS files into a survey store.

    See :func:`rookery.surveys.ingest_snana_fits`.
    """
    from rookery.surveys import ingest_snana_fits as ingest

    return ingest(path, out, **options)


def ingest_headphot_csv(path: PathLike, out: PathLike, **options: Unpack[LightCurveOptions]) -> IngestReport:
    """Read HEAD and PHOT CSV files, as SuperNNova has them, into a survey store.

    See :func:`rookery.surveys.ingest_headphot_csv`.
    """
    from rookery.surveys import ingest_headphot_csv as ingest

    return ingest(path, out, **options)


def ingest_plasticc(
    path: PathLike,
    out: PathLike,
    *,
    metadata: PathLike | None = None,
    **options: Unpack[LightCurveOptions],
) -> IngestReport:
    """Read PLAsTiCC's CSV tables into a survey store, as a stream.

    See :func:`rookery.surveys.ingest_plasticc`.
    """
    from rookery.surveys import ingest_plasticc as ingest

    return ingest(
        path,
        out,
        metadata=metadata,
        **options,
    )


def ingest_table(
    path: PathLike,
    out: PathLike,
    *,
    objects: PathLike | None = None,
    columns: Mapping[str, str] | None = None,
    columns_file: PathLike | None = None,
    zero_point: float | None = None,
    flux_unit: str | None = None,
    **options: Unpack[LightCurveOptions],
) -> IngestReport:
    """Read any long table of light curves, CSV or Parquet, into a survey store.

    See :func:`rookery.surveys.ingest_table`.
    """
    from rookery.surveys import ingest_table as ingest

    return ingest(
        path,
        out,
        objects=objects,
        columns=columns,
        columns_file=columns_file,
        zero_point=zero_point,
        flux_unit=flux_unit,
        **options,
    )


def ingest_catalogue(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[CatalogueOptions],
) -> IngestReport:
    """Read catalogues of galaxies of any format; see :func:`rookery.surveys.ingest_catalogue`."""
    from rookery.surveys import ingest_catalogue as ingest

    return ingest(path, out, on_error=on_error, name=name, **options)


def ingest_mlz(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[CatalogueOptions],
) -> IngestReport:
    """Read MLZ's text catalogues; see :func:`rookery.surveys.ingest_mlz`."""
    from rookery.surveys import ingest_mlz as ingest

    return ingest(path, out, on_error=on_error, name=name, **options)


def ingest_annz(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[CatalogueOptions],
) -> IngestReport:
    """Read ANNZ's CSV catalogues; see :func:`rookery.surveys.ingest_annz`."""
    from rookery.surveys import ingest_annz as ingest

    return ingest(path, out, on_error=on_error, name=name, **options)


def ingest_cubes(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    cube: str = "cube",
    labels: str = "labels",
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Read cubes of galaxy cutouts, as a stream; see :func:`rookery.surveys.ingest_cubes`."""
    from rookery.surveys import ingest_cubes as ingest

    return ingest(path, out, cube=cube, labels=labels, on_error=on_error, name=name, **options)


def ingest_cutouts(
    path: PathLike,
    out: PathLike,
    *,
    manifest: PathLike | None = None,
    path_column: str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Read cutouts with a file per galaxy and a manifest; see :func:`rookery.surveys.ingest_cutouts`."""
    from rookery.surveys import ingest_cutouts as ingest

    return ingest(
        path, out, manifest=manifest, path_column=path_column, on_error=on_error, name=name, **options
    )


def ingest_frames(
    path: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    frames: Mapping[str, str] | None = None,
    resample: Literal["auto", "never", "always"] = "auto",
    on_error: Literal["stop", "skip"] = "stop",
    name: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Cut galaxies out of FITS frames by WCS; see :func:`rookery.surveys.ingest_frames`."""
    from rookery.surveys import ingest_frames as ingest

    return ingest(path, out, frames=frames, resample=resample, on_error=on_error, name=name, **options)


def simulate_supernovae(
    out: PathLike,
    *,
    n: int,
    seed: int = 0,
    survey: Literal["des", "sdss", "lsst"] = "des",
    deep_fraction: float | None = None,
    processes: int | None = None,
    figure: PathLike | None = None,
) -> Survey:
    """Simulate a light-curve survey of `n` detected supernovae; draw examples into `figure`, if given.

    See :func:`rookery.surveys.simulators.supernovae.simulate.simulate_supernovae`.
    """
    from rookery.reports.draw.pictures import check_figure_path, draw_light_curves
    from rookery.surveys.simulators.supernovae.simulate import simulate_supernovae as simulate

    if figure is not None:
        check_figure_path(Path(figure))
    made = simulate(out, n=n, seed=seed, survey=survey, deep_fraction=deep_fraction, processes=processes)
    if figure is not None:
        draw_light_curves(made, Path(figure))
    return made


def simulate_galaxies(
    out: PathLike,
    *,
    n: int,
    seed: int = 0,
    survey: Literal["sdss", "stripe82", "both"] = "sdss",
    stripe82_fraction: float | None = None,
    size: int = 64,
    processes: int | None = None,
    figure: PathLike | None = None,
) -> Survey:
    """Simulate cutouts and measured magnitudes of `n` galaxies; draw some into `figure`, if given.

    See :func:`rookery.surveys.simulators.galaxies.simulate.simulate_galaxies`.
    """
    from rookery.reports.draw.pictures import check_figure_path, draw_galaxies
    from rookery.surveys.simulators.galaxies.simulate import simulate_galaxies as simulate

    if figure is not None:
        check_figure_path(Path(figure))
    made = simulate(
        out,
        n=n,
        seed=seed,
        survey=survey,
        stripe82_fraction=stripe82_fraction,
        size=size,
        processes=processes,
    )
    if figure is not None:
        draw_galaxies(made, Path(figure))
    return made


def split(
    survey: PathLike,
    name: str,
    *,
    train_ids: PathLike | None = None,
    train_fraction: float | None = None,
    train_where: Sequence[str] = (),
    test_where: Sequence[str] = (),
    validation_fraction: float | None = None,
    folds: int = 0,
    max_train: int | None = None,
    groups: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Give every object of a survey a role. See :func:`rookery.surveys.split_survey`."""
    from rookery.surveys import open_survey, split_survey

    return split_survey(
        open_survey(survey),
        name,
        train_ids=train_ids,
        train_fraction=train_fraction,
        train_where=train_where,
        test_where=test_where,
        validation_fraction=validation_fraction,
        folds=folds,
        max_train=max_train,
        groups=groups,
        seed=seed,
        overwrite=overwrite,
    )
