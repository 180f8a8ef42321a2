"""Memory of the device that trains: a trial's part of it, and what to do when it does not suffice."""

from __future__ import annotations

import torch

_CPU_TEXTS = ("can't allocate memory", "not enough memory")


class OutOfMemory(RuntimeError):  # noqa: N818 -- the name that everybody uses
    """Training did not fit into memory, with half of the batch either."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_TEXTS)


def memory_fraction(gpus: float) -> float | None:
    """Return the part of one GPU's memory that a worker with `gpus` of them may take; None for no limit."""
    return gpus if 0 < gpus < 1 else None


def prepare_device(gpus: float) -> None:
    """Make a worker process ready for the next trial: nothing is left of the one before.

    Ray's fractions of a GPU are bookkeeping and isolate nothing; here torch refuses this process more
    than its part.
    """
    if not torch.cuda.is_available():
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_per_process_memory_fraction(memory_fraction(gpus) or 1.0)


def out_of_memory_text(device: torch.device, tried: list[int], error: BaseException) -> str:
    """Say what did not fit, and what to do."""
    where = str(device)
    if device.type == "cuda":
        part = torch.cuda.get_per_process_memory_fraction(device)
        total = torch.cuda.get_device_properties(device).total_memory / 2**30
        where = f"{torch.cuda.get_device_name(device)} ({part:.0%} of {total:.0f} GiB)"
    sizes = " and ".join(map(str, tried))
    advice = "take a smaller `batch_size` or network, or a larger part of a device for each trial"
    return f"out of memory on {where} with batches of {sizes} objects; {advice} ({error})".splitlines()[0]
