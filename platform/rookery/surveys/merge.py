"""Several surveys as one: bands and classes aligned, and each object's origin kept beside it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rookery.compute.progress import tracked
from rookery.surveys._document import DOCUMENT
from rookery.surveys._split_file import Split, open_split, split_path, write_split
from rookery.surveys.bands import plain_band, wavelength_order
from rookery.surveys.galaxies import new_galaxy_survey
from rookery.surveys.objects import covariate_columns, objects_frame
from rookery.surveys.observations import ObservationArrays, assemble, check_observations
from rookery.surveys.parts import merged_part
from rookery.surveys.store import Survey, open_survey, write_light_curves
from rookery.surveys.view import SurveyView
from rookery_ensembles.errors import fail
from rookery_ensembles.files import refuse_existing
from rookery_ensembles.object_types import type_key

ORIGIN = "origin"
_ORIGIN_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_CUTOUTS = 512
_Renamed = Mapping[str, str] | None


@dataclass(frozen=True)
class _Part:
    """One of the surveys that are merged."""

    survey: Survey
    origin: str
    """What its objects' origin is called, unless they have one."""
    bands: tuple[str, ...]
    """Its bands as the merged survey calls them, in its own order."""
    objects: pd.DataFrame
    """Its object table with the merged survey's ids, types and names of columns."""


def merge_surveys(
    surveys: Sequence[str | Path],
    out: str | Path,
    *,
    origins: Sequence[str] = (),
    prefix_ids: bool = False,
    origin_input: bool = False,
    band_aliases: _Renamed = None,
    type_map: _Renamed = None,
    split: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Survey:
    """Put surveys of one kind together in a new folder, one below the other.

    Its bands are all of theirs by wavelength; a light curve or a catalogue's row has nothing in a band that
    its own survey lacks. Its covariates are all of theirs, missing where a survey lacks one. The column
    `origin` of the object table says which survey an object is from: conditions (``origin=des``) see it,
    no network does. Truth tables are put together too; a truth column that is text in one survey is text.

    Parameters
    ----------
    surveys
        Survey stores, at least two.
    out
        Survey store to make.
    origins
        What the surveys are called in the column `origin`, in their order; by default their names. Objects
        that have an origin already, of an earlier merge, keep it.
    prefix_ids
        Put the survey's origin before each object id, ORIGIN:ID.
    origin_input
        Also make covariates `from_ORIGIN`, 1 or 0, which networks may be told to see.
    band_aliases
        OLD=NEW name of a band, in whichever survey has it.
    type_map
        OLD=NEW name of a class, in whichever survey has it.
    split
        A split of the first survey that goes along, with the other surveys as what is to be classified: the
        first one's training and validation objects keep role and fold, and its others are left out; objects
        of the others test where their class, or a galaxy's redshift, is known, and are unlabelled else.
        Copies, degraded validation and unlabelled terms of the loss then look at the other surveys.
    name
        Name of the merged survey; by default that of its folder.
    overwrite
        Replace a survey that is there already.

    Raises
    ------
    InputError
        For surveys of several kinds, units, zero points or sizes of cutouts; without a band in common; with
        two names for what looks like one band or class; for ids that clash. Nothing is written then.
    """
    out = Path(out)
    refuse_existing(out, overwrite=overwrite, document=DOCUMENT)
    opened = [open_survey(path) for path in surveys]
    kept: Split | None = None
    if split is not None and opened:
        kept = open_split(opened[0], split)
        opened[0] = SurveyView.of_objects(opened[0], kept.labelled)
    parts = _parts(opened, origins, prefix_ids, band_aliases or {}, type_map or {})
    _check_kinds(parts)
    bands = _aligned_bands(parts)
    _check_classes(parts)
    _check_ids(parts)
    frame = pd.concat([part.objects for part in parts], ignore_index=True)
    if origin_input:
        for value in dict.fromkeys(frame[ORIGIN]):
            frame[f"from_{value}"] = (frame[ORIGIN] == value).astype(float)
    frame = objects_frame(frame, out)
    truth = _truth(parts, frame["object_id"].tolist())
    provenance = {"merged": [_told(part) for part in parts]}
    name = name or out.name.split(".")[0]
    if parts[0].survey.info.kind == "light_curves":
        arrays = _observations(parts, bands)
        check_observations(arrays, frame["object_id"].tolist(), out)
        merged = write_light_curves(out, name, bands, frame, arrays, truth, provenance, replace=overwrite)
    else:
        merged = _galaxies(out, name, bands, parts, frame, truth, provenance, overwrite)
    if kept is not None:
        write_merged_split(merged, kept)
    return merged


def write_merged_split(merged: Survey, kept: Split) -> None:
    """Write the first survey's split for the merged one, whose other objects are to be classified."""
    rows = kept.labelled
    column = "type" if merged.info.kind == "light_curves" else "redshift"
    known = merged.objects[column].notna().to_numpy()
    role = np.where(known, "test", "unlabelled").astype(object)
    fold = np.full(len(merged), -1, np.int16)
    role[: len(rows)], fold[: len(rows)] = kept.role[rows], kept.fold[rows]
    group = None
    if kept.group is not None:
        others = len(merged) - len(rows)
        group = np.concatenate([kept.group[rows], kept.group.max() + 1 + np.arange(others)])
    write_split(split_path(merged, kept.name), merged, role, fold, {"merged": kept.name}, group)


def _parts(
    opened: Sequence[Survey], origins: Sequence[str], prefix_ids: bool, bands: Any, types: Any
) -> list[_Part]:
    """Give objects and bands the names that they shall have."""
    if len(opened) < 2:
        raise fail("surveys", f"at least two surveys can be merged, but there is {len(opened)}")
    names = list(origins) or [survey.info.name for survey in opened]
    if len(names) != len(opened):
        raise fail("--origin", f"must name each of {len(opened)} surveys, but names {len(names)}")
    for origin in names:
        if not _ORIGIN_NAME.fullmatch(origin):
            rule = f"an origin must be letters, digits, '.', '_' and '-', but is {origin!r}"
            raise fail("--origin", f"{rule}: give other names")
    if repeated := sorted({origin for origin in names if names.count(origin) > 1}):
        raise fail("--origin", f"origins must differ, but several surveys are {repeated[0]!r}: name them")
    for given, known, option in (
        (bands, {band for survey in opened for band in survey.bands}, "--band"),
        (types, {kind for survey in opened for kind in survey.objects["type"].dropna()}, "--type"),
    ):
        if unknown := [old for old in given if old not in known]:
            raise fail(f"{option} {unknown[0]}", f"no survey has it; they have {', '.join(sorted(known))}")
    return [_part(*both, prefix_ids, bands, types) for both in zip(opened, names, strict=True)]


def _part(survey: Survey, origin: str, prefix_ids: bool, bands: _Renamed, types: _Renamed) -> _Part:
    bands, types = bands or {}, types or {}
    called = tuple(bands.get(band, band) for band in survey.bands)
    if len(set(called)) < len(called):
        raise fail(survey.path, f"two of its bands would have one name: {' '.join(called)}")
    columns = {
        f"{prefix}_{old}": f"{prefix}_{new}"
        for old, new in zip(survey.bands, called, strict=True)
        for prefix in ("mag", "mag_err")
    }
    objects = survey.objects.rename(columns=columns)
    if ORIGIN not in objects:
        objects = objects.assign(origin=origin)
    objects["type"] = [types.get(kind, kind) for kind in objects["type"]]
    if prefix_ids:
        objects["object_id"] = [f"{origin}:{one}" for one in objects["object_id"]]
    return _Part(survey, origin, called, objects)


def _check_kinds(parts: Sequence[_Part]) -> None:
    """Refuse what cannot stand in one table: several kinds, units, zero points, sizes of cutouts."""
    for key in ("kind", "flux_unit", "zero_point", "time_unit"):
        _all_equal(parts, key, [getattr(part.survey.info, key) for part in parts])
    images = [part.survey.info.image for part in parts]
    for key in ("size", "pixel_scale"):
        _all_equal(parts, f"image.{key}", [None if one is None else getattr(one, key) for one in images])


def _all_equal(parts: Sequence[_Part], key: str, values: Sequence[Any]) -> None:
    for part, value in zip(parts, values, strict=True):
        if value != values[0]:
            first = parts[0].survey.path
            rule = f"{key} must be that of {first}, {values[0]}, for them to be merged"
            raise fail(part.survey.path, f"{rule}, but is {value}")


def _aligned_bands(parts: Sequence[_Part]) -> list[str]:
    """Return all bands by wavelength; refuse two names for one band, and surveys that share none."""
    owner: dict[str, _Part] = {}
    plain: dict[str, str] = {}
    for part in parts:
        for band in part.bands:
            owner.setdefault(band, part)
            other = plain.setdefault(plain_band(band), band)
            if other != band:
                where = f"{owner[other].survey.path} has the band {other!r} and {part.survey.path} {band!r}"
                raise fail("bands", f"{where}: make them one with --band {band}={other}, or rename one")
    for part in reversed(parts):
        others = {band for other in parts if other is not part for band in other.bands}
        if not others & set(part.bands):
            rule = f"must share a band with the other surveys ({' '.join(wavelength_order(others))})"
            raise fail(part.survey.path, f"{rule}, but has {' '.join(part.bands)}: --band OLD=NEW renames")
        if part.survey.info.kind == "images" and set(part.bands) != set(parts[0].bands):
            rule = f"cutouts must have the bands of {parts[0].survey.path}, {' '.join(parts[0].bands)}"
            raise fail(part.survey.path, f"{rule}, but have {' '.join(part.bands)}")
    return wavelength_order(owner)


def _check_classes(parts: Sequence[_Part]) -> None:
    """Refuse two spellings of what looks like one class: Ia, SNIa and SN Ia."""
    seen: dict[str, tuple[str, _Part]] = {}
    for part in parts:
        for kind in part.objects["type"].dropna().unique():
            other, owner = seen.setdefault(type_key(kind), (kind, part))
            if other != kind:
                where = f"{owner.survey.path} has the class {other!r} and {part.survey.path} {kind!r}"
                raise fail("type", f"{where}: make them one with --type {kind}={other}, or rename one")


def _check_ids(parts: Sequence[_Part]) -> None:
    ids = pd.concat([part.objects["object_id"] for part in parts], ignore_index=True)
    if not (repeated := ids.duplicated().to_numpy()).any():
        return
    some = ids[int(repeated.argmax())]
    where = [str(part.survey.path) for part in parts if (part.objects["object_id"] == some).any()]
    rule = (
        f"object ids must be unique, but {repeated.sum()} repeat, such as {some!r} in {' and '.join(where)}"
    )
    raise fail("object_id", f"{rule}: --prefix-ids puts each survey's origin before them")


def _truth(parts: Sequence[_Part], ids: list[str]) -> pd.DataFrame | None:
    """Return all truth tables as one, with the ids of the merged survey; None where no survey has one."""
    tables = [part.survey.truth() for part in parts]
    if all(table is None for table in tables):
        return None
    given: list[pd.DataFrame] = []
    for part, table in zip(parts, tables, strict=True):
        empty = pd.DataFrame(index=range(len(part.objects)))
        given.append(empty if table is None else table.drop(columns="object_id"))
    text = {str(name) for one in given for name in one if not pd.api.types.is_numeric_dtype(one[name])}
    merged = pd.concat([as_text(one, text) for one in given], ignore_index=True)
    return pd.concat([pd.DataFrame({"object_id": ids}), merged], axis=1)


def as_text(table: pd.DataFrame, names: set[str]) -> pd.DataFrame:
    """Return a table with some columns as text (None where missing), the others as numbers."""
    columns = {}
    for name in map(str, table.columns):
        missing = table[name].isna()
        if name in names:
            values = [None if gone else str(v) for v, gone in zip(table[name], missing, strict=True)]
            columns[name] = pd.Series(values, dtype=object)
        else:
            columns[name] = pd.Series(table[name].to_numpy(np.float64, na_value=np.nan))
    return pd.DataFrame(columns, index=range(len(table)))


def _observations(parts: Sequence[_Part], bands: list[str]) -> ObservationArrays:
    """Return the observations of all, their bands and objects numbered anew."""
    columns: dict[str, list[Any]] = {key: [] for key in ("owner", "mjd", "band", "flux", "flux_err")}
    first = 0
    for part in parts:
        arrays = part.survey.observation_arrays()
        place = np.array([bands.index(band) for band in part.bands], np.int8)
        columns["owner"].append(arrays.object_index.astype(np.int64) + first)
        columns["band"].append(place[arrays.band_index])
        for key in ("mjd", "flux", "flux_err"):
            columns[key].append(getattr(arrays, key))
        first += len(part.objects)
    joined = {key: np.concatenate(values) for key, values in columns.items()}
    return assemble(joined["owner"], joined["mjd"], joined["band"], joined["flux"], joined["flux_err"], first)


def _galaxies(
    out: Path,
    name: str,
    bands: list[str],
    parts: Sequence[_Part],
    frame: pd.DataFrame,
    truth: pd.DataFrame | None,
    provenance: Mapping[str, Any],
    overwrite: bool,
) -> Survey:
    with new_galaxy_survey(out, name=name, bands=bands, replace=overwrite) as writer:
        images = [part.survey.info.image for part in parts]
        if images[0] is not None:
            coarse = all(one is not None and one.dtype == "float16" for one in images)
            size, scale = images[0].size, images[0].pixel_scale
            writer.open_images(size=size, pixel_scale=scale, dtype="float16" if coarse else "float32")
            for part in parts:
                order = [part.bands.index(band) for band in bands]
                pixels = part.survey.image_array()
                blocks = (pixels[start : start + _CUTOUTS] for start in range(0, len(pixels), _CUTOUTS))
                for block in tracked(blocks, "cutouts", len(pixels), size=len):
                    writer.add_images(block[:, order])
        writer.finish(objects=frame, truth=truth, provenance=provenance)
    return open_survey(out)


def _told(part: _Part) -> dict[str, Any]:
    """Return what the merged survey's document says of one of its surveys."""
    info = part.survey.info
    return {
        "name": info.name,
        "origin": part.origin,
        **merged_part(part.survey),
        "bands": dict(zip(info.bands, part.bands, strict=True)),
        "covariates": covariate_columns(list(part.survey.objects.columns)),
    }
