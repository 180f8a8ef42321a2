"""How fast networks train on this machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rookery.api._types import Count, FileOrName

if TYPE_CHECKING:
    import torch

    from rookery.networks.family import Family
    from rookery.training.speed import Bench, Case
    from rookery.training.speed_result import SpeedResult, SpeedRow

_FLOP = {"cpu": 3e9, "cuda": 1e13}
"""Operations of a measured epoch, so that it takes about a tenth of a second; it has two batches or more."""
_MOST_OBJECTS = {"cpu": 2048, "cuda": 65_536}
_PACKS = {"cpu": 16, "cuda": 64}
_LARGE_FLOP = 1e8
"""A network that takes more for one object is measured on a CPU only where its space is named."""


def bench(
    *,
    space: Sequence[FileOrName] = (),
    device: Literal["cpu", "cuda"] | None = None,
    pack: Count | None = None,
    rounds: Count = 1,
) -> "SpeedResult":
    """Measure how fast networks train here: minimal loop, training loop and packs, on random numbers.

    On a CPU one core works, and times are of this process's processor: other programs hardly matter. The
    network of a search space is its first published point on a GPU, its smallest one on a CPU. Unless they
    are named, spaces for a shifted sample are left out, and on a CPU those of large networks.

    Parameters
    ----------
    space
        Search space to take a network from: a YAML file, or the name of one that ships; repeatable. By
        default those that ship.
    device
        Where to compute; by default the GPU, if any.
    pack
        Networks of a pack; by default 16 on a CPU, 64 on a GPU.
    rounds
        Turns of all ways of a network; medians are told.
    """
    import platform

    import torch

    from rookery.compute.peaks import copy_bandwidth, product_rate
    from rookery.compute.progress import tracked
    from rookery.training.data import find_device
    from rookery.training.speed import one_thread
    from rookery.training.speed_result import SpeedResult

    place = find_device(device)
    on_gpu = place.type == "cuda"
    with one_thread():
        name = torch.cuda.get_device_name(place) if on_gpu else f"1 core, {platform.machine()}"
        products = {"float32": product_rate(place, torch.float32)}
        if on_gpu:
            products["bf16"] = product_rate(place, torch.bfloat16)
        result = SpeedResult(name, copy_bandwidth(place), products)
        for case in tracked(list(_cases(space, place)), "networks"):
            result.rows.extend(_measured(case, place, pack or _PACKS[place.type], rounds))
    return result


def _cases(spaces: Sequence[FileOrName], device: "torch.device") -> Iterator["Case"]:
    """Yield a network of each space."""
    from rookery.networks.family import load_family
    from rookery.search.parameters import FixedParameter
    from rookery.search.space import find_space, load_space, shipped_spaces
    from rookery.training.speed import Case

    for place in spaces or shipped_spaces():
        path = find_space(place)
        space = load_space(path)
        family = load_family(space.family)
        fixed = {n: p.value for n, p in space.parameters.items() if isinstance(p, FixedParameter)}
        points = [{**fixed, **point} for point in space.published or ({},)]
        costs = _forward_flop(family, points)
        number = costs.index(min(costs)) if device.type == "cpu" else 0
        c = family.configure(points[number])
        large = device.type == "cpu" and costs[number] > _LARGE_FLOP
        if not spaces and (large or space.objective.shift is not None):
            continue
        most = min(_MOST_OBJECTS[device.type], int(_FLOP[device.type] / (3 * costs[number])))
        batches = max(2, most // c.batch_size)
        size = int(getattr(c, "image_size", 64))
        label = f"{path.stem}, point {number + 1}"
        yield Case(label, family.name, points[number], batches * c.batch_size, size)


def _forward_flop(family: "Family[Any]", points: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the operations of networks' forward passes for one object."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from rookery.networks.cost import network_cost
    from rookery.surveys.simulators.random_numbers import random_survey
    from rookery.training.speed import N_BINS

    found = []
    with TemporaryDirectory(prefix="rookery-bench-") as scratch:
        survey = random_survey(Path(scratch) / "few", family.survey_kinds[0], 4)
        for point in points:
            c = family.configure(dict(point))
            inputs = family.encode(survey, c, survey.bands)
            found.append(network_cost(family, c, inputs, len(survey.bands), N_BINS).forward_flop)
    return found


def _measured(case: "Case", device: "torch.device", pack: int, rounds: int) -> "Iterator[SpeedRow]":
    """Yield a row for each way and precision; a way that fails has its error in place of a figure."""
    from dataclasses import replace
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from rookery.training.speed import Bench

    with TemporaryDirectory(prefix="rookery-bench-") as scratch:
        for precision in ("float32", "bf16") if device.type == "cuda" else ("float32",):
            values = {**case.values, "precision": precision}
            bench = Bench(replace(case, values=values), Path(scratch), device)
            yield from _rows(bench, precision, pack, rounds)


def _rows(bench: "Bench", precision: str, pack: int, rounds: int) -> "Iterator[SpeedRow]":
    from functools import partial

    from rookery.training.speed import turns
    from rookery.training.speed_result import SpeedRow
    from rookery_ensembles.errors import InputError

    ways: dict[str, Callable[[], float]] = {"plain": bench.plain, "loop": bench.loop}
    if bench.device.type == "cuda":
        ways |= {"compiled": partial(bench.plain, compiled=True), "graph": partial(bench.plain, graph=True)}
        ways["loop compiled"] = partial(bench.loop, "always")
    if bench.family.pack_key(bench.configuration) is not None:
        ways[f"pack of {pack}"] = partial(bench.pack, pack)
        for strategy in ("fused", "graphs") if bench.device.type == "cuda" else ():
            ways[f"pack of {pack}, {strategy}"] = partial(bench.pack, pack, strategy)
    found: dict[str, float] = {}
    errors: dict[str, str] = {}
    for name, way in ways.items():
        try:
            found |= turns({name: way}, rounds)
        except (RuntimeError, InputError) as error:  # out of memory, or what torch cannot compile or record
            errors[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    for name in ways:
        relative = found["loop"] / found[name] if name in found and "loop" in found else None
        rate = bench.case.objects / found[name] if name in found else None
        yield SpeedRow(bench.case.name, name, precision, rate, relative, errors.get(name))
