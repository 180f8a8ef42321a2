"""The finished networks of a study or campaign: what their cards tell, each read once."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from rookery_ensembles.errors import fail

_KEPT = (
    "member", "configuration", "fold", "seed", "value", "metrics", "best_epoch", "epochs", "batch_size",
    "parameters", "device", "device_seconds", "energy_joules", "pack", "workers", "finished", "node",
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
