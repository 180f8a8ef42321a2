"""How a Ray cluster stands, asked of its head's dashboard over HTTP: nodes, devices, what runs, what waits.

The asker needs no Ray and joins nothing. Utilisation is what the head's ``ray[default]`` measures; resources
in use and the queue are what its scheduler has given away, so that they are known of every cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rookery.clusters.jobs import JobClient
from rookery_ensembles.errors import InputError

_GIGABYTE = 1e9
_TIMEOUT_S = 4.0


@dataclass(frozen=True)
class Gpu:
    """A GPU as its node measures it."""

    name: str
    utilisation: float | None
    """Percent."""
    memory: float | None
    """Gigabytes in use."""
    memory_total: float | None
    """Gigabytes that it has."""


@dataclass(frozen=True)
class Node:
    """A node of a cluster, or this machine."""

    host: str
    state: str
    """alive or dead; `head` is added to the head's."""
    cpu: float | None
    """Percent of all its cores."""
    cores: float | None
    memory: float | None
    """Gigabytes in use."""
    memory_total: float | None
    gpus: tuple[Gpu, ...] = ()
    used: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of CPU and GPU what Ray has given away, and how many there are; empty where Ray does not tell."""


@dataclass(frozen=True)
class Standing:
    """How a cluster stands."""

    address: str
    nodes: tuple[Node, ...]
    waiting: tuple[tuple[str, int], ...]
    """What the scheduler has no room for: resources in words, and how often."""
    actors: Mapping[tuple[str, int], str]
    """Kinds of the living actors by host and process."""


def cluster_standing(address: str | None = None) -> Standing:
    """Ask a cluster how it stands.

    Parameters
    ----------
    address
        ``http://HEAD:8265``, as :class:`rookery.clusters.jobs.JobClient` takes it.

    Raises
    ------
    InputError
        When nobody answers there within some seconds, or the cluster refuses this user's token.
    """
    head = JobClient(address, timeout=_TIMEOUT_S)
    summary = head.get("/nodes?view=summary")
    status = head.get("/api/cluster_status")
    actors = head.get("/api/v0/actors?filter_keys=state&filter_predicates=%3D&filter_values=ALIVE&limit=1000")
    try:
        return _standing(head.address, summary, status, actors)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{head.address}: what answers there is no Ray dashboard known here ({error!r})"
        ) from error


def _standing(address: str, told: Any, status: Any, actors: Any) -> Standing:
    summary = told["data"]["summary"]
    load = (status["data"]["clusterStatus"] or {}).get("loadMetricsReport") or {}
    hosts = {one["raylet"].get("nodeId"): str(one.get("hostname")) for one in summary}
    usage = load.get("usageByNode") or {}
    return Standing(
        address,
        tuple(_node(one, usage.get(one["raylet"].get("nodeId")) or {}) for one in summary),
        tuple(_waiting(load)),
        {
            (hosts.get(one["node_id"], ""), int(one["pid"])): str(one["class_name"])
            for one in actors["data"]["result"]["result"]
        },
    )


def _node(told: Mapping[str, Any], usage: Mapping[str, Any]) -> Node:
    raylet, memory = told["raylet"], told.get("mem") or []
    state = str(raylet.get("state", "")).lower() + (", head" if raylet.get("isHeadNode") else "")
    totals = raylet.get("resourcesTotal") or {}
    used = {
        name: (float(usage.get(name, (0.0, 0.0))[0]), float(totals[name]))
        for name in ("CPU", "GPU")
        if name in totals and usage
    }
    return Node(
        host=str(told.get("hostname") or raylet.get("nodeManagerHostname") or ""),
        state=state,
        cpu=told.get("cpu"),
        cores=(told.get("cpus") or [None])[0],
        memory=(memory[0] - memory[1]) / _GIGABYTE if len(memory) > 1 else None,
        memory_total=memory[0] / _GIGABYTE if memory else None,
        gpus=tuple(map(_gpu, told.get("gpus") or ())),
        used=used,
    )


def _gpu(told: Mapping[str, Any]) -> Gpu:
    used, total = told.get("memoryUsed"), told.get("memoryTotal")  # of Ray in MiB
    return Gpu(
        str(told.get("name", "GPU")),
        told.get("utilizationGpu"),
        None if used is None else used * 2**20 / _GIGABYTE,
        None if total is None else total * 2**20 / _GIGABYTE,
    )


def _waiting(load: Mapping[str, Any]) -> list[tuple[str, int]]:
    found = [(_words(shape), int(often)) for shape, often in load.get("resourceDemand") or ()]
    for group, often in load.get("pgDemand") or ():
        bundles = [f"{count} × {_words(shape)}" for shape, count in group.get("bundles") or ()]
        found.append((f"worker group of {' and '.join(bundles)}", int(often)))
    return found


def _words(shape: Mapping[str, float]) -> str:
    named = {name: value for name, value in shape.items() if not name.startswith("bundle_group")}
    return ", ".join(f"{value:g} {name}" for name, value in named.items()) or "nothing of its own"
