"""A row for each thing that is shown: how it stands, read again only where its files have changed."""

import math
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from rookery.campaigns.status import campaign_status
from rookery.compute.lock import driver_alive, is_locked
from rookery.dashboard.beside import campaign_best, study_baseline
from rookery.dashboard.sources import Source, find_sources
from rookery.dashboard.trials import stamp_of
from rookery.search.status import study_status
from rookery.search.study_facts import STUDY_DOCUMENT, read_facts
from rookery_ensembles.errors import InputError

_FIND_SECONDS = 5.0
_DATABASE_SECONDS = 5.0
"""So often at most is a folder scanned, and a database on a server asked."""


class Fleet:
    """All that is below the roots; used by many threads."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = list(roots)
        self.version = 0
        self._found: dict[str, Source] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._stamps: dict[str, object] = {}
        self._found_at = -math.inf
        self._lock = threading.Lock()

    def sources(self) -> dict[str, Source]:
        """Return what there is, by key; folders are scanned every few seconds."""
        if time.monotonic() - self._found_at > _FIND_SECONDS:
            self._found = find_sources(self.roots)
            self._found_at = time.monotonic()
        return self._found

    def source(self, key: str) -> Source | None:
        """Return what has this key."""
        return self._found.get(key) or self.sources().get(key)

    def refresh(self, seconds: float = math.inf) -> list[dict[str, Any]]:
        """Return the rows; changed ones are read anew for at most so long, the others at the next look."""
        with self._lock:
            until = time.monotonic() + seconds
            sources = self.sources()
            changed = {key for key in self._rows if key not in sources}
            for key in changed:
                del self._rows[key], self._stamps[key]
            for key, source in sources.items():
                stamp = _stamp(source)
                if stamp == self._stamps.get(key):
                    continue
                if time.monotonic() > until and self._rows:
                    self._rows.setdefault(key, _head(source) | {"state": "reading"})
                    continue
                row = fleet_row(source)
                self._stamps[key] = stamp
                if row != self._rows.get(key):
                    self._rows[key] = row
                    changed.add(key)
            self.version += bool(changed)
            return [self._rows[key] for key in sources if key in self._rows]


def fleet_row(source: Source) -> dict[str, Any]:
    """Return how one stands, as plain values; what cannot be read is a row with its `error`."""
    readers = {"study": _study, "campaign": _campaign, "bundle": _bundle, "predictions": _predictions}
    try:
        return _head(source) | readers[source.kind](source.path)
    except InputError as error:
        return _head(source) | {"state": "broken", "error": str(error)}


def _head(source: Source) -> dict[str, Any]:
    return {"key": source.key, "kind": source.kind, "path": str(source.path)}


def _stamp(source: Source) -> object:
    """Return what changes when the files of a study, campaign or bundle do, or predictions."""
    path = source.path
    if source.kind == "predictions":
        return stamp_of(path), is_locked(path)
    names = {
        "study": (STUDY_DOCUMENT, "study.db", "members"),
        "campaign": ("campaign.yaml", "table.json", "members", "running", "failed"),
        "bundle": ("ensemble.yaml",),
    }[source.kind]
    stamps = [stamp_of(path / name) for name in names]
    if source.kind == "bundle":
        return stamps
    if source.kind == "study" and not stamps[1]:  # its database may be on a server
        stamps.append((int(time.monotonic() / _DATABASE_SECONDS), 0, 0))
    return [*stamps, driver_alive(path)]


def _study(path: Path) -> dict[str, Any]:
    facts, told = read_facts(path), study_status(path)
    trials, best = told["trials"], told["best"]
    done = trials["complete"] + trials["pruned"] + trials["failed"]
    return {
        "family": facts.family,
        "state": _state(
            told["driver_alive"],
            trials["running"],
            trials["interrupted"],
            done,
            whole=bool(told["wanted"]) and done >= told["wanted"],
        ),
        "done": done,
        "complete": trials["complete"],
        "pruned": trials["pruned"],
        "failed": trials["failed"],
        "running": trials["running"],
        "wanted": told.get("wanted"),
        "networks": told["networks"],
        "metric": told["metric"],
        "direction": told["direction"],
        "best": best["value"] if best else None,
        "best_trial": best["trial"] if best else None,
        "per_hour": told["trials_per_hour"],
        **study_baseline(path, facts),
        "first_error": told["first_error"],
        **_costs(told),
    }


def _campaign(path: Path) -> dict[str, Any]:
    told = campaign_status(path)
    networks = told["networks"]
    return {
        "name": told["name"],
        **campaign_best(path),
        "state": _state(
            told["driver_alive"], networks["running"], networks["interrupted"], networks["finished"],
            whole=networks["missing"] == 0,
        ),
        "done": networks["finished"],
        "wanted": networks["wanted"],
        "failed": networks["failed"],
        "running": networks["running"],
        "networks": networks["finished"],
        "first_error": told["first_error"],
        **_costs(told),
    }  # fmt: skip


def _bundle(path: Path) -> dict[str, Any]:
    from rookery_ensembles._bundle_document import BundleDocument  # not above: it loads numpy and scipy

    file = path / "ensemble.yaml"
    try:
        document, _ = BundleDocument.from_text(file.read_bytes(), str(file))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from error
    target = document.target
    scores = document.scores.get("selected_calibrated", {})
    metric = next((name for name in ("log_loss", *target.compared) if name in scores), None)
    return {
        "state": "finished",
        "networks": len(document.members),
        "done": len(document.members),
        "wanted": len(document.members),
        "metric": metric,
        "best": scores.get(metric) if metric else None,
        "last_change": datetime.fromtimestamp(file.stat().st_mtime).isoformat(timespec="seconds"),
    }


def _predictions(path: Path) -> dict[str, Any]:
    from rookery.dashboard.prediction_files import whats_there  # not above: it loads numpy and Arrow

    there = whats_there(path)
    return {
        "state": there.state,
        "done": there.objects,
        "wanted": there.wanted,
        "last_change": datetime.fromtimestamp(path.stat().st_mtime).isoformat(timespec="seconds"),
    }


def _costs(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "device_hours": told["device_hours"],
        "energy": told["energy_kilowatt_hours"],
        "last_change": told["last_change"],
    }


def _state(alive: bool | None, running: int, interrupted: int, done: int, whole: bool = False) -> str:
    """Say how a driver stands, in one word."""
    if alive or (alive is None and running):
        return "running"
    if whole:
        return "finished"
    if interrupted:
        return "interrupted"
    return "stopped" if done else "not begun"
