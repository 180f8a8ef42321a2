"""Machines and what trains on them: what the networks' own files tell, and Ray where one answers.

Ray is asked in a thread of its own, so that no page ever waits for a cluster that is away.
"""

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rookery.clusters.standing import Node, Standing, cluster_standing
from rookery.dashboard.fleet import Fleet
from rookery.training.epochs_file import MEMORY, UTILISATION, Epochs, running_epochs
from rookery_ensembles.errors import InputError

_ASK_SECONDS = 5.0
"""So often at most is Ray asked, and only while somebody has the page open."""
_GIGABYTE = 1e9


@dataclass(frozen=True)
class Answer:
    """What Ray said last."""

    standing: Standing | None = None
    error: str | None = None
    """Why there is no answer; None where there is one, or before the first."""
    at: float = 0.0
    """When it came (Unix time)."""


class RayWatch:
    """Asks a cluster how it stands, in the background."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._last = Answer()
        self._asked_at = -_ASK_SECONDS
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def look(self) -> Answer:
        """Return the last answer at once; where it is old, another one is asked for."""
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            if not busy and time.monotonic() - self._asked_at >= _ASK_SECONDS:
                self._asked_at = time.monotonic()
                self._thread = threading.Thread(target=self._ask, name="ray-watch", daemon=True)
                self._thread.start()
            return self._last

    def _ask(self) -> None:
        try:
            self._last = Answer(cluster_standing(self._address), None, time.time())
        except InputError as error:
            self._last = Answer(None, str(error), time.time())


@dataclass
class Machines:
    """Everything that is in training below the fleet's folders, and where."""

    fleet: Fleet
    ray: RayWatch
    """Whose folders, and who asks Ray."""
    _epochs: dict[str, dict[str, Epochs]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def networks(self, rows: Sequence[Mapping[str, Any]], answer: Answer) -> list[dict[str, Any]]:
        """Return the networks that are in training or were interrupted, by what their workers wrote."""
        actors = answer.standing.actors if answer.standing else {}
        found = []
        with self._lock:
            states = {row["key"]: row["state"] for row in rows if row["kind"] != "bundle"}
            for key in set(self._epochs) - set(states):
                del self._epochs[key]
            for row in rows:
                if (key := row["key"]) not in states:
                    continue
                self._epochs[key] = running_epochs(Path(row["path"]), self._epochs.get(key))
                found += [
                    network_row(row, one, states[key], actors.get((one.head.host, one.head.process)))
                    for one in self._epochs[key].values()
                ]
        return found


def network_row(of: Mapping[str, Any], one: Epochs, state: str, actor: str | None) -> dict[str, Any]:
    """Return a network in training as a row: which, how far, where, and what it takes."""
    head, last = one.head, one.rows[-1] if one.rows else {}
    memory, running = last.get(MEMORY), state == "running"
    return {
        "id": f"{of['key']} {head.member}",
        "network": head.member,
        "of": of["key"],
        "kind": of["kind"],
        "state": state if not running else "stalled" if one.stalled() else "running",
        "epoch": [one.epoch, head.epochs],
        "seconds": one.seconds_per_epoch,
        "silent": one.silent() / 3600,
        "host": head.host,
        "device": head.device,
        "memory": None if memory is None else memory / _GIGABYTE,
        "utilisation": last.get(UTILISATION),
        "process": head.process,
        "actor": actor,
    }


def machine_rows(
    answer: Answer, networks: Sequence[Mapping[str, Any]], here: Node | None
) -> list[dict[str, Any]]:
    """Return a row for each node: of Ray, of this machine, and any host that a network names."""
    nodes = list(answer.standing.nodes) if answer.standing else []
    if here is not None and here.host not in {node.host for node in nodes}:
        nodes.append(here)
    busy = [one for one in networks if one["state"] in ("running", "stalled")]
    known = {node.host for node in nodes}
    for host in sorted({one["host"] for one in busy} - known):
        nodes.append(Node(host, "told by its networks", None, None, None, None))
    return [_machine_row(number, node, busy) for number, node in enumerate(nodes)]


def _machine_row(number: int, node: Node, busy: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [one for one in busy if one["host"] == node.host]
    told = [
        f"{gpu.name}"
        + ("" if gpu.utilisation is None else f" {gpu.utilisation:.0f} %")
        + (
            ""
            if gpu.memory is None or not gpu.memory_total
            else f", {gpu.memory:.1f} of {gpu.memory_total:.0f} GB"
        )
        for gpu in node.gpus
    ]
    return {
        "id": str(number),
        "host": node.host,
        "state": node.state,
        "networks": len(mine),
        "cpu": node.cpu,
        "cores": node.cores,
        "given": ", ".join(f"{used:g} of {total:g} {name}" for name, (used, total) in node.used.items())
        or None,
        "memory": node.memory,
        "memory_total": node.memory_total,
        "devices": "; ".join(told) or ", ".join(sorted({one["device"] for one in mine})) or None,
    }


def this_machine() -> Node | None:
    """Return the machine that serves the page, as Linux tells it; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        told = {line.split(":")[0]: float(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
        cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    except (OSError, ValueError, IndexError):
        return None
    return Node(
        host=socket.gethostname(),
        state="this machine",
        cpu=min(100.0, 100 * load / cores),
        cores=cores,
        memory=(told["MemTotal"] - told["MemAvailable"]) / _GIGABYTE,
        memory_total=told["MemTotal"] / _GIGABYTE,
    )
