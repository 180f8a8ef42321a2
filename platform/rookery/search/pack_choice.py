"""Whether a search of execution `auto` trains as packs: where space and family allow it, by timed steps.

A pack has one architecture. A space in which more of them are searched than there will be packs would be
searched with fewer of them than trials could try, so it is left alone. Then networks of random numbers are
timed both ways, once in the life of a study: what came out is kept in its database.
"""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rookery.networks.family import FREE_IN_PACKS, load_family
from rookery.search.attributes import PACK_GAIN
from rookery.search.packs import pack_size
from rookery.search.parameters import CategoricalParameter, FixedParameter, FloatParameter, Searched
from rookery.search.space import SearchSpace
from rookery.search.study import Study

if TYPE_CHECKING:
    import optuna

    from rookery.compute.resources import ResourcePlan

WORTH = 1.3
"""So many times as fast must a pack be: its networks wait for each other, and are proposed at once."""
ROUNDS = 2
"""So many packs must there be for each worker: less is not worth the timing."""
_BATCHES = 8


def chosen_execution(
    study: Study, opened: "optuna.Study", plan: "ResourcePlan", trials: int
) -> tuple[str, str | None]:
    """Return the execution of a search, and in words why, where that was asked for as `auto`.

    Parameters
    ----------
    opened
        The study's Optuna study, which keeps what was timed.
    plan
        What `auto` would be without packs.
    trials
        Trials still to run.
    """
    document = study.document
    networks = pack_size(document.pack, trials, plan.concurrent)
    asked = document.execution == "auto" and document.deterministic is None and document.sampler != "grid"
    if not asked or plan.in_worker_group or plan.gpus:
        return document.execution, None
    gain = opened.user_attrs.get(PACK_GAIN)
    if gain is None:
        if not may_pack(document.space, trials, networks, plan.concurrent):
            return "auto", None
        gain = round(time_gain(document.space, networks), 2)
        opened.set_user_attr(PACK_GAIN, gain)
    told = f"networks of a pack were timed to train {gain:g} times as fast as one by one"
    if gain < WORTH:
        return "auto", f"{told}: they train one by one"
    return "pack", f"{told}: they train as packs"


def may_pack(space: SearchSpace, trials: int, networks: int, at_once: int) -> bool:
    """Whether a space and its family allow packs of so many networks on CPUs, and there are enough trials."""
    family = load_family(space.family)
    if not family.packs_on_cpu or networks < 2 or trials < ROUNDS * networks * at_once:
        return False
    if family.pack_key(family.configure(_point(space))) is None:
        return False
    free = {*FREE_IN_PACKS, *family.loss_weights}
    shape = [p for name, p in space.parameters.items() if name not in free]
    kinds = math.prod(_values(p) for p in shape if not isinstance(p, FixedParameter))
    return kinds * networks <= trials


def time_gain(space: SearchSpace, networks: int) -> float:
    """Return how many times as fast networks of a space train as a pack, on random numbers and one core."""
    from rookery.training.data import find_device
    from rookery.training.speed import Bench, Case, one_thread, turns

    point = _point(space)
    objects = _BATCHES * load_family(space.family).configure(point).batch_size
    with TemporaryDirectory(prefix="rookery-packs-") as scratch, one_thread():
        bench = Bench(Case("auto", space.family, point, objects), Path(scratch), find_device("cpu"))
        times = turns({"loop": bench.loop, "pack": lambda: bench.pack(networks)}, rounds=1)
    return times["loop"] / times["pack"]


def _point(space: SearchSpace) -> dict[str, Any]:
    """Return a configuration of a space: its first published one, or the defaults, and what is fixed."""
    return space.with_fixed(space.published[0] if space.published else {})


def _values(parameter: Searched) -> float:
    """Return how many values a parameter may have."""
    if isinstance(parameter, CategoricalParameter):
        return len(parameter.choices)
    if isinstance(parameter, FloatParameter) and parameter.step is None:
        return math.inf if parameter.low < parameter.high else 1
    return round((parameter.high - parameter.low) / (parameter.step or 1)) + 1
