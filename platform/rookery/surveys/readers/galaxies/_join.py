"""Images of galaxies joined with what a catalogue tells of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.galaxies import MISSING_MAGNITUDE
from rookery.surveys.readers._tables import open_table
from rookery.surveys.readers.galaxies._catalogue import (
    Galaxies,
    dereddened,
    galaxies_from_columns,
    read_galaxies,
)
from rookery.surveys.readers.galaxies._roles import match_roles, plays
from rookery.surveys.readers.galaxies.settings import CatalogueSettings, ImageSettings
from rookery_ensembles.errors import fail

# How far numbers may differ that tell the same of one galaxy in two sources without common ids.
_SAME = {"redshift": 1e-3, "ra": 1e-3, "dec": 1e-3}


def labelled(
    labels: Sequence[pd.DataFrame], files: Sequence[Path], settings: ImageSettings, where: Path
) -> tuple[Galaxies, Galaxies]:
    """Return the galaxies of images by their own labels, and with what the catalogue tells of them.

    Beside a catalogue the roles whose columns are not among the labels are the catalogue's.

    Parameters
    ----------
    labels
        Tables of the same columns, a row an image, of `files`.
    where
        What the images are called in messages.

    Raises
    ------
    InputError
        As :func:`read_catalogue`, and when numbers differ, or rows without ids tell of different galaxies.
    """
    names, mapping = list(labels[0].columns), settings.mapping
    if settings.catalogue is not None:
        mapping = {role: column for role, column in mapping.items() if plays(role, column, names)}
    mapped = _with_mapping(settings, mapping)
    roles = match_roles(mapping, names, files[0], need_bands=False)
    own = galaxies_from_columns(labels, files, roles, mapped)
    catalogue = read_catalogue(settings, names)
    if catalogue is None:
        return own, dereddened(own, settings, where)
    return own, _joined(own, catalogue, settings, where)


def read_catalogue(settings: ImageSettings, own_names: list[str]) -> Galaxies | None:
    """Return the catalogue that belongs to the images, or None without one.

    Roles whose columns are among the images' labels (`own_names`) alone are not looked for in it.

    Raises
    ------
    InputError
        As :func:`read_galaxies`.
    """
    if settings.catalogue is None:
        return None
    table = open_table(Path(settings.catalogue), names=settings.names)
    mapping = {
        role: column
        for role, column in settings.mapping.items()
        if plays(role, column, table.names) or not plays(role, column, own_names)
    }
    return read_galaxies([table], _with_mapping(settings, mapping), need_bands=False)


def _with_mapping(settings: ImageSettings, mapping: Mapping[str, str]) -> CatalogueSettings:
    return CatalogueSettings(
        columns=mapping,
        unit=settings.unit,
        softening=settings.softening,
        offsets=settings.offsets,
        missing=settings.missing,
    )


def _joined(own: Galaxies, catalogue: Galaxies, settings: ImageSettings, where: Path) -> Galaxies:
    """Return the images' objects with what the catalogue tells of them, in the images' order.

    Where both have ids these must be the same, in any order; else numbers must agree, and so must
    redshifts and positions where both tell them.
    """
    table = str(settings.catalogue)
    wrong = dict(own.wrong)
    n, m = len(own.frame), len(catalogue.frame)
    if own.has_ids and catalogue.has_ids:
        place_of = {name: row for row, name in reversed(list(enumerate(catalogue.frame["object_id"])))}
        places = np.array([place_of.get(name, -1) for name in own.frame["object_id"]], dtype=np.int64)
        same = f"images and catalogue must have the same objects ({n} and {m})"
        for row in np.flatnonzero(places < 0).tolist():
            rule = f"object {own.frame['object_id'].iloc[row]!r} has no row there"
            wrong.setdefault(row, fail(table, f"{rule}: {same}"))
        lonely = np.setdiff1d(np.arange(m), places).tolist()
        extra = {
            n + number: error for number, (row, error) in enumerate(catalogue.wrong.items()) if row in lonely
        }
        lonely = [row for row in lonely if row not in catalogue.wrong]
        if lonely:
            first = catalogue.frame["object_id"].iloc[lonely[0]]
            rule = f"{len(lonely)} of its objects have no image in {where}, the first {first!r}: {same}"
            extra[n + m] = fail(table, rule)
    else:
        if n != m:
            rule = f"there must be as many rows as images in {where}, since ids do not tell which is whose"
            raise fail(table, f"{rule}, but there are {m} rows and {n} images")
        _require_same_galaxies(own, catalogue, table, where)
        places, extra = np.arange(n), {}
    for row, place in enumerate(places.tolist()):
        if place in catalogue.wrong:
            wrong.setdefault(row, catalogue.wrong[place])
    told = catalogue.frame.iloc[np.maximum(places, 0)].reset_index(drop=True)
    frame = own.frame.copy()
    identity = ["object_id"] if own.has_ids or not catalogue.has_ids else []
    for name in told.columns.drop([*identity, "type", "flags", "source_file"], errors="ignore"):
        known = frame[name] if name in frame.columns and name != "object_id" else None
        frame[name] = told[name] if known is None else told[name].fillna(known)
    bands = tuple(dict.fromkeys([*own.bands, *catalogue.bands]))
    absent = np.zeros(n, dtype=bool)
    for band in bands:
        absent |= frame[f"mag_{band}"].isna().to_numpy()
    frame["flags"] = np.where(absent, float(MISSING_MAGNITUDE), 0.0)
    ids = frame["object_id"].to_numpy()
    truth = _joined_truth(own.truth, catalogue.truth, places, ids)
    has_ids = own.has_ids or catalogue.has_ids
    roles = {**own.roles, **catalogue.roles}
    whole = Galaxies(frame, truth, bands, {**wrong, **extra}, has_ids, roles)
    return dereddened(whole, settings, table)


def _require_same_galaxies(own: Galaxies, catalogue: Galaxies, table: str, where: Path) -> None:
    for name, tolerance in _SAME.items():
        if name in own.frame.columns and name in catalogue.frame.columns:
            ours, theirs = own.frame[name].to_numpy(), catalogue.frame[name].to_numpy()
            differ = np.abs(ours - theirs) > tolerance
            if differ.any():
                row = int(differ.argmax())
                raise fail(
                    f"{table}, row {row + 1}",
                    f"{name} must be that of image {row + 1} of {where} ({ours[row]:g}), but is "
                    f"{theirs[row]:g}: images and catalogue are in different orders",
                )


def _joined_truth(
    own: pd.DataFrame | None, other: pd.DataFrame | None, places: NDArray[np.int64], ids: NDArray[Any]
) -> pd.DataFrame | None:
    parts = {}
    for table, rows in ((own, np.arange(len(places))), (other, np.maximum(places, 0))):
        if table is not None:
            parts.update(table.iloc[rows].reset_index(drop=True).to_dict("series"))
    return pd.DataFrame({**parts, "object_id": ids}) if parts else None
