"""Reader for PLAsTiCC: a metadata CSV and light-curve CSVs of any size, read as streams.

The format and the classes: The PLAsTiCC team 2018, arXiv:1810.00001; Kessler et al. 2019, PASP 131,
094501, table 2. Fluxes have zero point 27.5.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

import numpy as np

from rookery.signature import OutPath
from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers._blocks import Block, column_names, read_blocks, read_table
from rookery.surveys.readers.light_curves._ingest import CodedOptions, LightCurveIngest
from rookery.surveys.readers.light_curves._long_rows import Fluxes, ObjectIndex
from rookery.surveys.readers.light_curves._object_table import ObjectTable, object_table
from rookery.surveys.readers.light_curves._stream import streaming
from rookery_ensembles.errors import fail

TYPES: Mapping[str, str] = {
    "90": "Ia", "67": "91bg", "52": "Iax", "42": "II", "62": "Ibc", "95": "SLSN", "15": "TDE", "64": "KN",
    "88": "AGN", "92": "RRL", "65": "M-dwarf", "16": "EB", "53": "Mira", "6": "microlens",
    "991": "binary-microlens", "992": "ILOT", "993": "CaRT", "994": "PISN", "995": "string-microlens",
}  # fmt: skip
BANDS: Mapping[str, str] = {"0": "u", "1": "g", "2": "r", "3": "i", "4": "z", "5": "y"}
COVARIATES: Mapping[str, tuple[str, ...]] = {
    "ra": ("ra",),
    "dec": ("decl", "dec"),
    "mwebv": ("mwebv",),
    "host_photo_z": ("hostgal_photoz",),
    "host_photo_z_err": ("hostgal_photoz_err",),
    "deep": ("ddf_bool", "ddf"),
}
_TYPE_COLUMNS = ("true_target", "target")
_ROLES = {"mjd": "mjd", "band": "passband", "flux": "flux", "flux_err": "flux_err"}
_LIGHT_CURVES = ("object_id", *_ROLES.values())


def ingest_plasticc(
    path: str | Path,
    out: OutPath,
    *,
    metadata: str | Path | None = None,
    **options: Unpack[CodedOptions],
) -> IngestReport:
    """Read PLAsTiCC's CSV tables (plain, gzipped or zipped) into a survey folder.

    Memory grows with the objects, not with the observations. Of the metadata, position, E(B-V),
    the host's photometric redshift with its error, and `ddf_bool` (as `deep`: 1 in a deep-drilling
    field) are covariates; all else is truth. The redshift is `true_z`, else `hostgal_specz`.
    Objects of the metadata without a row are left out and counted; a row whose object is not in
    the metadata is an error. Exact repeats of a row are dropped; different measurements of a band
    at one date are kept.

    Parameters
    ----------
    path
        A light-curve file (object_id, mjd, passband, flux, flux_err), or a folder of them.
    out
        Survey store to make.
    metadata
        Metadata CSV; by default the one beside `path` with `meta` in its name.
    options
        See :class:`CodedOptions`. The bands are 0 u, 1 g, 2 r, 3 i, 4 z, 5 y; the types
        are the classes of the challenge (90 Ia, 67 91bg, 52 Iax, 42 II, ...), told by `true_target`, else
        `target`, without `type_column`.

    Raises
    ------
    InputError
        For the first broken object or row, a file that lacks a column, or an `out` that exists.
    """
    ingest = LightCurveIngest("plasticc", path, out, types=TYPES, bands=BANDS, **options)
    files, described = _files(ingest.path, None if metadata is None else Path(metadata))
    objects = _objects(described, ingest.types, ingest.type_column)
    with streaming(ingest) as stream:
        objects.reject_wrong(stream)
        index, fluxes = ObjectIndex(objects.ids, ingest.faults), Fluxes(_ROLES)
        for file in files:
            for block in read_blocks(file, ("object_id", "passband"), fluxes.number_columns()):
                _check_bands(block, ingest.band_aliases)
                numbers = index.numbers(block, "object_id")
                stream.add(fluxes.rows(block, numbers, index.ids))
        n_read = stream.finish(
            objects.frame,
            objects.truth,
            simulated=True,
            source=ingest.path.name,
            metadata=described.name,
            files=[file.name for file in files],
            rows_without_measurement=fluxes.unmeasured,
        )
    return ingest.report(n_read)


def _check_bands(block: Block, known: Mapping[str, str]) -> None:
    """Refuse a passband that is none of PLAsTiCC's: as a name of its own it would pass as a band."""
    codes, names = block.text["passband"]
    unknown = [code for code, band in enumerate(names) if band and band not in known]
    if (wrong := np.isin(codes, unknown)).any():
        row = int(wrong.argmax())
        told = ", ".join(f"{code} ({band})" for code, band in known.items())
        raise fail(block.place(row), f"passband must be one of {told}, but is {names[codes[row]]}")


def _objects(path: Path, type_map: Mapping[str, str], type_column: str | None) -> ObjectTable:
    names = column_names(path)
    labels = type_column or next((name for name in _TYPE_COLUMNS if name in names), None)
    if type_column is not None and type_column not in names:
        raise fail(path, f"must have the type column {type_column!r}; its columns are {', '.join(names)}")
    table = read_table(path, ["object_id", *([labels] if labels else [])]).to_pandas()
    return object_table(
        table,
        path,
        id_column="object_id",
        type_column=labels,
        type_map=type_map,
        redshift_columns=("true_z", "hostgal_specz"),
        covariates=COVARIATES,
        undefined=-9.0,
    )


def _files(path: Path, metadata: Path | None) -> tuple[list[Path], Path]:
    """Return the light-curve files and the metadata file."""
    if not path.exists():
        raise fail(path, "must be a light-curve file or a folder of them, but does not exist")
    folder = path if path.is_dir() else path.parent
    tables = [
        entry
        for entry in sorted(folder.iterdir())
        if entry.is_file() and not entry.name.startswith(".") and ".csv" in entry.name.lower()
    ]
    if metadata is None:
        found = [entry for entry in tables if "meta" in entry.name.lower()]
        if len(found) != 1:
            names = f" ({', '.join(entry.name for entry in found)})" if found else ""
            rule = "one file beside the light curves must have 'meta' in its name, but"
            raise fail(folder, f"{rule} {len(found)} have{names}: name the file with --metadata")
        metadata = found[0]
    if not metadata.is_file():
        raise fail(metadata, "must be a metadata file, but does not exist")
    if not path.is_dir():
        return [path], metadata
    others = [entry for entry in tables if entry.resolve() != metadata.resolve()]
    files = [entry for entry in others if set(_LIGHT_CURVES) <= set(column_names(entry))]
    if not files:
        raise fail(path, f"must hold a CSV with the columns {', '.join(_LIGHT_CURVES)}, but holds none")
    return files, metadata
