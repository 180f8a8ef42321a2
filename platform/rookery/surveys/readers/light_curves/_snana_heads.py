"""Pairs of a HEAD and a PHOT table, FITS or CSV: the objects of several pairs, and the rows of each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers.light_curves import _snana_columns as columns
from rookery.surveys.readers.light_curves._ingest import LightCurveIngest
from rookery.surveys.readers.light_curves._object_table import plain_column
from rookery.surveys.readers.light_curves._snana_text import UNDEFINED
from rookery.surveys.readers.light_curves._stream import Rows, SurveyStream, streaming
from rookery_ensembles.errors import fail

COMPRESSED = ("", ".gz")
# SNANA ends each object's rows with one in which the date is this.
SEPARATOR = -777.0


class Heads:
    """The objects of a survey that is being read from HEAD tables, numbered as they come."""

    def __init__(self, stream: SurveyStream, ingest: LightCurveIngest) -> None:
        self._stream, self._types, self.type_column = stream, ingest.types, ingest.type_column
        self._place_of: dict[str, str] = {}
        self._objects: list[pd.DataFrame] = []
        self._truth: list[pd.DataFrame] = []
        self._n_objects = 0
        self.undefined_rows = 0

    def add(
        self, head: pd.DataFrame, head_path: Path, phot: Mapping[str, NDArray[Any]], owner: NDArray[np.int32],
        place: Callable[[int], str],
    ) -> None:  # fmt: skip
        """Take one pair.

        Parameters
        ----------
        head
            The HEAD table.
        phot
            Columns MJD, FLUXCAL, FLUXCALERR (numbers), and BAND or FLT (text).
        owner
            Row of `head` that owns each row of `phot`, -1 for none.
        place
            Names a row of `phot` for messages.
        """
        ids = columns.object_ids(head, head_path)
        kinds, wrong = columns.types(head, self._types, self.type_column, head_path)
        first = self._n_objects
        self._n_objects += len(head)
        self._objects.append(columns.objects_frame(head, ids, kinds, plain_name(head_path)))
        self._truth.append(columns.truth_frame(head, ids))
        for row, rule in wrong.items():
            error = fail(f"{head_path}, row {row + 1} (object {ids[row]!r})", rule)
            self._stream.reject(first + row, error)
        for row, name in enumerate(ids):
            here = f"{head_path}, row {row + 1}"
            if (other := self._place_of.setdefault(name, here)) != here:
                error = fail(here, f"SNID must be unique, but {name!r} is also that of {other}")
                self._stream.reject(first + row, error)
        self._add_rows(phot, owner, first, ids, head_path, place)

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the object and the truth table of all pairs."""
        if not self._objects:
            empty = pd.DataFrame({"object_id": np.array([], dtype=object)})
            return empty.assign(type=None), empty
        objects = pd.concat(self._objects, ignore_index=True)
        truth = pd.concat(self._truth, ignore_index=True)
        return objects, truth.apply(plain_column).assign(object_id=objects["object_id"])

    def _add_rows(
        self, phot: Mapping[str, NDArray[Any]], owner: NDArray[np.int32], first: int, ids: list[str],
        head_path: Path, place: Callable[[int], str],
    ) -> None:  # fmt: skip
        dates, flux, flux_err = (
            np.asarray(phot[name], np.float64) for name in ("MJD", "FLUXCAL", "FLUXCALERR")
        )
        band_codes, band_names = pd.factorize(np.asarray(phot["BAND" if "BAND" in phot else "FLT"], object))
        names = [str(name) for name in band_names]
        codes = np.where(np.array([bool(n.strip()) for n in names] + [False])[band_codes], band_codes, -1)
        rows = Rows(
            owner + np.int32(first), dates, codes.astype(np.int32), names, flux, flux_err,
            lambda row: f"{place(row)} (object {ids[owner[row]]!r})",
        )  # fmt: skip
        undefined = (flux == UNDEFINED) & (flux_err == UNDEFINED)
        owned = (owner >= 0) & (dates != SEPARATOR)
        self.undefined_rows += int((owned & undefined).sum())
        chosen = owned & ~undefined
        number = np.bincount(owner[chosen], minlength=len(ids))
        for row in np.flatnonzero(number == 0):
            where = f"{head_path}, row {row + 1} (object {ids[row]!r})"
            rule = "has no observations (rows whose flux and error are -9 hold no measurement)"
            self._stream.reject(first + int(row), fail(where, rule))
        self._stream.add(rows.take(chosen))


def write_pairs(
    ingest: LightCurveIngest, heads: Sequence[Path], add_pair: Callable[[Path, Heads], None]
) -> IngestReport:
    """Write pairs of files as a survey; `add_pair` reads the pair of one HEAD file."""
    with streaming(ingest) as stream:
        found = Heads(stream, ingest)
        for head in heads:
            with ingest.faults.noting(head):
                add_pair(head, found)
        n_read = stream.finish(
            *found.tables(),
            source=ingest.path.name,
            files=[head.name for head in heads][:1000],
            rows_without_measurement=found.undefined_rows,
        )
    return ingest.report(n_read)


def phot_columns(found: Mapping[str, NDArray[Any]], where: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of a PHOT table that a survey needs, checked.

    Raises
    ------
    InputError
        For a column that is missing or of the wrong kind, or for fluxes of another zero point.
    """
    band = next((name for name in ("BAND", "FLT") if name in found), "BAND")
    for name in ("MJD", band, "FLUXCAL", "FLUXCALERR"):
        if name not in found:
            some = ", ".join(list(found)[:30])
            raise fail(where, f"must have a column {name} with one value a row; its columns are {some}")
        if name != band and found[name].dtype.kind not in "iuf":
            raise fail(where, f"column {name} must be numbers, but is not")
    columns.check_zero_point(found, where)
    return {name: found[name] for name in ("MJD", band, "FLUXCAL", "FLUXCALERR")}


def plain_name(path: Path) -> str:
    """Return a file's name without the ending of its compression."""
    return path.name.removesuffix(".gz").removesuffix(".GZ")


def is_file(path: Path) -> bool:
    """Say whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def partner(head: Path, named: str | None = None) -> Path:
    """Return the PHOT file of a HEAD file: the one it names, or its own name with PHOT for HEAD.

    Raises
    ------
    InputError
        When there is none.
    """
    stems = [Path(named.strip()).name] if named and named.strip() else []
    before, mark, after = plain_name(head).rpartition("HEAD")
    if mark:
        stems.append(f"{before}PHOT{after}")
    tried = [head.with_name(f"{stem.removesuffix('.gz')}{ending}") for stem in stems for ending in COMPRESSED]
    for path in tried:
        if path != head and is_file(path):
            return path
    names = ", ".join(path.name for path in tried) or "a name with PHOT for HEAD"
    raise fail(head, f"must have its PHOT file beside it ({names}), but there is none")


def heads_in(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Return the HEAD files of a folder and its subfolders, hidden ones left out."""
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if plain_name(path).lower().endswith(endings)
        and "HEAD" in path.name
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and is_file(path)
    ]
    if not found:
        raise fail(folder, f"must hold a file whose name has HEAD and ends in {' or '.join(endings)}")
    return found
