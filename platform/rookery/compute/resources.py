"""How many trials fit on a cluster at once, and why a plan is refused."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rookery.words import count
from rookery_ensembles.errors import InputError

Node = dict[str, float]
Execution = Literal["auto", "train", "actor", "pack"]
_ROUNDING = 1e-9
"""0.3 / 0.1 is 2.9999999999999996."""


@dataclass(frozen=True)
class ResourcePlan:
    """What each trial holds and how many run at once."""

    in_worker_group: bool
    concurrent: int
    """Trials at once on the nodes that there were when the plan was made."""
    cpus: float
    """Of each worker."""
    gpus: float
    """Of each worker."""
    text: str
    """The plan in words."""
    workers: int = 1
    """Processes that train a network together."""
    at_most: int | None = None
    """Trials at once that were asked for; None for as many as fit, also on nodes that join later."""
    autoscaling: bool = False
    """Whether trials may wait for nodes that the cluster adds when it sees them wait."""
    pack: int = 1
    """Most networks that one worker trains as one program."""
    warnings: tuple[str, ...] = ()
    """What of the cluster stays idle."""

    def tune_resources(self) -> dict[str, float]:
        """Return what the Tune actor itself asks for.

        With a worker group the actor only waits for its workers. It holds a token of memory and no
        CPU: were it to hold one, trials could take every CPU and leave none for their workers.
        """
        if self.in_worker_group:
            return {"cpu": 0, "memory": 1 << 20}
        return {"cpu": self.cpus} | ({"gpu": self.gpus} if self.gpus else {})

    def room(self, nodes: Sequence[Node]) -> int:
        """Return how many trials may run at once on the nodes that there are now."""
        if self.autoscaling:
            return self.concurrent
        fit = sum(_slots(node, self.cpus, self.gpus) for node in nodes) // self.workers
        return fit if self.at_most is None else min(fit, self.at_most)


@dataclass(frozen=True)
class Resources:
    """Where networks shall train, and with what: what is asked for, by a search or a campaign."""

    address: str | None = None
    """Of a Ray cluster that this machine belongs to (``auto`` or ``HOST:6379``); None for a Ray of this
    machine's own, which ends with the work."""
    concurrent: int | None = None
    """Trials or networks at once; None for all that fit."""
    cpus: float = 1
    """Of each worker of a network."""
    gpus: float | None = None
    """Of each worker of a network; None for one where the cluster has any."""
    autoscaling: bool = False
    """Whether the cluster adds nodes for `concurrent` trials that wait."""

    def plan(self, nodes: Sequence[Node], execution: str, **terms: Any) -> ResourcePlan:
        """Return what `plan_resources` makes of it, under further terms."""
        return plan_resources(
            nodes,
            execution,
            concurrent=self.concurrent,
            cpus_per_trial=self.cpus,
            gpus_per_trial=self.gpus,
            autoscaling=self.autoscaling,
            **terms,
        )


def plan_resources(
    nodes: Sequence[Node],
    execution: str,
    *,
    concurrent: int | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    workers_per_network: int = 1,
    pack: int = 1,
    at_most: int | None = None,
    trials: int | None = None,
    autoscaling: bool = False,
) -> ResourcePlan:
    """Decide where networks train and how many trials run at once.

    Parameters
    ----------
    nodes
        For each live node its ``CPU`` and ``GPU`` counts.
    execution
        ``train`` (a Ray Train worker group), ``actor`` (the trial's own process), ``pack``
        (a process in which up to `pack` networks train as one program), or
        ``auto``: ``train`` where the cluster has GPUs or a network has several workers, else ``actor``,
        which starts sooner.
    concurrent
        Wanted number of trials at once; by default as many as fit.
    cpus_per_trial, gpus_per_trial
        Of each worker of a network. Below 1, a GPU is shared by several workers; above 1 it must be a
        whole number. By default one GPU where the cluster has any, else none.
    workers_per_network
        Processes that train one network together. They may lie on different nodes.
    at_most
        No more trials at once than this, also where more would fit.
    trials
        Trials still to run, for the plan's text.
    autoscaling
        The cluster adds nodes when trials wait for them, so that more than fit now may be asked for, by
        `concurrent`.

    Raises
    ------
    InputError
        When a trial asks for no CPU, fits nowhere, or more trials at once are wanted than can run.
    """
    gpus = _gpus(nodes, gpus_per_trial)
    packed = execution == "pack"
    in_group = _in_worker_group(execution, gpus, workers_per_network)
    _check_amounts(cpus_per_trial, gpus, concurrent)
    worker = _amount(cpus_per_trial, gpus)
    each = worker if workers_per_network == 1 else f"{workers_per_network} workers x ({worker})"
    slots = sum(_slots(node, cpus_per_trial, gpus) for node in nodes)
    room = slots // workers_per_network
    have = _cluster(nodes)
    if autoscaling and concurrent is None:
        raise InputError("`autoscaling` needs `concurrent`: how many trials at once to ask nodes for")
    if not autoscaling:
        _refuse_what_cannot_run(slots, room, worker, each, have, concurrent)
    at_once = concurrent or room
    if at_most is not None:
        at_once = min(at_once, at_most)
    idle = () if autoscaling else _idle(nodes, cpus_per_trial, gpus, at_once * workers_per_network, slots)
    if gpus > 1:
        idle += (
            f"each worker trains on 1 of its {gpus:g} GPUs; `workers_per_network` uses more for a network",
        )
    where = "in Ray Train worker groups" if in_group else "in reused Tune actors"
    what = f"pack of up to {pack} trials" if packed else "trial"
    several = f"packs of up to {pack} trials" if packed else "trials"
    text = f"{at_once} {several if at_once > 1 else what} at once of {each} {where}"
    text += f"; {room} fit now ({have}), nodes may join" if autoscaling else f", on {have}"
    if trials is not None:
        rounds = math.ceil(trials / (at_once * (pack if packed else 1)))
        text += f"; {count(trials, 'trial')} in about {count(rounds, 'round')}"
    return ResourcePlan(
        in_group,
        at_once,
        cpus_per_trial,
        gpus,
        text,
        workers=workers_per_network,
        at_most=concurrent if at_most is None else at_once,
        autoscaling=autoscaling,
        pack=pack if packed else 1,
        warnings=idle,
    )


def live_nodes(ray_nodes: Sequence[dict[str, Any]]) -> list[Node]:
    """Return the resources of the live nodes of ``ray.nodes()``."""
    return [dict(node["Resources"]) for node in ray_nodes if node["Alive"]]


def _gpus(nodes: Sequence[Node], asked: float | None) -> float:
    if asked is None:
        return 1.0 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0
    if not 0 <= asked < math.inf:
        raise InputError(f"`gpus_per_trial` must be at least 0, but is {asked:g}")
    if asked > 1 and asked != int(asked):
        raise InputError(f"`gpus_per_trial` above 1 must be a whole number, but is {asked:g}")
    return asked


def _in_worker_group(execution: str, gpus: float, workers: int) -> bool:
    """Decide where networks train."""
    if workers < 1:
        raise InputError(f"`workers_per_network` must be at least 1, but is {workers}")
    if workers > 1 and execution in ("actor", "pack"):
        rule = f"trains in one process, but `workers_per_network` is {workers}; take train or auto"
        raise InputError(f"`execution` {execution} {rule}")
    if workers > 1 and 0 < gpus < 1:
        rule = f"with several workers a network must be whole GPUs, but is {gpus:g}"
        raise InputError(f"`gpus_per_trial` {rule}: NCCL lets no two workers share a device")
    return execution == "train" or (execution == "auto" and (gpus > 0 or workers > 1))


def _check_amounts(cpus: float, gpus: float, concurrent: int | None) -> None:
    if not 0 < cpus < math.inf:
        raise InputError(f"`cpus_per_trial` must be above 0, but is {cpus:g}")
    if concurrent is not None and concurrent < 1:
        raise InputError(f"`concurrent` must be at least 1, but is {concurrent}")


def _refuse_what_cannot_run(
    slots: int, room: int, worker: str, each: str, have: str, concurrent: int | None
) -> None:
    """Raise InputError when a worker, a network or so many trials at once find no place."""
    if slots < 1:
        rule = "it can never be placed"
        raise InputError(f"a trial needs {worker} on one node, but the cluster has {have}: {rule}")
    if room < 1:
        rule = f"but only {slots} such workers fit on the cluster ({have}): it can never be placed"
        raise InputError(f"a network needs {each}, {rule}")
    if concurrent is not None and concurrent > room:
        asked = f"{concurrent} trials at once of {each} each were asked for"
        raise InputError(f"{asked}, but only {room} fit on the cluster ({have})")


def _slots(node: Node, cpus: float, gpus: float) -> int:
    """Return how many workers fit on a node. A worker with a part of a GPU never spans two devices."""
    by_cpu = min(node.get("CPU", 0) / cpus + _ROUNDING, 2.0**31)
    if gpus == 0:
        return int(by_cpu)
    devices = node.get("GPU", 0)
    by_gpu = int(devices) * int(1 / gpus + _ROUNDING) if gpus < 1 else int(devices / gpus + _ROUNDING)
    return min(int(by_cpu), by_gpu)


def _amount(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")


def _cluster(nodes: Sequence[Node]) -> str:
    """Say what a cluster has, alike nodes together."""
    kinds = Counter(f"{node.get('CPU', 0):g} CPU / {node.get('GPU', 0):g} GPU" for node in nodes)
    if not kinds:
        return "no node"
    parts = [f"{number} x ({kind})" if number > 1 else f"({kind})" for kind, number in kinds.items()]
    return f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}: {', '.join(parts)}"


def _idle(nodes: Sequence[Node], cpus: float, gpus: float, workers: int, slots: int) -> tuple[str, ...]:
    """Say which devices can never be used by this plan."""
    devices = sum(int(node.get("GPU", 0)) for node in nodes)
    if gpus == 0:
        return (f"{devices} GPUs stay idle: trials take none",) if devices else ()
    # Were CPUs no limit, so many workers would fit.
    wide = sum(_slots({**node, "CPU": math.inf}, cpus, gpus) for node in nodes if node.get("CPU", 0))
    if slots < wide:
        rule = f"the nodes' CPUs suffice for {slots} workers of {_amount(cpus, gpus)}, their GPUs for {wide}"
        return (f"GPUs stay idle: {rule}; lower `cpus_per_trial`",)
    used = workers * gpus
    return (f"{devices - used:g} of {devices} GPUs stay idle",) if devices - used >= 1 else ()
