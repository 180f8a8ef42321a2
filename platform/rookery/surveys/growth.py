"""A survey that grows: observations of tonight, and spectra that arrive later. Whole or not at all."""

import inspect
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from rookery.surveys import objects as _objects
from rookery.surveys._document import DOCUMENT, IMAGES, OBJECTS, OBSERVATIONS, read_info
from rookery.surveys._joined import joined_objects, joined_observations, joined_truth, read_truth
from rookery.surveys._split_file import carry_split
from rookery.surveys.galaxies import GalaxyWriter
from rookery.surveys.ingest import RowOnError
from rookery.surveys.readers import all_readers
from rookery.surveys.readers.light_curves._roles import ROW_ROLES
from rookery.surveys.store import Survey, fill_light_curves, open_survey, write_tables
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_folder
from rookery_ensembles.object_types import type_key
from rookery_ensembles.shown import short_repr

logger = logging.getLogger(__name__)
_CUTOUTS = 512
_TABLES = ("objects", "metadata", "manifest", "catalogue")
"""What readers call a second file, which tells of the objects."""


@short_repr
@dataclass(frozen=True)
class Growth:
    """How a survey has grown."""

    survey: Survey
    """What it is now."""
    added: int = 0
    extended: int = 0
    """New objects; known ones with new observations, or a new row."""
    observations: int = 0
    repeated: int = 0
    """New observations; and those that the survey had already."""
    truths: int = 0
    """Types and redshifts that were unknown, or have changed."""
    strangers: int = 0
    """Rows of a table of truth whose object the survey does not have."""
    skipped: int = 0
    """Light curves, galaxies or rows of the new files that were left out as broken."""
    splits: tuple[str, ...] = ()
    """Splits that went along: what they said of each object holds, and new objects are "unlabelled"."""


def append_to_survey(
    survey: str | Path,
    path: str | Path,
    *,
    objects: str | Path | None = None,
    on_error: RowOnError = "stop",
    overwrite: bool = False,
) -> Growth:
    """Add files of the kind that a survey was read from: new objects, and new observations of known ones.

    The survey's reader reads them with the options that it was given then. Observations that the survey has
    already are left out. What is known of an object fills what was unknown. Splits stay as they are, with the
    new objects as "unlabelled": neither what trains nor what judges changes unasked. Predictions of the
    survey as it was are still taken for it (`evaluate`, `compare`); a study cannot be continued on it.

    Parameters
    ----------
    survey
        Survey store, which a reader made.
    path
        File or folder to add.
    objects
        The table of these objects, where there is one beside the observations (of cutouts: the catalogue or
        manifest).
    on_error
        At a broken light curve or galaxy: stop and change nothing, or skip it, or its broken rows alone.
    overwrite
        Let what the files say of a known object replace what the survey says otherwise; of galaxies the
        whole row and the cutout.

    Raises
    ------
    InputError
        For a survey that no reader made, files that break a rule of its reader, bands or classes spelt as
        the survey's are not, or known objects of which the files say something else. Nothing is changed then.
    """
    old = open_survey(survey)
    reader, options = _reader(old, objects)
    with _changed(old, "append", path) as (partial, provenance):
        place = partial / "appended"
        report = reader(path, place, on_error=on_error, **options)
        part = report.survey
        skipped = report.n_skipped + sum(found.rows for found in report.dropped.values())
        _check_alike(old, part, path)
        known = pd.Index(old.objects["object_id"]).get_indexer(pd.Index(part.objects["object_id"]))
        rows = np.where(known >= 0, known, len(old) + np.cumsum(known < 0) - 1)
        galaxies = old.info.kind != "light_curves"
        frame, truths = joined_objects(
            old.objects, part.objects, rows, path, replace=overwrite, whole=galaxies
        )
        frame = _objects.objects_frame(frame, path)
        truth = joined_truth(old.truth(), part.truth(), rows, frame["object_id"].tolist(), whole=galaxies)
        observed: dict[str, int] = {"extended": int((known >= 0).sum())}
        if galaxies:
            _fill_galaxies(partial, old, part, rows, frame, truth, provenance)
        else:
            arrays, observed = joined_observations(old, part, rows, len(frame))
            where = (partial, old.path, old.info.name, old.bands)
            fill_light_curves(*where, frame, arrays, truth, provenance)
        del part, report
        shutil.rmtree(place)
        splits = _carry_splits(old, partial)
    told = {"truths": truths, "splits": splits, "skipped": skipped, **observed}
    return Growth(open_survey(old.path), len(frame) - len(old), **told)


def update_survey(
    survey: str | Path,
    truth: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Growth:
    """Take over redshifts and types that became known after a survey was read.

    Splits stay as they are: an object that was "unlabelled" may be judged now (``--role unlabelled``), and
    trains only in a new split. Predictions of the survey as it was are still taken for it.

    Parameters
    ----------
    survey
        Survey store.
    truth
        Table (CSV, FITS, Parquet, text) with a column of object ids, and one of redshifts or types; rows of
        other objects are counted and left out, as are empty values.
    columns
        ROLE=COLUMN for `object_id`, `redshift` and `type`; by default the survey's own and the usual names.
    overwrite
        Let the table replace what the survey says otherwise.

    Raises
    ------
    InputError
        For a table without such columns or known objects, ids that repeat, a type spelt as the survey's
        classes are not, or what contradicts the survey. Nothing is changed then.
    """
    old = open_survey(survey)
    ids = pd.Index(old.objects["object_id"])
    found = read_truth(Path(truth), old, columns or {})
    rows = ids.get_indexer(pd.Index(found["object_id"]))
    if not (rows >= 0).any():
        first = found["object_id"].iloc[0]
        rule = f"none of its {len(found)} objects is in {old.path}, whose ids look like {ids[0]!r}"
        raise fail(truth, f"{rule}; the first of the table is {first!r}")
    inside = found[rows >= 0].reset_index(drop=True)
    _check_classes(old, inside, truth)
    with _changed(old, "update", truth) as (partial, provenance):
        frame, truths = joined_objects(
            old.objects, inside, rows[rows >= 0], truth, replace=overwrite, whole=False
        )
        kept = [name for name in (OBSERVATIONS, IMAGES) if name in old.info.files]
        for name in kept:
            _link(old.path / name, partial / name)
        info = old.info.model_dump(exclude={"checksum", "files", "provenance", "counts"})
        counts = dict(old.info.counts)
        if old.info.kind == "light_curves":
            counts |= _objects.survey_counts(frame, counts["observations"], counts["without_detection"])
        else:
            counts["with_redshift"] = int(frame["redshift"].notna().sum())
        write_tables(
            partial,
            old.path,
            _objects.objects_frame(frame, truth),
            old.truth(),
            written=kept,
            provenance=provenance,
            counts=counts,
            **info,
        )
        splits = _carry_splits(old, partial)
    return Growth(open_survey(old.path), truths=truths, strangers=int((rows < 0).sum()), splits=splits)


def _reader(old: Survey, objects: str | Path | None) -> tuple[Any, dict[str, Any]]:
    """Return the reader that made a survey, and the options that it was given."""
    name = old.info.provenance.get("reader")
    readers = all_readers()
    if not isinstance(name, str) or name not in readers:
        rule = "was made by no reader of files that could read more" if name is None else f"reader {name!r}"
        raise fail(old.path, f"{rule}: `rookery merge` puts surveys together")
    reader, options = readers[name], dict(old.info.provenance.get("options", {}))
    if objects is not None:
        taken = [table for table in _TABLES if table in inspect.signature(reader).parameters]
        if not taken and old.info.kind == "images":
            taken = ["catalogue"]
        if not taken:
            raise fail(objects, f"files of the reader {name!r} have no table of objects beside them")
        options[taken[0]] = objects
    elif name == "table" and old.info.provenance.get("objects"):
        # The object table that was there then played these roles; observations alone have none.
        own = options.get("columns", {})
        options["columns"] = {role: own[role] for role in own if role in (*ROW_ROLES, "object_id")}
    return reader, options


@contextmanager
def _changed(old: Survey, change: str, file: str | Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a folder that becomes the survey, and the provenance that tells of the change."""
    state = {
        "checksum": old.checksum,
        "objects": len(old),
        "change": change,
        "file": Path(file).name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    states = [*old.info.provenance.get("earlier_states", ()), state]
    with atomic_folder(old.path, replace=True) as partial:
        yield partial, {**old.info.provenance, "earlier_states": states}
        if read_info(old.path / DOCUMENT).checksum != old.checksum:
            raise fail(old.path, f"was changed by another program meanwhile: {change} again")
        if read_info(partial / DOCUMENT).checksum == old.checksum:  # nothing was new
            shutil.copyfile(old.path / DOCUMENT, partial / DOCUMENT)


def _check_alike(old: Survey, part: Survey, path: str | Path) -> None:
    """Refuse what cannot stand in one table with a survey."""
    for key in ("kind", "flux_unit", "zero_point"):
        mine, theirs = getattr(old.info, key), getattr(part.info, key)
        if mine != theirs:
            raise fail(path, f"{key} must be the survey's, {mine}, but is {theirs}")
    if unknown := [band for band in part.bands if band not in old.bands]:
        rule = f"bands must be among those of {old.path}, {' '.join(old.bands)}"
        raise fail(path, f"{rule}, but one is {unknown[0]!r}")
    mine, theirs = old.info.image, part.info.image
    if mine is not None and theirs is not None:
        if (mine.size, mine.pixel_scale) != (theirs.size, theirs.pixel_scale):
            raise fail(path, f"cutouts must be as the survey's, {mine}, but are {theirs}")
        if set(part.bands) != set(old.bands):
            raise fail(path, f"cutouts must have the bands {' '.join(old.bands)}, not {' '.join(part.bands)}")
    _check_classes(old, part.objects, path)


def _check_classes(old: Survey, objects: pd.DataFrame, path: str | Path) -> None:
    """Refuse a type that is a class of the survey in another spelling."""
    if "type" not in objects:
        return
    known = {type_key(kind): kind for kind in old.objects["type"].dropna().unique()}
    for kind in objects["type"].dropna().unique():
        if (other := known.get(type_key(kind), kind)) != kind:
            raise fail(path, f"has the type {kind!r}, which the survey calls {other!r}: rename one")


def _fill_galaxies(
    partial: Path,
    old: Survey,
    part: Survey,
    rows: Any,
    frame: pd.DataFrame,
    truth: pd.DataFrame | None,
    provenance: Mapping[str, Any],
) -> None:
    """Write a survey of galaxies and of those that come to it, whose rows there are `rows`."""
    writer = GalaxyWriter(partial, old.path, old.info.name, old.bands)
    try:
        if old.info.image is not None:
            image = old.info.image
            writer.open_images(size=image.size, pixel_scale=image.pixel_scale, dtype=image.dtype)
            order = [part.bands.index(band) for band in old.bands]
            own, new = old.image_array(), part.image_array()
            replaced = {int(row): place for place, row in enumerate(rows) if row < len(old)}
            for start in range(0, len(old), _CUTOUTS):
                block = np.array(own[start : start + _CUTOUTS])
                for row in replaced.keys() & set(range(start, start + len(block))):
                    block[row - start] = new[replaced[row]][order]
                writer.add_images(block)
            fresh = np.flatnonzero(rows >= len(old))
            for start in range(0, len(fresh), _CUTOUTS):
                writer.add_images(new[fresh[start : start + _CUTOUTS]][:, order])
        writer.finish(objects=frame, truth=truth, provenance=provenance)
    finally:
        writer.close()


def _carry_splits(old: Survey, partial: Path) -> tuple[str, ...]:
    """Write every split of a survey for what it has become, in its new folder."""
    info = read_info(partial / DOCUMENT)
    table = pq.read_table(partial / OBJECTS)
    new = Survey(partial, info, _objects.frame_from_table(table, partial / OBJECTS))
    names = sorted(file.stem for file in (old.path / "splits").glob("*.parquet"))
    for name in names:
        carry_split(old, name, new)
    return tuple(names)


def _link(source: Path, target: Path) -> None:
    """Give an unchanged file a second name, or copy it where the disk has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
