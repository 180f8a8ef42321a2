"""What the pages look at: the fleet, and readers of the studies and members that somebody has open."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rookery.dashboard.cluster import Machines, RayWatch
from rookery.dashboard.ensembles import Ensembles
from rookery.dashboard.explanations import Explanations
from rookery.dashboard.fleet import Fleet
from rookery.dashboard.networks import Cards, Histories
from rookery.dashboard.prediction_files import PredictionFiles
from rookery.dashboard.sources import Source
from rookery.dashboard.stopped_now import StoppedNow
from rookery.dashboard.surveys import Surveys
from rookery.dashboard.trials import StudyTrials

_KEPT = 8
"""So many studies stay in memory; others are read again when they are opened again."""


class Viewer:
    """The readers behind the pages, shared by all who look."""

    def __init__(self, roots: Sequence[Path], ray: str | None = None, surveys: Sequence[Path] = ()) -> None:
        self.fleet = Fleet(roots)
        self.machines = Machines(self.fleet, RayWatch(ray))
        self.ensembles = Ensembles()
        self.surveys = Surveys(surveys, roots)
        self.explanations = Explanations(roots)
        self._open: OrderedDict[tuple[str, Path], Any] = OrderedDict()
        self._lock = threading.Lock()

    def source(self, key: str | None, kind: str) -> Source | None:
        """Return what has this key, if it is of the kind."""
        found = self.fleet.source(key or "")
        return found if found is not None and found.kind == kind else None

    def trials(self, source: Source) -> StudyTrials:
        """Return the reader of a study's trials."""
        reader: StudyTrials = self._reader("trials", source.path, StudyTrials)
        return reader

    def cards(self, folder: Path) -> Cards:
        """Return the reader of the cards in a ``members/`` folder."""
        reader: Cards = self._reader("cards", folder, Cards)
        return reader

    def histories(self, folder: Path) -> Histories:
        """Return the reader of the epochs of a folder's networks."""
        reader: Histories = self._reader("histories", folder, Histories)
        return reader

    def stopped_now(self, folder: Path) -> StoppedNow:
        """Return what tells how a study's ensemble would score by now."""
        reader: StoppedNow = self._reader("stopped", folder, StoppedNow)
        return reader

    def predictions(self, path: Path) -> PredictionFiles:
        """Return the reader of a file or folder of predictions."""
        reader: PredictionFiles = self._reader("predictions", path, PredictionFiles)
        return reader

    def _reader(self, what: str, path: Path, make: Callable[[Path], Any]) -> Any:
        with self._lock:
            if (what, path) not in self._open:
                self._open[what, path] = make(path)
            self._open.move_to_end((what, path))
            while len(self._open) > 4 * _KEPT:
                self._open.popitem(last=False)
            return self._open[what, path]
