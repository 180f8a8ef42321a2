"""A HATS catalogue read block by block through a bundle's column mapping, without a copy."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd

from rookery.inference.catalogues import catalogue_options
from rookery.surveys import Survey, SurveyInfo
from rookery.surveys import objects as _objects
from rookery.surveys._tables import TableRows
from rookery.surveys.blocks import SurveyBlock, SurveyBlocks
from rookery.surveys.galaxies import ZERO_POINT, check_magnitudes
from rookery.surveys.hats import is_hats, open_hats
from rookery.surveys.ingest import Faults
from rookery.surveys.readers._tables import frame_of
from rookery.surveys.readers.galaxies._catalogue import dereddened, galaxies_from_columns
from rookery.surveys.readers.galaxies._roles import match_roles
from rookery.surveys.readers.galaxies.settings import CatalogueSettings
from rookery_ensembles import Bundle
from rookery_ensembles.errors import fail


def open_blocks(
    path: str | Path,
    bundle: Bundle,
    *,
    verify: bool = True,
    called: str | Path | None = None,
    allow_missing_bands: bool = False,
) -> SurveyBlocks:
    """Open a survey store, or a HATS catalogue with the columns of the one that members learned from.

    Raises
    ------
    InputError
        As :class:`rookery.surveys.blocks.SurveyBlocks` and `CatalogueBlocks` do.
    """
    if is_hats(path):
        return CatalogueBlocks(path, bundle, allow_missing_bands=allow_missing_bands)
    return SurveyBlocks(path, verify=verify, called=called)


class CatalogueBlocks(SurveyBlocks):
    """What `SurveyBlocks` is, of a HATS catalogue. Objects stand in the order of the sky.

    Raises
    ------
    InputError
        When the bundle does not tell how its catalogue was read, or this one is damaged or lacks a column.
    """

    def __init__(self, path: str | Path, bundle: Bundle, *, allow_missing_bands: bool) -> None:
        self._hats = open_hats(path)
        self.folder = self.path = Path(path)
        self._starts = [0, *accumulate(self._hats.rows)]
        self._open: tuple[int, TableRows] | None = None
        first = self._hats.files[0]
        names = TableRows(first).names
        options = catalogue_options(bundle, first, names, allow_missing_bands=allow_missing_bands)
        self._settings = CatalogueSettings(**options)
        self._roles = match_roles(self._settings.mapping, names, first, need_bands=True)
        self._wanted = list(dict.fromkeys(self._roles.columns.values()))
        self.info = SurveyInfo(
            kind="catalogue",
            name=self.path.name,
            bands=list(self._roles.bands),
            flux_unit="nanomaggy",
            zero_point=ZERO_POINT,
            time_unit=None,
            provenance={"reader": "hats", "columns": self._roles.columns},
            counts={"objects": len(self)},
            files={},
            checksum=self._hats.checksum,
        )

    def __len__(self) -> int:
        """Return the number of objects."""
        return self._starts[-1]

    @property
    def group_starts(self) -> list[int]:
        """The first row of every file."""
        return self._starts[:-1]

    @cached_property
    def observed_bands(self) -> tuple[str, ...]:
        """The bands in which some object may have a magnitude, by the files' statistics."""
        left = dict(self._roles.value)
        for number in range(len(self._hats.files)):
            table = self._table(number)
            left = {band: column for band, column in left.items() if table.all_null(column)}
            if not left:
                break
        return tuple(band for band in self._roles.bands if band not in left)

    def without_objects(self) -> Survey:
        """Return the catalogue without an object, for what all of them share."""
        return Survey(self.path, self.info, self.read(0, 1).objects.iloc[:0])

    def read(self, start: int, stop: int) -> SurveyBlock:
        """Return the objects from `start` up to, but without, `stop`; best in rising order.

        Raises
        ------
        InputError
            When a file is damaged, or a row breaks a rule of a survey.
        """
        pieces = list(self._pieces(start, stop))
        found = galaxies_from_columns(
            [frame for frame, _, _ in pieces],
            [file for _, file, _ in pieces],
            self._roles,
            self._settings,
            firsts=[first for _, _, first in pieces],
        )
        found = dereddened(found, self._settings, self.path)
        found.kept(Faults("stop"))
        frame = found.frame
        if not found.has_ids:
            frame = frame.assign(object_id=np.arange(start + 1, stop + 1).astype(str).astype(object))
        where = self.path / "objects"
        frame = _objects.objects_frame(frame.drop(columns="source_file", errors="ignore"), where)
        check_magnitudes(frame, self.info.bands, where)
        return SurveyBlock(self.path, self.info, frame, start, None, None, self)

    def truth(self, start: int, stop: int) -> pd.DataFrame | None:
        """Return None: columns without a role are not read."""
        return None

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[pd.DataFrame, Path, int]]:
        """Yield the rows' columns from each file that has some, the file, and how many stand before there."""
        text = [] if self._roles.object_id is None else [self._roles.object_id]
        number = bisect_right(self._starts, start) - 1
        while start < stop:
            first = start - self._starts[number]
            end = min(stop, self._starts[number + 1])
            if end > start:
                table = self._table(number)
                rows = table.read(first, end - self._starts[number])
                yield frame_of(rows, self._wanted, text), table.path, first
            start, number = max(start, end), number + 1

    def _table(self, number: int) -> TableRows:
        """Open a file; the one before is let go."""
        if self._open is None or self._open[0] != number:
            table = TableRows(self._hats.files[number], columns=self._wanted)
            if len(table) != self._hats.rows[number]:
                raise fail(table.path, "must not change while it is read, but did")
            self._open = number, table
        return self._open[1]
