"""What the ensemble of a running study would score by now, and would have after fewer trials.

Of each trial the probabilities that its networks give to the truth of the validation objects are read once.
Members are chosen by one half of the objects and judged by the other, and both change places: what is told
does not flatter itself by its own choice.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.dashboard.trials import Trial
from rookery.search.study_facts import StudyFacts
from rookery.training.candidate import open_candidate
from rookery_ensembles.candidates import tabulate_candidates
from rookery_ensembles.errors import InputError
from rookery_ensembles.likelihood_table import LikelihoodTable
from rookery_ensembles.weights.greedy import select_by_likelihood

_MOST_TRIALS, _MOST_OBJECTS, _STOPS = 200, 4000, 12
_FLOOR = 1e-12


@dataclass(frozen=True)
class StoppedThen:
    """What there would be after so many trials."""

    trials: int
    ensemble: float
    """Cross-fitted log loss of the greedily chosen ensemble."""
    single: float
    """That of the best trial's networks alone, chosen and judged in the same way."""


class StoppedNow:
    """Reads a study's members for :meth:`curve`; used by many threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[int, NDArray[np.float32] | None] = {}
        self._ids: NDArray[np.str_] | None = None
        self._drawn: NDArray[np.intp] | None = None
        self._lock = threading.Lock()

    def curve(
        self, trials: Sequence[Trial], facts: StudyFacts, seconds: float = 2.0
    ) -> tuple[list[StoppedThen], int]:
        """Return what there would be after more and more of the trials, and how many were looked at.

        Trials are looked at in the order of their end, at most 200 and for at most so long: what is left over
        is read at the next look. Those whose members are gone, or are of other objects, count for nothing.
        """
        done = [one for one in trials if one.state == "complete" and one.values and not one.infeasible]
        done.sort(key=lambda one: (one.ended is None, one.ended, one.number))
        until = time.monotonic() + seconds
        with self._lock:
            for trial in done[-_MOST_TRIALS:]:
                if trial.number not in self._rows and time.monotonic() < until:
                    self._rows[trial.number] = self._read(facts.members_of(trial.number))
            known = [row for one in done if (row := self._rows.get(one.number)) is not None]
        if not known:
            return [], 0
        table = np.stack(known).astype(np.float64)
        stops = np.unique(np.linspace(1, len(table), min(_STOPS, len(table))).astype(int))
        return [stopped_then(table[:stop]) for stop in stops], len(table)

    def _read(self, members: Sequence[str]) -> NDArray[np.float32] | None:
        folders = [self.folder / "members" / name for name in members]
        try:
            candidates = tabulate_candidates([open_candidate(one, "trial") for one in folders])
            table = LikelihoodTable(candidates)
        except (InputError, OSError):
            return None
        ids = candidates.object_id[table.rows]
        if self._ids is None or self._drawn is None:
            self._ids = ids
            self._drawn = np.sort(np.random.default_rng(0).permutation(len(ids))[:_MOST_OBJECTS])
        if not np.array_equal(ids, self._ids):
            return None
        return np.asarray(table.likelihood_mn[0][self._drawn], np.float32)


def stopped_then(likelihood_tn: NDArray[np.float64]) -> StoppedThen:
    """Return what T trials are worth, by the likelihoods (T, N) of N objects."""
    order = np.random.default_rng(0).permutation(likelihood_tn.shape[1])
    halves, ensemble, single = (order[::2], order[1::2]), 0.0, 0.0
    for chooses, judges in (halves, halves[::-1]):
        weights = select_by_likelihood(likelihood_tn[:, chooses]).weights_m
        best = int(np.argmin(_losses(likelihood_tn[:, chooses])))
        part = len(judges) / likelihood_tn.shape[1]
        ensemble += part * float(_losses((weights @ likelihood_tn[:, judges])[None])[0])
        single += part * float(_losses(likelihood_tn[best : best + 1, judges])[0])
    return StoppedThen(len(likelihood_tn), ensemble, single)


def _losses(likelihood_mn: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-np.log(np.maximum(likelihood_mn, _FLOOR)).mean(axis=1))
