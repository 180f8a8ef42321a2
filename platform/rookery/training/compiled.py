"""Whether steps of a network run compiled: by torch.compile, which on a GPU records CUDA graphs of them.

A compiled step computes what a plain one does, to rounding. Draws have no state, so that steps can be timed
and then undone: the training that follows is that of a network which was not timed.
"""

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from subprocess import SubprocessError
from typing import Any

import torch
from torch import Tensor, nn

from rookery.compute.memory import is_out_of_memory
from rookery.compute.peaks import clock
from rookery.training.card import Steps
from rookery_ensembles.errors import InputError

Compute = Callable[..., dict[str, Tensor]]
"""Returns the mean of each term of the loss of a batch."""
WARM_UP, TIMED = 3, 20
"""Steps of each way: those that do not count, in which torch records its graphs, and those that do."""
EXPECTED_SECONDS = 60.0
"""What a compilation is taken to last before this process has seen one: half of a minute to one where
measured."""
NEAR = {"float32": 1e-3, "tf32": 1e-2, "bf16": 5e-2}
"""By how much a loss may differ in a compiled step, by precision: of itself, and of 1 where it is less, since
its parts may cancel."""

_FAULTS = (RuntimeError, OSError, SubprocessError, ImportError)
"""Torch's own are the first kind; the others come of its cache's folder, and of compilers that it calls."""
_seen = [EXPECTED_SECONDS]


def expected_seconds() -> float:
    """Return what a compilation lasts: as long as the last one of this process."""
    return _seen[-1]


def can_win(seconds: float) -> bool:
    """Whether so many seconds of plain steps would win a compilation back, if compiled ones took half."""
    return seconds / 2 >= expected_seconds()


def compiled(compute: Compute, device: torch.device) -> Compute:
    """Return what computes the same, compiled as a whole; its first call compiles.

    What was compiled before in this process is forgotten: torch counts the variants of one piece of code.
    On a CPU there are no vector instructions in it: those of torch 2.13 write beyond their memory in
    reductions (pytorch issue 181618), which ended processes here.

    Raises
    ------
    InputError
        Where no C++ compiler is at hand, on a CPU.
    """
    forget()
    if device.type == "cpu":
        name = os.environ.get("CXX", "g++")
        if shutil.which(name) is None:
            rule = "needs a C++ compiler on a CPU, but this machine has no"
            raise InputError(f"`compile` always: torch {rule} `{name}` (on Debian: apt-get install g++)")
        options: dict[str, Any] = {"cpp.simdlen": 1}
        return torch.compile(compute, dynamic=False, fullgraph=True, options=options)
    return torch.compile(compute, dynamic=False, fullgraph=True, mode="reduce-overhead")


def forget() -> None:
    """Free what was compiled in this process, and the memory of its graphs."""
    if "torch._inductor.compile_fx" in sys.modules:
        torch._dynamo.reset()


def constants(network: nn.Module) -> dict[str, Any]:
    """Return a network's own plain attributes: what is compiled holds for these, for others it is made anew.

    Whether it trains is none of them, as steps are taken in training alone.
    """
    kinds, left = (bool, int, float, str), "training"
    return {name: value for name, value in vars(network).items() if isinstance(value, kinds) and name != left}


def choose(
    asked: str,
    device: torch.device,
    precision: str,
    left: int,
    most: float,
    plain: Callable[[], dict[str, Tensor]],
    make: Callable[[], Callable[[], dict[str, Tensor]]],
    undo: Callable[[], None],
) -> Steps:
    """Time steps of both ways and say which one to take.

    Parameters
    ----------
    asked
        `auto` or `always`.
    left
        Steps that the training still has.
    most
        Seconds that it may still take.
    plain
        Takes a plain step and returns the means of its loss.
    make
        Returns what takes a compiled one.
    undo
        Sets the network to what it was.

    Raises
    ------
    InputError
        With `always`, where torch cannot compile, or computes something else then.
    """

    def wins(seconds: float) -> bool:
        return asked == "always" or can_win(min(left * seconds, most))

    times: dict[str, float] = {}
    try:
        loss, times["plain"] = _timed(plain, device, wins)
    finally:
        undo()
    if not wins(times["plain"]):
        told = f"the {left} steps left" if left * times["plain"] <= most else f"the {most:.0f} seconds left"
        return _steps("plain", times, None, f"{told} are over before a compilation pays")
    start = time.perf_counter()
    try:
        step = make()
        first = _loss(step())
        took = time.perf_counter() - start
        undo()
        fault = _fault(loss, first, precision)
        if fault is None:
            _, times["compiled"] = _timed(step, device)
    except _FAULTS as error:
        took = time.perf_counter() - start
        text = "out of memory" if is_out_of_memory(error) else (str(error).strip().splitlines() or [""])[0]
        fault = f"torch cannot compile it here ({type(error).__name__}: {text})"
    finally:
        undo()
    if fault is not None:
        if asked == "always":
            raise InputError(f"`compile` always: {fault}; take never or auto")
        return _steps("plain", times, took, fault)
    _seen.append(took)
    if asked == "always":
        return _steps("compiled", times, took, "asked for")
    way = "compiled" if times["compiled"] < times["plain"] else "plain"
    return _steps(way, times, took, "timed")


def _steps(way: str, times: Mapping[str, float], took: float | None, why: str) -> Steps:
    milliseconds = {name: round(1e3 * seconds, 4) for name, seconds in times.items()}
    return Steps(way=way, milliseconds=milliseconds, compile_seconds=took and round(took, 2), why=why)


def _fault(plain: float, found: float, precision: str) -> str | None:
    """Say whether a compiled step has another loss than the plain one from the same weights."""
    if not math.isfinite(plain) or abs(found - plain) <= NEAR[precision] * max(1.0, abs(plain)):
        return None  # what is not finite is told of by the training itself
    return f"the loss of a compiled step is {found:.6g}, but that of the plain one {plain:.6g}"


def _timed(
    step: Callable[[], dict[str, Tensor]],
    device: torch.device,
    wanted: Callable[[float], bool] = lambda seconds: True,
) -> tuple[float, float]:
    """Return the loss of the first step, and the seconds of one, a mean of some after those that warm up.

    The last of these takes no less: what is not `wanted` of its time is not timed any longer.
    """
    loss = _loss(step())
    for _ in range(WARM_UP - 2):
        step()
    start = clock(device)
    step()
    if not wanted(seconds := clock(device) - start):
        return loss, seconds
    start = clock(device)
    for _ in range(TIMED):
        step()
    return loss, (clock(device) - start) / TIMED


def _loss(means: dict[str, Tensor]) -> float:
    return float(torch.stack(list(means.values())).sum())
