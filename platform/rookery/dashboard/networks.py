"""Networks of a study or campaign: what cards tell of finished ones, and every epoch; each read once."""

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.training.epochs_file import RUNNING, STOPPED, SUFFIX, Epochs, read_epochs
from rookery_ensembles.errors import fail

_KEPT = (
    "member", "configuration", "fold", "seed", "value", "metrics", "best_epoch", "epochs", "batch_size",
    "steps", "parameters", "device", "device_seconds", "energy_joules", "pack", "workers", "finished", "node",
)  # fmt: skip


class Cards:
    """The cards of a ``members/`` folder by member, read by increments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0
        self.known: dict[str, dict[str, Any]] = {}
        self.broken: dict[str, str] = {}
        """Why a card cannot be read, by member."""
        self._stamp: int | None = None
        self._lock = threading.Lock()

    def refresh(self, seconds: float = 1.0) -> int:
        """Read new cards for at most so long, the others at the next look; return the version."""
        with self._lock:
            stamp = self._changed()
            if stamp is not None and stamp == self._stamp:
                return self.version
            until, whole = time.monotonic() + seconds, True
            for name in self._new():
                if time.monotonic() > until:
                    whole = False
                    break
                self._read(name)
                self.version += 1
            # A folder that changed within the file system's tick may change again under the same time.
            settled = stamp is not None and time.time_ns() - stamp > 2_000_000_000
            self._stamp = stamp if whole and settled else None
            return self.version

    def _changed(self) -> int | None:
        try:
            return self.folder.stat().st_mtime_ns
        except OSError:
            return None

    def _new(self) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError:
            return []
        return [name for name in names if not name.startswith(".") and name not in self.known]

    def _read(self, name: str) -> None:
        file = self.folder / name / "card.json"
        try:
            told = json.loads(file.read_bytes())
            self.known[name] = {key: told.get(key) for key in _KEPT}
            self.broken.pop(name, None)
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            self.broken[name] = str(fail(file, f"cannot be read ({error})"))


_ASIDE = ("epoch", "seconds", "joules", "time", "memory_bytes", "utilisation")
TRAIN, VALIDATION, RATE = "train_", "validation_", "learning_rate"
History = Mapping[str, NDArray[np.float32]]
"""Columns by name: `epoch`, each loss term, each metric, the rate; NaN where a value was no number."""


class Histories:
    """The histories of the networks in a study's or campaign's folder; used by many threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0
        """Grows with every epoch that is new."""
        self._finished: dict[str, History] = {}
        self._told: dict[str, Epochs] = {}
        self._lock = threading.Lock()

    def read(self, names: Iterable[str], seconds: float = 1.0) -> dict[str, History]:
        """Return the histories of networks that have any; new ones are read for at most so long.

        What is left over is read at the next look.
        """
        until, found = time.monotonic() + seconds, {}
        with self._lock:
            for name in names:
                if name not in self._finished and time.monotonic() < until:
                    self._read(name)
                if (history := self._known(name)) is not None:
                    found[name] = history
        return found

    def _known(self, name: str) -> History | None:
        if name in self._finished:
            return self._finished[name]
        return columns_of(self._told[name]) if name in self._told else None

    def _read(self, name: str) -> None:
        history = read_history(self.folder / "members" / name / "history.parquet")
        if history is not None:
            self._finished[name] = history
            self._told.pop(name, None)
            self.version += 1
            return
        for place in (RUNNING, STOPPED):
            told = read_epochs(self.folder / place / f"{name}{SUFFIX}", self._told.get(name))
            if told is not None:
                before = self._told.get(name)
                self.version += before is None or before.epoch != told.epoch
                self._told[name] = told
                return


def read_history(file: Path) -> History | None:
    """Return a member's history; None where there is none, or it is half written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid):
        return None
    found = {
        name: np.asarray(table[name].to_numpy(), np.float32)
        for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if pa.types.is_floating(kind) or pa.types.is_integer(kind)
    }
    return {"epoch": np.arange(1, table.num_rows + 1, dtype=np.float32), **found} if table.num_rows else None


def columns_of(told: Epochs) -> History | None:
    """Return what a worker has told, by column."""
    if not told.rows:
        return None
    names = dict.fromkeys(name for row in told.rows for name in row)
    nothing = float("nan")
    return {
        name: np.array([nothing if row.get(name) is None else row[name] for row in told.rows], np.float32)
        for name in names
    }


def shown_columns(histories: Iterable[History]) -> list[str]:
    """Return the columns that are worth a curve: metrics, then loss terms, then the rate."""
    names = dict.fromkeys(name for one in histories for name in one if name not in _ASIDE)
    order = {VALIDATION: 0, TRAIN: 1}
    return sorted(names, key=lambda name: next((order[k] for k in order if name.startswith(k)), 2))


def counterpart(column: str, history: History) -> str | None:
    """Return the training's column that belongs to a validation's: the loss for the log loss."""
    if not column.startswith(VALIDATION):
        return None
    same = TRAIN + column.removeprefix(VALIDATION)
    if same in history:
        return same
    loss = TRAIN + "cross_entropy"
    return loss if column == VALIDATION + "log_loss" and loss in history else None
