"""How many trials fit on a cluster at once, and why a plan is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rookery_ensembles.errors import InputError

Node = dict[str, float]


@dataclass(frozen=True)
class ResourcePlan:
    """What each trial holds and how many run at once."""

    in_worker_group: bool
    concurrent: int
    cpus: float
    gpus: float
    text: str
    """The plan in words."""

    def tune_resources(self) -> dict[str, float]:
        """Return what the Tune actor itself asks for.

        With a worker group the actor only waits for its workers. It holds a token of memory and no
        CPU: were it to hold one, trials could take every CPU and leave none for their workers.
        """
        if self.in_worker_group:
            return {"cpu": 0, "memory": 1 << 20}
        return {"cpu": self.cpus} | ({"gpu": self.gpus} if self.gpus else {})


def plan_resources(
    nodes: Sequence[Node],
    execution: str,
    *,
    concurrent: int | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
) -> ResourcePlan:
    """Decide where networks train and how many trials run at once.

    Parameters
    ----------
    nodes
        For each live node its ``CPU`` and ``GPU`` counts.
    execution
        ``train`` (a Ray Train worker group per network), ``actor`` (the trial's own process), or
        ``auto``: ``train`` where the cluster has GPUs, else ``actor``, since a worker group's start
        of 7-17 s would dwarf the training of a small network on a CPU.
    concurrent
        Wanted number of trials at once; by default as many as fit.
    gpus_per_trial
        By default one where the cluster has GPUs, else none.

    Raises
    ------
    InputError
        When a trial asks for no CPU, fits on no node, or more trials at once are wanted than can run.
    """
    if not 0 < cpus_per_trial < math.inf:
        raise InputError(f"`cpus_per_trial` must be above 0, but is {cpus_per_trial:g}")
    if gpus_per_trial is not None and not 0 <= gpus_per_trial < math.inf:
        raise InputError(f"`gpus_per_trial` must be at least 0, but is {gpus_per_trial:g}")
    has_gpus = any(node.get("GPU", 0) >= 1 for node in nodes)
    gpus = (1.0 if has_gpus else 0.0) if gpus_per_trial is None else gpus_per_trial
    in_group = execution == "train" or (execution == "auto" and gpus > 0)
    need = {"CPU": cpus_per_trial} | ({"GPU": gpus} if gpus else {})
    wanted = " and ".join(f"{amount:g} {name}" for name, amount in need.items())
    room = sum(min(int(node.get(name, 0) / amount + 1e-9) for name, amount in need.items()) for node in nodes)
    have = (
        ", ".join(f"{node.get('CPU', 0):g} CPU / {node.get('GPU', 0):g} GPU" for node in nodes) or "no node"
    )
    if room < 1:
        raise InputError(
            f"a trial needs {wanted} on one node, but the cluster has {have}: it can never be placed"
        )
    if concurrent is not None and concurrent < 1:
        raise InputError(f"`concurrent` must be at least 1, but is {concurrent}")
    if concurrent is not None and concurrent > room:
        asked = f"{concurrent} trials at once of {wanted} each were asked for"
        raise InputError(f"{asked}, but only {room} fit on the cluster ({have})")
    at_once = concurrent or room
    where = "in Ray Train worker groups" if in_group else "in reused Tune actors"
    trials = f"{at_once} trial{'s' if at_once > 1 else ''} at once of {wanted}"
    text = f"{trials} {where}, on {len(nodes)} node(s) ({have})"
    return ResourcePlan(in_group, at_once, cpus_per_trial, gpus, text)


def live_nodes(ray_nodes: Sequence[dict[str, Any]]) -> list[Node]:
    """Return the resources of the live nodes of ``ray.nodes()``."""
    return [dict(node["Resources"]) for node in ray_nodes if node["Alive"]]
