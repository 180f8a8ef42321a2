"""What the readers of light curves share: their options, and the ingest that these make."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from rookery.surveys.ingest import Faults, Ingest, RowOnError
from rookery.surveys.readers.light_curves._dates import Dates, TimeUnit
from rookery.surveys.readers.light_curves._types import TypeMap, text_map


class LightCurveOptions(TypedDict, total=False):
    """Keyword arguments of all readers of light curves, beside `on_error` and `name`."""

    band_aliases: Mapping[str, str] | None
    """Band as written -> band in the survey. Without an entry, a prefix up to "-", "/", "." or ":" is
    dropped ("DES-g" -> "g")."""
    type_map: TypeMap | None
    """Code or name -> type, added to (and overriding) those that the format knows."""
    type_column: str | None
    """Column or header key that tells the type, instead of the format's own."""
    time_unit: TimeUnit
    """``"mjd"``, or ``"jd"`` where all dates are Julian Dates; the two never mix in one survey."""


class LightCurveIngest(Ingest):
    """One ingest of light curves.

    Attributes
    ----------
    path
        The file or folder that is read.
    dates
        What turns its dates into MJD.
    band_aliases, types
        Band as written -> band, and label -> type: those of the format, and those of the options.
    type_column
        As in :class:`LightCurveOptions`.
    """

    def __init__(
        self,
        reader: str,
        path: str | Path,
        out: str | Path,
        *,
        on_error: RowOnError,
        name: str | None,
        types: Mapping[str, str] | None = None,
        bands: Mapping[str, str] | None = None,
        band_aliases: Mapping[str, str] | None = None,
        type_map: TypeMap | None = None,
        type_column: str | None = None,
        time_unit: TimeUnit = "mjd",
    ) -> None:
        super().__init__(reader, path, out, Faults(on_error, rows=True), name)
        self.path = Path(path)
        self.dates = Dates(time_unit, self.path)
        self.band_aliases = {**(bands or {}), **(band_aliases or {})}
        self.types = {**(types or {}), **text_map(type_map)}
        self.type_column = type_column
