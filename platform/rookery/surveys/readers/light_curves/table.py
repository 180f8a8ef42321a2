"""Reader for any long table of light curves: CSV or Parquet, with a mapping of columns."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import pandas as pd

from rookery.signature import OutPath
from rookery.surveys._document import ZERO_POINT
from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers._blocks import column_names, read_blocks, read_table
from rookery.surveys.readers._flux_units import told_unit, zero_point_of
from rookery.surveys.readers._tables import read_columns
from rookery.surveys.readers.light_curves._ingest import LightCurveIngest, LightCurveOptions
from rookery.surveys.readers.light_curves._long_rows import Fluxes, Gathered, ObjectIndex, checked_zero_point
from rookery.surveys.readers.light_curves._object_table import ObjectTable, object_table
from rookery.surveys.readers.light_curves._roles import ColumnMap, match_columns
from rookery.surveys.readers.light_curves._stream import SurveyStream, streaming
from rookery_ensembles.errors import fail

_ENDINGS = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz", ".csv.zip")


def ingest_table(
    path: str | Path,
    out: OutPath,
    *,
    objects: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    columns_file: str | Path | None = None,
    zero_point: float | None = None,
    flux_unit: str | None = None,
    type_map: Mapping[str, str] | Mapping[int, str] | None = None,
    **options: Unpack[LightCurveOptions],
) -> IngestReport:
    """Read a long table (an observation a row) into a survey folder, as a stream.

    Roles of the observations: `object_id`, `mjd`, `band`, `flux` and `flux_err` (or `mag` and
    `mag_err`, AB), `zero_point` where each row has its own. Roles of the objects: `type`,
    `redshift`, and the covariates `ra`, `dec`, `mwebv`, `host_photo_z`, `host_photo_z_err`,
    `deep`. A role is played by the column of its name, or the one that `columns` gives it; a role
    that is none of these becomes a covariate. Every other column of the object table is truth;
    every other column of the observations is left behind. Without an object table the roles of
    the objects are looked for in the observations, where they must not change within an object.

    A Parquet table may hold a list of observations in each row. A row whose flux and error are
    both missing holds no measurement and is left out. Exact repeats of a row are dropped;
    different measurements of a band at one date are kept. Objects of the object table without a
    row are left out and counted.

    Parameters
    ----------
    path
        A CSV (also ``.tsv``, gzipped, zipped) or Parquet file, or a folder of such.
    out
        Survey store to make.
    objects
        CSV or Parquet file with an object a row.
    columns
        ROLE=COLUMN, for example mjd=time; may be repeated. See docs/readers.md.
    columns_file
        YAML file with lines ROLE: COLUMN; `columns` goes before it.
    zero_point
        AB magnitude of flux 1; fluxes are converted to 27.5. A column that is called like a zero
        point must agree with it, or be mapped to `zero_point`. Without it the unit counts that the
        columns' names (``f_uJy``) or Parquet metadata tell; without one 27.5, as the report says.
    flux_unit
        ``fluxcal``, ``nanomaggy``, ``maggy``, ``Jy``, ``mJy``, ``uJy`` or ``nJy``, instead of a zero point.
    type_map
        CODE=NAME or LABEL=NAME of a type; may be repeated, and then every label must have one. Without any
        names are types as they stand, and codes an error.
    options
        See :class:`LightCurveOptions`. `type_column` is the same as ``columns={"type": ...}``.

    Raises
    ------
    InputError
        For the first broken object or row, a column that is missing, zero points that differ, or
        an `out` that exists.
    """
    ingest = LightCurveIngest("table", path, out, type_map=type_map, **options)
    mapping = {**(read_columns(Path(columns_file)) if columns_file is not None else {}), **(columns or {})}
    if ingest.type_column is not None:
        mapping["type"] = ingest.type_column
    ingest.remember(columns=mapping, zero_point=zero_point, flux_unit=flux_unit)
    object_path = None if objects is None else Path(objects)
    files = _files(ingest.path, object_path)
    known = None if object_path is None else column_names(_existing(object_path))
    found = match_columns(mapping, column_names(files[0]), known, files[0], object_path)
    if (zero_point is not None or flux_unit is not None) and (
        "zero_point" in found.rows or "mag" in found.rows
    ):
        other = "a zero point per row" if "zero_point" in found.rows else "magnitudes"
        raise fail(ingest.path, f"a zero point for all fluxes and {other} exclude each other")
    used, flux = _flux_unit(found, files[0], flux_unit, zero_point)
    fluxes = Fluxes(found.rows, checked_zero_point(used, ingest.path), found.witness)
    roles = {"object_id": found.object_id[0], **found.rows, **found.objects}
    with streaming(ingest) as stream:
        if object_path is not None:
            id_column = found.object_id[1]
            text = [id_column, *(column for role, column in found.objects.items() if role == "type")]
            frame = read_table(object_path, text).to_pandas()
            table = _objects(frame, object_path, id_column, found.objects, ingest.types)
            table.reject_wrong(stream)
            _add_rows(stream, files, found, fluxes, ObjectIndex(table.ids, ingest.faults), None)
        else:
            index, gathered = ObjectIndex(None, ingest.faults), Gathered(found.objects)
            _add_rows(stream, files, found, fluxes, index, gathered)
            frame, roles_there = gathered.table(index.ids), {role: role for role in found.objects}
            table = _objects(frame, ingest.path, "object_id", roles_there, ingest.types)
            table = replace(table, truth=table.truth[["object_id"]])
            table.reject_wrong(stream)
        n_read = stream.finish(
            table.frame,
            table.truth if len(table.truth.columns) > 1 else None,
            source=ingest.path.name,
            objects=None if object_path is None else object_path.name,
            files=[file.name for file in files][:1000],
            columns=roles,
            zero_point="per row" if "zero_point" in found.rows else fluxes.zero_point,
            flux=flux,
            time_unit=ingest.dates.unit,
            rows_without_measurement=fluxes.unmeasured,
        )
    return ingest.report(n_read, columns=roles, flux=flux)


def _flux_unit(
    found: ColumnMap, file: Path, flux_unit: str | None, zero_point: float | None
) -> tuple[float, str]:
    """Return the zero point of all fluxes, and what is said of the fluxes."""
    if "mag" in found.rows:
        return ZERO_POINT, f"AB magnitudes in {found.rows['mag']!r}"
    columns = (found.rows["flux"], found.rows["flux_err"])
    given = zero_point is not None or flux_unit is not None or "zero_point" in found.rows
    told = told_unit(columns, file, given=given)
    if "zero_point" in found.rows:
        return ZERO_POINT, f"zero point of each row in {found.rows['zero_point']!r}"
    return zero_point_of(told, flux_unit, zero_point, file)


def _files(path: Path, objects: Path | None) -> list[Path]:
    if not path.is_dir():
        return [_existing(path)]
    other = None if objects is None else objects.resolve()
    found = [
        entry
        for entry in sorted(path.iterdir())
        if entry.is_file()
        and entry.name.lower().endswith(_ENDINGS)
        and not entry.name.startswith(".")
        and entry.resolve() != other
    ]
    if not found:
        raise fail(path, f"must hold a table ({', '.join(_ENDINGS)}), but holds none")
    return found


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise fail(path, "must be a table in CSV or Parquet, but does not exist")
    return path


def _add_rows(
    stream: SurveyStream,
    files: list[Path],
    found: ColumnMap,
    fluxes: Fluxes,
    index: ObjectIndex,
    gathered: Gathered | None,
) -> None:
    text = [found.object_id[0], found.rows["band"]]
    numbers = fluxes.number_columns()
    if gathered is not None:
        text += gathered.text_columns
        numbers += gathered.number_columns
    for file in files:
        for block in read_blocks(file, text, numbers):
            owner = index.numbers(block, found.object_id[0])
            if gathered is not None:
                for number, (row, rule) in gathered.take(block, owner, len(index.ids)).items():
                    place = f"{block.place(row)} (object {index.ids[number]!r})"
                    stream.reject(number, fail(place, rule))
            stream.add(fluxes.rows(block, owner, index.ids))


def _objects(
    table: pd.DataFrame, path: Path, id_column: str, roles: Mapping[str, str], types: Mapping[str, str]
) -> ObjectTable:
    """Return the objects of a table whose columns play `roles`."""
    return object_table(
        table,
        path,
        id_column=id_column,
        type_column=roles.get("type"),
        type_map=types,
        redshift_columns=[roles["redshift"]] if "redshift" in roles else [],
        covariates={role: (column,) for role, column in roles.items() if role not in ("type", "redshift")},
        closed=bool(types),
    )
