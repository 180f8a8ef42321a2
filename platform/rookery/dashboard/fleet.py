"""A row for each thing that is shown: how it stands, read again only where its files have changed."""

import json
import math
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rookery.campaigns.status import campaign_status
from rookery.compute.lock import driver_alive, is_locked
from rookery.dashboard.campaign_state import read_table
from rookery.dashboard.damage import check_whole
from rookery.dashboard.sources import Source, find_sources
from rookery.dashboard.trials import stamp_of
from rookery.search.status import study_status
from rookery.search.study_facts import STUDY_DOCUMENT, StudyFacts, read_facts
from rookery.training.card import VALIDATION
from rookery_ensembles.errors import InputError

DAMAGED = "damaged"
"""State of what cannot be read, or has a file that is not whole."""
_FIND_SECONDS = 5.0
_DATABASE_SECONDS = 5.0
_DAMAGED_SECONDS = 10.0
"""So often at most is a folder scanned, a database on a server asked, and what is damaged looked at again."""


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
                if self._rows.get(key, {}).get("state") == DAMAGED:  # what mends it may leave the stamp alone
                    stamp = (stamp, int(time.monotonic() / _DAMAGED_SECONDS))
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
    """Return how one stands, as plain values; what is damaged has an `error` beside what can be told."""
    readers = {"study": _study, "campaign": _campaign, "bundle": _bundle, "predictions": _predictions}
    row = _head(source)
    try:
        row |= readers[source.kind](source.path)
        if row["state"] != "running":
            own = source.kind == "study" and read_facts(source.path).storage is None
            check_whole(source, own_database=own)
    except InputError as error:
        row |= {"state": DAMAGED, "error": str(error)}
    return row


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


CHANCE = "fractions of the training's classes alone"
DISTRIBUTION = (
    "how the redshifts of half of the validation objects are distributed, alone, for the other half"
)


def campaign_best(folder: Path) -> dict[str, Any]:
    """Return the best score of a campaign's table and the baseline of the same line; empty without a table.

    The metric is the first of the table that has a baseline, by the order of all metrics.
    """
    from rookery_ensembles.metric import METRICS  # not above: it loads scipy

    lines = [one for one in read_table(folder / "table.json").get("lines", ()) if not one["bin"]]
    own = [one for one in lines if one["source"] != "published" and one["wanted"]]
    names = [name for name in METRICS if any(name in one["metrics"] for one in own)]
    names.sort(key=lambda name: not any(one["baseline"].get(name) is not None for one in own))
    if not names or METRICS[names[0]].better not in ("higher", "lower"):
        return {}
    sign = -1 if METRICS[names[0]].better == "higher" else 1
    scored = [one for one in own if one["metrics"].get(names[0]) is not None]
    best = min(scored, key=lambda one: sign * one["metrics"][names[0]])
    return {
        "metric": names[0],
        "best": best["metrics"][names[0]],
        "baseline": best["baseline"].get(names[0]),
        "baseline_name": f"baseline of {best['experiment']}, {best['row']}",
    }


def study_baseline(folder: Path, facts: StudyFacts) -> dict[str, Any]:
    """Return the log loss of one answer for all objects, for a study that minimises it; else nothing.

    Of classes it is that of the training's fractions; of redshifts that of their distribution, as counted in
    one half of the first network's validation objects and judged by the other, both ways.
    """
    if facts.metric != "validation_log_loss":
        return {}
    for file in sorted((folder / "members").glob("[0-9]*/card.json"))[:1]:
        try:
            card = json.loads(file.read_bytes())
            if card.get("redshift_bins"):
                return {"baseline": _distribution_loss(card, file.parent), "baseline_name": DISTRIBUTION}
            values = [float(value) for value in card["training_fractions"].values()]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # of an earlier version; what is broken is told on the study's page
        loss = -sum(value * math.log(value) for value in values if value > 0)
        return {"baseline": loss, "baseline_name": CHANCE}
    return {}


def _distribution_loss(card: dict[str, Any], member: Path) -> float:
    """Return the mean of -ln of the fraction of the other half's redshifts in each one's bin (nats).

    Half an object is added to every bin, so that none has the fraction 0.
    """
    import pyarrow.parquet as pq  # not above: studies of classes need none

    from rookery.surveys.equal_bins import EqualBins

    target = EqualBins.model_validate(card["redshift_bins"]).target
    truth = pq.read_table(member / VALIDATION, columns=["truth"])["truth"].to_numpy()
    index = target.index(truth)
    index = index[index >= 0]
    halves, losses = (index[::2], index[1::2]), []
    for counted, judged in (halves, halves[::-1]):
        counts = np.bincount(counted, minlength=target.n_columns) + 0.5
        losses.append(-np.log(counts / counts.sum())[judged])
    return float(np.concatenate(losses).mean())
