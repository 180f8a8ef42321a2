"""A survey store of any size, read a block of objects at a time.

A block is a survey of its own: what predicts a survey predicts a block. What only the whole survey tells,
which bands it observed and of which types its objects are, is asked of `SurveyBlocks`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rookery.surveys import objects as _objects
from rookery.surveys import observations as _observations
from rookery.surveys._document import DOCUMENT, IMAGES, OBJECTS, OBSERVATIONS, TRUTH, SurveyInfo, read_info
from rookery.surveys._document import verify_digests as _verify_digests
from rookery.surveys._image_file import map_images
from rookery.surveys._tables import TableRows, no_nulls, require_columns
from rookery.surveys.observations import ObservationArrays
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail

_ROWS_AN_OBJECT, _FEWEST, _MOST = 64, 1 << 10, 1 << 17
"""Observations that are looked through at once: so many for each object that is wanted, within bounds."""


@dataclass(frozen=True, eq=False)
class SurveyBlock(Survey):
    """Objects of a survey that follow each other.

    Folder, document and checksum are those of the survey; counts are not.
    """

    first: int
    """Row of the first one in the survey's object table."""
    arrays: ObservationArrays | None
    """The observations, of light curves."""
    images: NDArray[np.floating] | None
    """The cutouts, a read-only view of the memory map."""
    whole: "SurveyBlocks"
    """What it was read from."""

    @property
    def is_block(self) -> bool:
        """Whether these are some objects of a survey alone."""
        return True

    def observation_arrays(self) -> ObservationArrays:
        """Return the block's observations."""
        if self.arrays is None:
            raise fail(self.path, f"has no observations: it holds {self.info.kind}")
        return self.arrays

    def image_array(self) -> NDArray[np.floating]:
        """Return the block's cutouts, memory-mapped."""
        if self.images is None:
            raise fail(self.path, f"has no images: it holds {self.info.kind}")
        return self.images

    def truth(self) -> pd.DataFrame | None:
        """Read the truth table's rows of the block."""
        return self.whole.truth(self.first, self.first + len(self))


class SurveyBlocks:
    """A survey store, of which no more than a block is in memory.

    Parameters
    ----------
    path
        The folder.
    verify
        Whether to compare every table with its digest; rows are checked in either case, as they are read.
    called
        What messages call it; by default its folder.

    Raises
    ------
    InputError
        When the folder is no survey, or a table is missing, altered or of another schema.
    """

    def __init__(self, path: str | Path, *, verify: bool = True, called: str | Path | None = None) -> None:
        self.folder = Path(path)
        self.path = self.folder if called is None else Path(called)
        self.info: SurveyInfo = read_info(self.folder / DOCUMENT)
        if verify:
            _verify_digests(self.folder, self.info)
        self._objects = TableRows(self.folder / OBJECTS, checked=not verify)
        light_curves = self.info.kind == "light_curves"
        self._observations = self._open_observations(not verify) if light_curves else None

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._objects)

    @property
    def group_starts(self) -> list[int]:
        """Rows of the object table where reading may begin without reading what is before."""
        return self._objects.group_starts

    @cached_property
    def observed_bands(self) -> tuple[str, ...]:
        """The bands in which some object was observed."""
        if self._observations is not None:
            return self._observations.bands_seen()
        if self.info.kind == "images":
            return tuple(self.info.bands)
        names = [name for name in self._objects.names if name.startswith("mag_")]
        return tuple(
            band
            for band in self.info.bands
            if f"mag_{band}" in names and not self._objects.all_null(f"mag_{band}")
        )

    @property
    def types(self) -> list[str] | None:
        """The types that objects are of; None where the document does not count them."""
        counted = self.info.counts.get("by_type")
        return [name for name in counted if name != "unknown"] if isinstance(counted, dict) else None

    def without_objects(self) -> Survey:
        """Return the survey without an object, for what all of them share."""
        nothing = self._objects.read(0, 0)
        return Survey(self.path, self.info, _objects.frame_from_table(nothing, self.path / OBJECTS))

    def read(self, start: int, stop: int) -> SurveyBlock:
        """Return the objects from `start` up to, but without, `stop`; best in rising order.

        Raises
        ------
        InputError
            When a file is damaged, or a row breaks a rule of a survey.
        """
        where = self.path / OBJECTS
        frame = _objects.frame_from_table(self._objects.read(start, stop), where)
        _objects.check_objects(frame, where)
        arrays = None
        if self._observations is not None:
            arrays = self._observations.read(frame["object_id"].tolist(), start)
        images = None if self._images is None else self._images[start:stop]
        return SurveyBlock(self.path, self.info, frame, start, arrays, images, self)

    def truth(self, start: int, stop: int) -> pd.DataFrame | None:
        """Read rows of the truth table, or None where there is none."""
        if TRUTH not in self.info.files:
            return None
        return self._truth.read(start, stop).to_pandas()

    def _open_observations(self, checked: bool) -> "_Observations":
        where = self.folder / OBSERVATIONS
        return _Observations(where, self._objects, tuple(self.info.bands), checked=checked)

    @cached_property
    def _truth(self) -> TableRows:
        return TableRows(self.folder / TRUTH)

    @cached_property
    def _images(self) -> NDArray[np.floating] | None:
        image = self.info.image
        if image is None:
            return None
        shape = (len(self), len(self.info.bands), image.size, image.size)
        return map_images(self.folder / IMAGES, shape, image.dtype)


class _Observations:
    """The observation table, sorted by object, from object to object."""

    def __init__(self, path: Path, objects: TableRows, bands: tuple[str, ...], *, checked: bool) -> None:
        self._table, self._objects, self._bands = TableRows(path, checked=checked), objects, bands
        self._row = 0  # the first row of the object that follows the last one read
        self._object = 0

    def read(self, ids: list[str], first: int) -> ObservationArrays:
        """Return the observations of objects that follow each other, the first being row `first`."""
        if first != self._object:
            self._row = self._row_before(first)
        position = {name: number for number, name in enumerate(ids)}
        found: list[pa.Table] = []
        step = min(max(_ROWS_AN_OBJECT * len(ids), _FEWEST), _MOST)
        while self._row < len(self._table):
            table = self._table.read(self._row, min(self._row + step, len(self._table)))
            own = np.flatnonzero(_observations.codes_of(table["object_id"].combine_chunks(), position) >= 0)
            end = int(own[-1]) + 1 if own.size else 0
            if own.size:
                found.append(table.slice(int(own[0]), end - int(own[0])))
            if found and end < len(table):  # what follows is of the next objects
                self._table.unread(table.slice(end))
                self._row += end
                break
            self._row += len(table)
        self._object = first + len(ids)
        return self._arrays(pa.concat_tables(found) if found else self._table.read(0, 0), ids, position)

    def bands_seen(self) -> tuple[str, ...]:
        """Return the bands that the table names; reads until all were seen."""
        seen: set[Any] = set()
        for part in self._table.column("band"):
            seen |= set(part.unique().to_pylist())
            if seen >= set(self._bands):
                break
        return tuple(band for band in self._bands if band in seen)

    def _arrays(self, table: pa.Table, ids: list[str], position: dict[str, int]) -> ObservationArrays:
        where = self._table.path
        require_columns(table, _observations.COLUMNS, where)
        no_nulls(table, _observations.COLUMNS, where)
        codes = _observations.codes_of(table["object_id"].combine_chunks(), position)
        band_position = {name: number for number, name in enumerate(self._bands)}
        bands = _observations.codes_of(table["band"].combine_chunks(), band_position)
        if (codes < 0).any():
            row = int((codes < 0).argmax())
            raise fail(where, f"object {table['object_id'][row].as_py()!r}: rows must be sorted by object")
        if (bands < 0).any():
            row = int((bands < 0).argmax())
            known = ", ".join(self._bands)
            raise fail(where, f"'band' must be one of {known}, but is {table['band'][row].as_py()!r}")
        mjd, flux, error = (table[name].to_numpy() for name in ("mjd", "flux", "flux_err"))
        arrays = _observations.assemble(codes.astype(np.int64), mjd, bands, flux, error, len(ids))
        _observations.check_observations(arrays, ids, where)
        return arrays

    def _row_before(self, first: int) -> int:
        """Return a row of the table, the first of a row group, before the observations of an object."""
        rows, objects = self._groups
        # A row group may begin amid an object's rows: only one of an earlier object is before all of them.
        return rows[max(0, bisect_right(objects, first - 1) - 1)]

    @cached_property
    def _groups(self) -> tuple[list[int], list[int]]:
        """The first row of every row group, and the row of the object table that it belongs to."""
        rows = self._table.group_starts
        names = self._table.firsts("object_id")
        wanted = set(names)
        place: dict[str, int] = {}
        start = 0
        for part in self._objects.column("object_id"):
            for number in np.flatnonzero(np.isin(part.to_numpy(zero_copy_only=False), names)):
                place[part[int(number)].as_py()] = start + int(number)
            start += len(part)
        if unknown := wanted - set(place):
            raise fail(self._table.path, f"{min(unknown)!r} must be an object of the object table")
        return rows, [place[name] for name in names]


def blocks_of(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ends of blocks of `size` rows, the last one shorter, from `start` to `stop`."""
    for first in range(start, stop, size):
        yield first, min(first + size, stop)
