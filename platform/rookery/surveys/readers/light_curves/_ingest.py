"""What the readers of light curves share: their options, and the ingest that these make."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from rookery.surveys.ingest import Faults, Ingest, RowOnError
from rookery.surveys.readers.light_curves._dates import Dates, TimeUnit
from rookery.surveys.readers.light_curves._types import TypeMap, text_map


class LightCurveOptions(TypedDict, total=False):
    """Keyword arguments of all readers of light curves."""

    on_error: RowOnError
    """At a broken light curve: stop (the default) and write nothing, or skip and count it, or its broken rows
    alone. A table that cannot be read always stops."""
    name: str | None
    """The survey's name; by default that of the files."""
    band_aliases: Mapping[str, str] | None
    """Alias OLD=NEW of a band; may be repeated. Without one a prefix up to "-", "/", "." or ":" is dropped:
    `DES-g` is `g` unasked."""
    type_column: str | None
    """Column or key that tells the type, instead of the format's own."""
    time_unit: TimeUnit
    """Unit of the dates, mjd by default; the two never mix in one survey."""


class CodedOptions(LightCurveOptions, total=False):
    """Keyword arguments where types have codes."""

    type_map: TypeMap | None
    """CODE=NAME of a type, beside (and over) the usual ones; may be repeated."""


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
        on_error: RowOnError = "stop",
        name: str | None = None,
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
