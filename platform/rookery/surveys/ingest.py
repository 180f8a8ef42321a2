"""What every reader does around its own format: where it reads and writes, broken input, the report."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rookery.surveys._document import DOCUMENT
from rookery.surveys.store import Survey, open_survey
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import refuse_existing
from rookery_ensembles.shown import short_repr

logger = logging.getLogger(__name__)

Paths = str | Path | Sequence[str | Path]
OnError = Literal["stop", "skip"]
RowOnError = Literal["stop", "skip", "skip-row"]
"""Of light curves a single row may be left out too."""


@dataclass
class DroppedRows:
    """Rows that broke one rule and were left out: how many, and what was wrong with the first."""

    rows: int
    """How many."""
    first: str
    """What was wrong with the first."""


@short_repr
@dataclass(frozen=True)
class IngestReport:
    """What an ingest did."""

    survey: Survey
    """The survey written."""
    n_read: int
    n_skipped: int
    n_ignored: int
    """Light curves read; broken ones left out; files that are no light curves."""
    errors: list[str]
    """Why each skipped light curve, or file, was left out."""
    dropped: Mapping[str, DroppedRows] = field(default_factory=dict)
    """With ``on_error="skip-row"``: the rows that were left out, by the rule that they broke."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Role -> column, where the reader had to find them."""
    flux: str = ""
    """In words, what the reader took the fluxes' unit to be."""


class WholeSurveyError(InputError):
    """What leaving out a light curve or a file cannot mend, such as dates in two units."""


class _StoppedError(InputError):
    """The first broken light curve or galaxy, with how to leave it out."""


class Faults:
    """Broken light curves: the first stops the ingest, or each is left out, logged and listed.

    With ``"skip-row"``, which readers of light curves take (`rows`), only the broken rows are left out,
    logged once for each rule, and counted.
    """

    def __init__(self, on_error: RowOnError, *, rows: bool = False) -> None:
        known = ("stop", "skip", "skip-row") if rows else ("stop", "skip")
        if on_error not in known:
            row = " (each row is a galaxy of its own: 'skip' leaves it out)" if on_error == "skip-row" else ""
            raise fail("on_error", f"must be {' or '.join(map(repr, known))}, but is {on_error!r}{row}")
        self._stop = on_error == "stop"
        self._hint = "--on-error skip leaves it out" + (", skip-row its broken rows alone" if rows else "")
        self.drops_rows = on_error == "skip-row"
        self.dropped: dict[str, DroppedRows] = {}
        self._seen: set[object] = set()
        self.errors: list[str] = []

    def add(self, key: object, error: InputError) -> None:
        """Raise the error, or note it; only the first of a `key` (an object, a file) is noted."""
        if isinstance(error, WholeSurveyError | _StoppedError):
            raise error
        if self._stop:
            raise _StoppedError(f"{error}; {self._hint}") from error
        if key not in self._seen:
            self._seen.add(key)
            self.errors.append(str(error))
            logger.warning("skipped: %s", error)

    @contextmanager
    def noting(self, key: object) -> Iterator[None]:
        """Take what is raised inside as the error of a `key`, as :meth:`add` does."""
        try:
            yield
        except InputError as error:
            self.add(key, error)

    def drop_rows(self, rule: str, rows: int, first: InputError) -> None:
        """Count rows that break a rule and are left out."""
        if rule not in self.dropped:
            self.dropped[rule] = DroppedRows(0, str(first))
            logger.warning("rows left out, the first: %s", first)
        self.dropped[rule].rows += rows

    def notes(self) -> dict[str, Any]:
        """Return what a survey's provenance says of rows that were left out; nothing where none was."""
        return (
            {"rows_skipped": {rule: asdict(found) for rule, found in self.dropped.items()}}
            if self.dropped
            else {}
        )


class Ingest:
    """One ingest, from the paths given to the report.

    Attributes
    ----------
    reader
        The reader's name, as on the command line.
    paths
        What is read: files or folders, at least one.
    out
        The survey folder to make.
    overwrite
        Whether a survey that is there already may be replaced.
    name
        The survey's name: the one given, else that of its file, or of the folder of several, up to the first
        dot.
    faults
        How broken input is treated.
    options
        The reader's options that were given, as JSON can hold them: how more files of the kind are read.
        Files are none of them.
    """

    def __init__(
        self,
        reader: str,
        path: Paths,
        out: str | Path,
        faults: Faults,
        name: str | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        self.reader, self.out, self.faults, self.overwrite = reader, Path(out), faults, overwrite
        refuse_existing(self.out, overwrite=overwrite, document=DOCUMENT)
        self.paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(one) for one in path]
        if not self.paths:
            raise fail("path", "must be at least one file or folder, but is none")
        self.options: dict[str, Any] = {}
        source = self.paths[0] if len(self.paths) == 1 else self.paths[0].resolve().parent
        self.name = name or source.name.split(".")[0] or "survey"

    def remember(self, **options: Any) -> None:
        """Keep the options that were given, for files to come; None and empty mappings are not kept."""
        self.options |= {name: value for name, value in options.items() if value is not None and value != {}}

    def report(
        self,
        n_read: int,
        *,
        n_ignored: int = 0,
        columns: Mapping[str, str] | None = None,
        flux: str = "",
    ) -> IngestReport:
        """Open the survey, which is written, and say what was done; see :class:`IngestReport`."""
        survey, errors = open_survey(self.out, verify=False), self.faults.errors
        return IngestReport(
            survey, n_read, len(errors), n_ignored, errors, self.faults.dropped, columns or {}, flux
        )
