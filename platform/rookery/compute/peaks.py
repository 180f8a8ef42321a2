"""What a device does at best: copies in its memory, and products of matrices."""

import time
from collections.abc import Callable

import torch

_COPIED = {"cuda": 2**32, "cpu": 2**28}
"""Bytes that are copied at once."""
_SIDES = {"cuda": 8192, "cpu": 1024}
"""Rows and columns of the matrices."""
_TURNS = 5


def copy_bandwidth(device: torch.device) -> float:
    """Return bytes a second, read and written together, of a copy within a device's memory."""
    size = _COPIED[device.type]
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / _shortest(lambda: target.copy_(source), device)


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return operations a second of a product of square matrices, additions counted too."""
    side = _SIDES[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return float(2 * side**3 / _shortest(lambda: torch.mm(a, b), device))


def _shortest(work: Callable[[], object], device: torch.device) -> float:
    """Return the shortest of some turns in seconds, after one that warms up."""
    times = []
    for _ in range(_TURNS + 1):
        start = clock(device)
        work()
        times.append(clock(device) - start)
    return min(times[1:])


def clock(device: torch.device) -> float:
    """Return the time: of this process's processor on a CPU, else of the clock once the device is done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()
