"""A catalogue file predicted as it is: read as the survey was that the ensemble learned from."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.surveys import Survey, open_survey
from rookery.surveys.hats import is_hats
from rookery.surveys.readers._tables import missing_column, open_table
from rookery.surveys.readers.galaxies.catalogue import ingest_catalogue
from rookery.surveys.readers.galaxies.settings import CatalogueOptions
from rookery_ensembles import Bundle
from rookery_ensembles.errors import fail
from rookery_ensembles.files import check_name

KEY = "catalogue"
"""Of a bundle's provenance: how the catalogue was read whose objects trained the members."""
_ID, _DATE = "object_id", "mjd"


def how_it_was_read(survey: Survey) -> dict[str, Any]:
    """Return the entry `KEY` for a bundle's provenance, in plain values; nothing for other surveys."""
    told = survey.info.provenance
    columns = told.get("columns")
    if not isinstance(columns, Mapping) or not _of_galaxies(columns):
        return {}
    kept = {key: told[key] for key in ("units", "offsets", "dereddened", "missing") if told.get(key)}
    return {KEY: {"columns": dict(columns), **kept}}


@dataclass(frozen=True)
class Opened:
    """What is to be predicted."""

    survey: Survey
    columns: Mapping[str, NDArray[Any]] | None = None
    """All columns of the catalogue file, `object_id` among them; None where a survey store was given."""
    id_column: str = _ID
    """The one that holds the objects' names."""


@contextmanager
def opened(
    bundle: Bundle, path: str | Path, out: str | Path, *, allow_missing_bands: bool
) -> Iterator[Opened]:
    """Yield a survey store, or a catalogue file as a store that is gone afterwards.

    Parameters
    ----------
    path
        A survey store, or a catalogue: FITS, CSV, Parquet, text or ``.npy``.
    out
        The file to write; the store of a catalogue lies beside it for as long as it is needed.

    Raises
    ------
    InputError
        When the bundle does not tell how its catalogue was read, or the file lacks a column of a band or of
        the objects' names.
    """
    if is_hats(path):
        rule = "is a HATS catalogue, which is predicted into a folder"
        raise fail(path, f"{rule}, but {out} names a file: give a name without an ending")
    if not Path(path).is_file():
        yield Opened(open_survey(path))
        return
    with _as_store(bundle, Path(path), Path(out), allow_missing_bands) as (survey, mapping, table):
        id_column = mapping.get(_ID)
        frame = table.read(table.names, [id_column] if id_column else [])
        columns = {name: frame[name].to_numpy() for name in table.names}
        if id_column is None:  # ids are row numbers
            columns = {_ID: survey.objects[_ID].to_numpy().astype(np.str_), **columns}
        # Messages are to name the file, and nothing more is read from the store.
        yield Opened(replace(survey, path=Path(path)), columns, id_column or _ID)


@contextmanager
def stored(
    bundle: Bundle, path: str | Path, out: str | Path, *, allow_missing_bands: bool
) -> Iterator[tuple[Path, Path]]:
    """Yield a folder, and what messages call it: a survey store or HATS catalogue, or that of a file.

    Parameters and errors are those of `opened`.
    """
    if not Path(path).is_file():
        yield Path(path), Path(path)
        return
    with _as_store(bundle, Path(path), Path(out), allow_missing_bands) as (survey, _, _):
        folder = survey.path
        del survey  # its objects are read anew, block by block
        yield folder, Path(path)


@contextmanager
def _as_store(
    bundle: Bundle, path: Path, out: Path, allow_missing_bands: bool
) -> Iterator[tuple[Survey, dict[str, str], Any]]:
    """Read a catalogue into a store beside an output; yield it, the columns of roles, and the table."""
    how_was_it_read(bundle, path)
    table = open_table(path)
    options = catalogue_options(bundle, path, table.names, allow_missing_bands=allow_missing_bands)
    check_name(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    try:
        survey = ingest_catalogue(path, scratch / "survey", **options).survey
        yield survey, dict(options["columns"] or {}), table
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def how_was_it_read(bundle: Bundle, path: Path) -> Mapping[str, Any]:
    """Return how the catalogue was read that a bundle's members learned from; InputError without that."""
    how = bundle.provenance.get(KEY)
    if isinstance(how, Mapping) and _of_galaxies(how["columns"]):
        return how
    rule = "is no survey store, and the bundle does not tell how a catalogue was read for its training"
    raise fail(path, f"{rule}: read it with `rookery ingest`, and predict the survey store")


def _of_galaxies(columns: Mapping[str, Any]) -> bool:
    """Whether roles of columns are a catalogue's, which has some for each band, and no light curves'."""
    return _DATE not in columns and any(role.startswith(("mag_", "flux_")) for role in columns)


def catalogue_options(
    bundle: Bundle, path: Path, names: list[str], *, allow_missing_bands: bool
) -> CatalogueOptions:
    """Return how a catalogue with columns of these names is read like the one of the members' training.

    Raises
    ------
    InputError
        When the bundle does not tell it, or a column of a band or of the objects' names is not there.
    """
    how = how_was_it_read(bundle, path)
    mapping = _found(dict(how["columns"]), names, path, allow_missing_bands)
    dereddened = how.get("dereddened")
    return {
        "name": path.name,
        "columns": mapping,
        "unit": _of_bands(how.get("units"), mapping),
        "offsets": _of_bands(how.get("offsets"), mapping),
        "deredden": bool(dereddened),
        "extinction": _of_bands(dereddened, mapping) if dereddened else None,
        "missing": how.get("missing"),
    }


def _found(roles: dict[str, str], names: list[str], where: Path, allow_missing_bands: bool) -> dict[str, str]:
    """Return the roles whose columns are there.

    The truth and covariates may be absent: the networks say themselves which of these they need.
    """
    found = {role: column for role, column in roles.items() if column in names}
    for role, column in roles.items():
        band = role.startswith(("mag_", "flux_"))
        if role not in found and (role == _ID or (band and not allow_missing_bands)):
            hint = "; --allow-missing-bands predicts without bands" if band else ""
            raise missing_column(role, column, names, where, hint)
    return found


def _of_bands(told: Any, mapping: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what is told of those bands that the catalogue has."""
    if not isinstance(told, Mapping):
        return None
    bands = {role.split("_", 1)[1] for role in mapping if role.startswith(("mag_", "flux_"))}
    return {band: value for band, value in told.items() if band in bands} or None
