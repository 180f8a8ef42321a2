"""How the doctor asks nodes: a probe on each, all asked at once; or this process alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rookery.clusters.probe import Probe

Ask = Callable[..., dict[str, Any]]
"""Calls a method of every node's probe, with arguments; answers by node, an exception where it failed."""
_ANSWER_S = 180.0
_PINGS = 5


def skews(names: Sequence[str], ask: Ask) -> dict[str, tuple[float, float]]:
    """Return how far each node's clock is ahead of this one's, and ± half the fastest round trip, seconds."""
    best: dict[str, tuple[float, float]] = {}
    for name in names:
        for _ in range(_PINGS):
            before = time.time()
            answer = ask("clock", each={name: ()})[name]
            after = time.time()
            if isinstance(answer, Exception):
                break
            sample = (answer - (before + after) / 2, (after - before) / 2)
            best[name] = min(best.get(name, sample), sample, key=lambda pair: pair[1])
    return best


def ask_here(name: str) -> Ask:
    """Ask this process, as if it were a cluster of one node."""
    probe = Probe()

    def ask(
        method: str, *arguments: Any, each: Mapping[str, tuple[Any, ...]] | None = None
    ) -> dict[str, Any]:
        mine = arguments if each is None else each.get(name)
        return {} if mine is None else {name: getattr(probe, method)(*mine)}

    return ask


def ask_cluster(names: Mapping[str, str]) -> Ask:
    """Start a probe on every node of the cluster (names by node id), and ask them at once."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from rookery.clusters import probe

    # By value: a node that lacks Rookery must answer too.
    ray.cloudpickle.register_pickle_by_value(probe)
    try:
        remote = ray.remote(num_cpus=0)(probe.Probe)
        actors = {
            name: remote.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote()
            for node, name in names.items()
        }
    finally:
        ray.cloudpickle.unregister_pickle_by_value(probe)

    def ask(
        method: str, *arguments: Any, each: Mapping[str, tuple[Any, ...]] | None = None
    ) -> dict[str, Any]:
        wanted = dict.fromkeys(actors, arguments) if each is None else each
        calls = {name: getattr(actors[name], method).remote(*given) for name, given in wanted.items()}
        end = time.monotonic() + _ANSWER_S
        answers: dict[str, Any] = {}
        for name, call in calls.items():
            try:
                answers[name] = ray.get(call, timeout=max(1.0, end - time.monotonic()))
            except (ray.exceptions.RayError, TimeoutError) as error:
                answers[name] = error
        return answers

    return ask


def node_names(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return a name for each node of ``ray.nodes()`` by its id: the host's, told apart where hosts repeat."""
    hosts = [node["NodeManagerHostname"] for node in nodes]
    return {
        node["NodeID"]: host if hosts.count(host) == 1 else f"{host}/{node['NodeID'][:6]}"
        for node, host in zip(nodes, hosts, strict=True)
    }


def first_line(error: object) -> str:
    """Return the first line of an error, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
