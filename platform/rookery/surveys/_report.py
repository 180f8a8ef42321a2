"""What every ingest reports, and how it treats broken input."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rookery.surveys.store import Survey
from rookery_ensembles.errors import InputError, fail

_log = logging.getLogger(__name__)

OnError = Literal["stop", "skip"]


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Attributes
    ----------
    survey
        The survey written.
    n_read, n_skipped, n_ignored
        Light curves read; broken ones left out; files that are no light curves.
    errors
        Why each skipped light curve, or file, was left out.
    """

    survey: Survey
    n_read: int
    n_skipped: int
    n_ignored: int
    errors: list[str]


class WholeSurveyError(InputError):
    """What leaving out a light curve or a file cannot mend, such as dates in two units."""


class Faults:
    """Broken light curves: the first stops the ingest, or each is left out, logged and listed."""

    def __init__(self, on_error: OnError) -> None:
        if on_error not in ("stop", "skip"):
            raise fail("on_error", f"must be 'stop' or 'skip', but is {on_error!r}")
        self._stop = on_error == "stop"
        self._seen: set[object] = set()
        self.errors: list[str] = []

    def add(self, key: object, error: InputError) -> None:
        """Raise the error, or note it; only the first of a `key` (an object, a file) is noted."""
        if self._stop or isinstance(error, WholeSurveyError):
            raise error
        if key not in self._seen:
            self._seen.add(key)
            self.errors.append(str(error))
            _log.warning("skipped: %s", error)


def survey_name(path: Path, name: str | None) -> str:
    """Return a survey's name: the one given, else the source's up to its first dot."""
    return name or path.name.split(".")[0] or "survey"
