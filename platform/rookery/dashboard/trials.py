"""A study's trials as the pages show them, read by increments: one that has ended is never read again.

Optuna reads all trials anew; here each look asks for the list of trials, and for the values, hyperparameters
and epochs of those that are new or were not over at the last look.
"""

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.compute.lock import driver_alive
from rookery.search.storage.census import Ask, as_number, asking, local_time
from rookery.search.study_facts import STUDY_DOCUMENT, StudyFacts, read_facts

_LIST = """
SELECT t.trial_id, number, state, datetime_start, datetime_complete FROM trials t
WHERE t.study_id IN (SELECT study_id FROM studies WHERE study_name = :study) ORDER BY number
"""
_VALUES = "SELECT trial_id, objective, value, value_type FROM trial_values WHERE trial_id IN ({})"
_POINTS = (
    "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params WHERE trial_id IN ({})"
)
_ATTRIBUTES = "SELECT trial_id, key, value_json FROM trial_user_attributes WHERE trial_id IN ({})"
_STEPS = """
SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values
WHERE trial_id IN ({}) ORDER BY trial_id, step
"""
_LAST_STEPS = """
SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values
WHERE (trial_id, step) IN (SELECT trial_id, max(step) FROM trial_intermediate_values
WHERE trial_id IN ({}) GROUP BY trial_id)
"""
_AT_ONCE = 400
_MOST_CURVES = 1000
"""Of studies with more trials the epochs of about so many are read, evenly chosen, and of others the last."""
_OVER = ("complete", "pruned", "fail")


@dataclass(eq=False)
class Trial:
    """A trial of the study."""

    number: int
    state: str
    started: datetime | None
    ended: datetime | None
    values: list[float] = field(default_factory=list)
    point: dict[str, Any] = field(default_factory=dict)
    """What was searched: names and values."""
    attributes: dict[str, Any] = field(default_factory=dict)
    steps: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    scores: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    """Reported after each step (the epochs of all its networks, one after the other)."""
    whole: bool = True
    """Whether these are all steps, or the last one alone."""

    @property
    def infeasible(self) -> bool:
        """Whether it broke a constraint and was not trained."""
        return "infeasible" in self.attributes


class StudyTrials:
    """The trials of one study, kept up to date by :meth:`refresh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0
        """Grows with every change."""
        self.trials: list[Trial] = []
        self._facts: StudyFacts | None = None
        self._read_at: tuple[Any, ...] = ()
        self._known: dict[int, Trial] = {}
        self._stamp: object = None
        self._choices: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def facts(self) -> StudyFacts:
        """The study's document, read again when it has changed."""
        stamp = stamp_of(self.folder / STUDY_DOCUMENT)
        if self._facts is None or stamp != self._read_at:
            self._facts, self._read_at = read_facts(self.folder), stamp
        return self._facts

    def refresh(self) -> int:
        """Read what is new and return the version.

        Raises
        ------
        InputError
            When the document or the database cannot be read; what was known before is kept.
        """
        facts = self.facts
        with self._lock:
            stamp = None if facts.storage is not None else stamp_of(self.folder / "study.db")
            if stamp is not None and stamp == self._stamp:
                return self.version
            with asking(self.folder, facts.storage) as ask:
                if ask is not None and self._read(ask, facts.storage_name):
                    self.version += 1
            # What was written just now may be written again under the same time.
            settled = stamp and time.time_ns() - stamp[0] > 2_000_000_000
            self._stamp = stamp if settled else None
            return self.version

    def read_whole(self, trials: Iterable[Trial]) -> None:
        """Read all epochs of some trials.

        Raises
        ------
        InputError
            When the database cannot be read.
        """
        with self._lock:
            wanted = {trial.number for trial in trials if not trial.whole}
            some = [identity for identity, one in self._known.items() if one.number in wanted]
            for identity in some:
                self._known[identity].whole = True
            if some:
                with asking(self.folder, self.facts.storage) as ask:
                    if ask is not None:
                        _read_steps(ask, self._known, some)

    def driver_alive(self) -> bool | None:
        """Whether a search of this machine works on the study; None where that is not known."""
        storage = self.facts.storage
        return driver_alive(self.folder) if storage is None or storage.startswith("sqlite") else None

    def state_of(self, trial: Trial) -> str:
        """Return a trial's state in a word: one that runs without a driver was interrupted."""
        if trial.infeasible:
            return "infeasible"
        if trial.state == "running" and self.driver_alive() is False:
            return "interrupted"
        return "failed" if trial.state == "fail" else trial.state

    def _read(self, ask: Ask, study: str) -> bool:
        listed = ask(_LIST, study=study)
        found, fresh = dict(self._known), []
        for identity, number, state, started, ended in listed:
            known = self._known.get(identity)
            if known is not None and known.state in _OVER:
                continue
            found[identity] = Trial(int(number), state.lower(), local_time(started), local_time(ended))
            fresh.append(identity)
        stride = -(-len(listed) // _MOST_CURVES)
        for identity in fresh:
            found[identity].whole = found[identity].state not in _OVER or found[identity].number % stride == 0
        for begin in range(0, len(fresh), _AT_ONCE):
            self._fill(ask, found, fresh[begin : begin + _AT_ONCE])
        changed = len(found) != len(self._known) or any(
            not _alike(self._known.get(identity), found[identity]) for identity in fresh
        )
        self._known = found
        self.trials = sorted(found.values(), key=lambda trial: trial.number)
        return changed

    def _fill(self, ask: Ask, found: dict[int, Trial], identities: Sequence[int]) -> None:
        """Read all there is of some trials."""
        among = ", ".join(str(int(identity)) for identity in identities)
        for identity, objective, value, kind in sorted(ask(_VALUES.format(among)), key=lambda row: row[1]):
            found[identity].values.append(as_number(value, kind))
            assert len(found[identity].values) == objective + 1
        for identity, name, value, distribution in ask(_POINTS.format(among)):
            found[identity].point[name] = self._external(value, distribution)
        for identity, key, text in ask(_ATTRIBUTES.format(among)):
            found[identity].attributes[key] = json.loads(text)
        _read_steps(ask, found, identities)

    def _external(self, value: float, distribution: str) -> Any:
        """Return a hyperparameter as the network gets it: Optuna keeps the place of a choice."""
        known = self._choices.get(distribution)
        if known is None:
            known = self._choices[distribution] = json.loads(distribution)
        if known["name"] == "CategoricalDistribution":
            return known["attributes"]["choices"][int(value)]
        return int(value) if known["name"] == "IntDistribution" else value


def _read_steps(ask: Ask, found: Mapping[int, Trial], identities: Sequence[int]) -> None:
    """Read the epochs of some trials: all, or the last one, as each says."""
    for statement, whole in ((_STEPS, True), (_LAST_STEPS, False)):
        some = ", ".join(str(int(one)) for one in identities if found[one].whole is whole)
        for identity, rows in _grouped(ask(statement.format(some))) if some else ():
            found[identity].steps = np.array([row[1] for row in rows], np.int32)
            found[identity].scores = np.array([as_number(row[2], row[3]) for row in rows], np.float32)


def stamp_of(file: Path) -> tuple[int, int, int] | tuple[()]:
    """Return what changes when a file is written; empty where there is none."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _alike(old: Trial | None, new: Trial) -> bool:
    return old is not None and (old.state, len(old.steps), len(old.attributes), len(old.point)) == (
        new.state, len(new.steps), len(new.attributes), len(new.point),
    )  # fmt: skip


def _grouped(rows: Iterable[Sequence[Any]]) -> list[tuple[int, list[Sequence[Any]]]]:
    found: dict[int, list[Sequence[Any]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return list(found.items())
