"""What the readers of light curves share: their options, the ingest that these make, and its dates."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.ingest import Faults, Ingest, RowOnError, WholeSurveyError
from rookery.surveys.readers.light_curves._types import TypeMap, text_map
from rookery_ensembles.errors import fail

TimeUnit = Literal["mjd", "jd"]
# MJD = JD - 2,400,000.5: an MJD above this lies in the year 8430, a JD below it before 1858.
_JULIAN_FROM = 2_400_000.0
_OFFSET = 2_400_000.5


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
    overwrite: bool
    """Replace a survey that is there already, its splits too."""


class CodedOptions(LightCurveOptions, total=False):
    """Keyword arguments where types have codes."""

    type_map: TypeMap | None
    """CODE=NAME of a type, beside (and over) the usual ones; may be repeated."""


class Dates:
    """Turns the dates of a survey that is being read into MJD.

    Dates above 2,400,000 are Julian Dates. They are accepted with the unit ``"jd"`` alone, which
    accepts nothing else. Dates that are not finite or not positive are left to other rules.
    """

    def __init__(self, unit: TimeUnit, source: Path) -> None:
        if unit not in ("mjd", "jd"):
            raise fail("time_unit", f"must be 'mjd' or 'jd', but is {unit!r}")
        self.unit = unit
        self._source = source
        self._first: dict[bool, str] = {}

    def to_mjd(self, dates: NDArray[np.float64], place: Callable[[int], str]) -> NDArray[np.float64]:
        """Return `dates` in MJD; `place` names a row for messages.

        Raises
        ------
        InputError
            When both kinds have been seen, or the unit is ``"jd"`` and a date is no Julian Date.
        """
        julian = dates > _JULIAN_FROM
        plain = (dates > 0) & ~julian
        for kind, chosen in ((True, julian), (False, plain)):
            if kind not in self._first and chosen.any():
                row = int(chosen.argmax())
                self._first[kind] = f"{place(row)} has {dates[row]}"
        if len(self._first) == 2:
            rule = "dates must be all MJD or all JD (above 2,400,000), but they are mixed"
            raise WholeSurveyError(f"{self._source}: {rule}: {self._first[True]}, and {self._first[False]}")
        if self.unit == "jd" and False in self._first:
            rule = "with time unit jd every date must be above 2,400,000"
            raise WholeSurveyError(f"{self._source}: {rule}, but {self._first[False]}")
        return dates - _OFFSET if self.unit == "jd" else dates

    def finish(self) -> None:
        """Refuse a survey whose dates were all JD, but not announced as such."""
        if self.unit == "mjd" and True in self._first:
            rule = "dates must be MJD, but all are JD (above 2,400,000)"
            raise fail(self._source, f"{rule}: {self._first[True]}; say so with --time-unit jd")


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
        overwrite: bool = False,
    ) -> None:
        super().__init__(reader, path, out, Faults(on_error, rows=True), name, overwrite=overwrite)
        self.path = Path(path)
        self.dates = Dates(time_unit, self.path)
        self.band_aliases = {**(bands or {}), **(band_aliases or {})}
        self.types = {**(types or {}), **text_map(type_map)}
        self.type_column = type_column
        self.remember(
            band_aliases=dict(band_aliases or {}),
            type_map=text_map(type_map),
            type_column=type_column,
            time_unit=None if time_unit == "mjd" else time_unit,
        )
