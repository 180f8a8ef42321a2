"""Modified and plain Julian Dates: told apart by their size, never mixed in one survey."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.ingest import WholeSurveyError
from rookery_ensembles.errors import fail

TimeUnit = Literal["mjd", "jd"]
# MJD = JD - 2,400,000.5: an MJD above this lies in the year 8430, a JD below it before 1858.
_JULIAN_FROM = 2_400_000.0
_OFFSET = 2_400_000.5


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
