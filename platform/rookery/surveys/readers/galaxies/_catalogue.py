"""Named columns -> a survey's objects: magnitudes in AB, redshifts, covariates, and the rules they keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.compute.progress import tracked
from rookery.surveys.galaxies import MISSING_MAGNITUDE
from rookery.surveys.ingest import Faults
from rookery.surveys.readers._tables import OpenTable, column_values
from rookery.surveys.readers.galaxies._roles import Roles, match_roles
from rookery.surveys.readers.galaxies.settings import CatalogueSettings
from rookery_ensembles.errors import InputError, fail

# Peculiar velocities and errors make redshifts slightly negative (the real BOSS sample has -0.0109);
# below this (6,000 km/s) a number is no redshift.
LOWEST_REDSHIFT = -0.02
# No AB or asinh magnitude of a catalogue lies outside; numbers that do are sentinels.
_FAINTEST = 60.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Galaxies:
    """The objects of one or several tables, in their order."""

    frame: pd.DataFrame
    """`object_id`, `type`, `redshift`, `mag_<band>`, `mag_err_<band>`, `flags`, covariates."""
    truth: pd.DataFrame | None
    """`object_id` and every column that plays no role."""
    bands: tuple[str, ...]
    """Bands with magnitudes, in order of wavelength."""
    wrong: Mapping[int, InputError]
    """Row -> what spoils it."""
    has_ids: bool
    """Whether the source told ids; without them they are row numbers."""
    roles: Mapping[str, str]
    """Role -> column."""

    def take(self, rows: NDArray[np.int64]) -> "Galaxies":
        """Return the galaxies of some rows, which break no rule."""
        frame = self.frame.iloc[rows].reset_index(drop=True)
        truth = None if self.truth is None else self.truth.iloc[rows].reset_index(drop=True)
        return replace(self, frame=frame, truth=truth, wrong={})

    def kept(self, faults: Faults) -> NDArray[np.int64]:
        """Return the rows that break no rule; the first one that does is raised, or each is noted.

        Raises
        ------
        InputError
            Also when no row is left.
        """
        for row, error in sorted(self.wrong.items()):
            faults.add(("row", row), error)
        keep = np.setdiff1d(np.arange(len(self.frame)), np.array(sorted(self.wrong), dtype=np.int64))
        if not len(keep):
            first = self.wrong[min(self.wrong)]
            raise InputError(f"no galaxy is left: every row breaks a rule, the first: {first}")
        return keep


@dataclass
class RowErrors:
    """What spoils rows: the first error of each, in the order in which rules are checked."""

    rules: dict[int, str] = field(default_factory=dict)
    """Error by row."""

    def add(self, rows: NDArray[np.bool_], rule: str, values: NDArray[np.float64] | None = None) -> None:
        """Note a rule that some rows break; `values` are told with it."""
        for row in np.flatnonzero(rows):
            told = rule if values is None else f"{rule}, but is {values[row]:g}"
            self.rules.setdefault(int(row), told)


@dataclass(frozen=True)
class Rows:
    """Where rows come from: the file of each, and its number there."""

    files: Sequence[Path]
    file_index: NDArray[np.int64]
    """The files, and the index of each row's."""
    number: NDArray[np.int64]
    """Of each row in its file."""

    @classmethod
    def of(cls, files: Sequence[Path], sizes: Sequence[int], firsts: Sequence[int] = ()) -> "Rows":
        """Return the rows of files one below the other; `sizes` are their numbers of rows.

        Rows begin with the first of each file, or with the one after so many (`firsts`).
        """
        skipped = firsts or [0] * len(sizes)
        numbers = np.concatenate(
            [np.arange(1, size + 1) + first for size, first in zip(sizes, skipped, strict=True)]
        )
        return cls(files, np.repeat(np.arange(len(files)), sizes), numbers)

    def place(self, row: int) -> str:
        """Return a row's name for messages; rows count from 1."""
        return f"{self.files[self.file_index[row]]}, row {self.number[row]}"

    def ids(self) -> list[str]:
        """Return ids for a source without: row numbers, behind the file's name where there are several."""
        numbers = [str(number) for number in self.number]
        if len(self.files) == 1:
            return numbers
        stems = [file.name.split(".")[0] for file in self.files]
        return [f"{stems[index]}-{number}" for index, number in zip(self.file_index, numbers, strict=True)]


def read_galaxies(
    tables: Sequence[OpenTable], settings: CatalogueSettings, *, need_bands: bool = True
) -> Galaxies:
    """Read tables with the same columns, one below the other.

    Raises
    ------
    InputError
        When roles cannot be matched, or a file is damaged or has other columns than the first.
    """
    first = tables[0]
    for table in tables[1:]:
        if set(table.names) != set(first.names):
            odd = sorted(set(table.names) ^ set(first.names))[0]
            raise fail(table.path, f"must have the columns of {first.path}, but they differ in {odd!r}")
    roles = match_roles(settings.mapping, first.names, first.path, need_bands=need_bands)
    text = [] if roles.object_id is None else [roles.object_id]
    frames = [table.read(first.names, text) for table in tracked(tables, "files")]
    return galaxies_from_columns(frames, [table.path for table in tables], roles, settings)


def galaxies_from_columns(
    frames: Sequence[pd.DataFrame],
    files: Sequence[Path],
    roles: Roles,
    settings: CatalogueSettings,
    *,
    firsts: Sequence[int] = (),
) -> Galaxies:
    """Turn named columns into objects, not dereddened yet; a broken row is noted, not raised.

    Parameters
    ----------
    frames
        Tables of the same columns, taken one below the other, of `files`.
    firsts
        Rows of each file that stand before those of its table; by default none.

    Raises
    ------
    InputError
        For what no row can mend, such as a unit that does not fit.
    """
    rows = Rows.of(files, [len(frame) for frame in frames], firsts)
    table = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    wrong = RowErrors()
    if roles.object_id is None:
        ids = rows.ids()
    else:
        ids = [value or "" for value in column_values(table[roles.object_id].to_numpy(), as_text=True)]
    _check_ids(ids, wrong, rows)
    columns: dict[str, Any] = {"object_id": np.array(ids, dtype=object), "type": None}
    rest = dict(roles.covariates)
    columns["redshift"] = np.full(len(table), np.nan)
    if "redshift" in rest:
        columns["redshift"] = _redshifts(table[rest.pop("redshift")], settings, wrong)
    covariates = {role: _covariate(role, table[column], settings, wrong) for role, column in rest.items()}
    absent = np.zeros(len(table), dtype=bool)
    for band in roles.bands:
        magnitude, error = _magnitudes(table, band, roles, settings, wrong)
        absent |= np.isnan(magnitude)
        columns[f"mag_{band}"] = magnitude
        if error is not None:
            columns[f"mag_err_{band}"] = error
    # A mapped covariate of a band that has no magnitudes may be called like one: it goes before.
    frame = pd.DataFrame({**columns, **covariates, "flags": np.where(absent, float(MISSING_MAGNITUDE), 0.0)})
    if len(rows.files) > 1:
        frame["source_file"] = [rows.files[index].name for index in rows.file_index]
    errors = {
        row: fail(rows.place(row) + (f" (object {ids[row]!r})" if ids[row] else ""), rule)
        for row, rule in wrong.rules.items()
    }
    return Galaxies(
        frame, _others(table, roles, ids), roles.bands, errors, roles.object_id is not None, roles.columns
    )


def dereddened(galaxies: Galaxies, settings: CatalogueSettings, where: str | Path) -> Galaxies:
    """Return galaxies with magnitudes corrected for Galactic extinction, if the settings ask for it.

    Raises
    ------
    InputError
        When nothing tells the reddening, or a band has no coefficient. A galaxy whose reddening
        is unknown is noted.
    """
    if not settings.deredden:
        return galaxies
    if "mwebv" not in galaxies.frame.columns:
        rule = "cannot be dereddened: no column is the reddening E(B-V). Map it with --column mwebv=NAME"
        raise fail(where, rule)
    frame = galaxies.frame.copy()
    for band in galaxies.bands:
        frame[f"mag_{band}"] -= settings.coefficient(band) * frame["mwebv"]
    wrong = dict(galaxies.wrong)
    for row in np.flatnonzero(frame["mwebv"].isna()):
        place = f"{where} (object {frame['object_id'].iloc[row]!r})"
        wrong.setdefault(int(row), fail(place, "'mwebv' is unknown, but dereddening needs it"))
    return replace(galaxies, frame=frame, wrong=wrong)


def _check_ids(ids: list[str], wrong: RowErrors, rows: Rows) -> None:
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if not name:
            wrong.rules.setdefault(row, "the object's id must not be missing")
        elif (other := first.setdefault(name, row)) != row:
            rule = f"object ids must be unique, but {name!r} is also that of {rows.place(other)}"
            wrong.rules.setdefault(row, rule)


def _redshifts(column: pd.Series, settings: CatalogueSettings, wrong: RowErrors) -> Floats:
    values = settings.without_missing(_numbers(column, "redshift", wrong), magnitudes=True)
    rule = f"redshift {column.name!r} must be at least {LOWEST_REDSHIFT:g} (or missing)"
    wrong.add(values < LOWEST_REDSHIFT, rule, values)
    return values


def _covariate(role: str, column: pd.Series, settings: CatalogueSettings, wrong: RowErrors) -> Floats:
    values = settings.without_missing(_numbers(column, role, wrong), magnitudes=False)
    limits = {"mwebv": (0.0, np.inf), "ra": (-360.0, 360.0), "dec": (-90.0, 90.0)}
    low, high = limits.get(role, (-np.inf, np.inf))
    wrong.add(
        (values < low) | (values > high), f"{column.name!r} ({role}) must lie in {low:g} .. {high:g}", values
    )
    return values


def _magnitudes(
    table: pd.DataFrame, band: str, roles: Roles, settings: CatalogueSettings, wrong: RowErrors
) -> tuple[Floats, Floats | None]:
    column = roles.value[band]
    unit = settings.unit_of(band, is_flux=band in roles.flux)
    in_magnitudes = unit in ("ab", "asinh")
    raw = settings.without_missing(_numbers(table[column], f"band {band}", wrong), magnitudes=in_magnitudes)
    if in_magnitudes:
        rule = (
            f"{column!r} must be a magnitude between {-_FAINTEST:g} and {_FAINTEST:g} (a number that means "
            "'missing' is told by --missing)"
        )
        wrong.add(np.abs(raw) > _FAINTEST, rule, raw)
    if band not in roles.error:
        return settings.to_ab(band, raw, None, unit=unit)
    error_column = roles.error[band]
    error = _numbers(table[error_column], f"error of band {band}", wrong)
    error = np.where(np.isnan(raw), np.nan, settings.without_missing(error, magnitudes=in_magnitudes))
    wrong.add(error <= 0, f"{error_column!r}, the error of {column!r}, must be positive", error)
    return settings.to_ab(band, raw, error, unit=unit)


def _numbers(column: pd.Series, what: str, wrong: RowErrors) -> Floats:
    """Return a column as finite numbers and NaN; rows with anything else are noted."""
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    else:
        values = np.full(len(column), np.nan)
        for row, entry in enumerate(column):
            if (
                entry is None
                or entry is pd.NA
                or str(entry).strip().lower() in ("", "nan", "null", "none", "na")
            ):
                continue
            try:
                values[row] = float(entry)
            except (ValueError, TypeError):
                rule = f"{column.name!r} ({what}) must be a number, but is {str(entry)[:40]!r}"
                wrong.rules.setdefault(row, rule)
    infinite = np.isinf(values)
    wrong.add(infinite, f"{column.name!r} ({what}) must be finite", values)
    values[infinite] = np.nan
    return values


def _others(table: pd.DataFrame, roles: Roles, ids: list[str]) -> pd.DataFrame | None:
    taken = set(roles.columns.values())
    others = {name: table[name] for name in table.columns if name not in taken}
    if not others:
        return None
    named = {"id_in_source" if name == "object_id" else name: values for name, values in others.items()}
    return pd.DataFrame({"object_id": np.array(ids, dtype=object), **named})
