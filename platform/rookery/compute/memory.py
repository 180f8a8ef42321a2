"""The device that a worker was given, its part of the memory, and what to do when that does not suffice."""

import os

import torch

from rookery_ensembles.errors import InputError

CONTEXT_BYTES = 768 * 2**20
"""What a process takes of a GPU beside torch's allocator: CUDA's context, kernels, cuBLAS, cuDNN, NCCL. Some
300 to 700 MiB are common; not measured here."""
_TEXTS = (
    "can't allocate memory",
    "not enough memory",
    # The GPU was full when a context or a library asked for memory, past torch's allocator.
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


class OutOfMemory(RuntimeError):  # noqa: N818 -- the name that everybody uses
    """Training did not fit into memory, with half of the batch either."""


class NoDeviceError(InputError):
    """This process lacks the device that was asked for: it can train nothing."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


def hide_gpus() -> None:
    """Keep this process from every GPU, before it has looked for one; what it runs sees none either.

    Ray hides GPUs from those that ask for a part of them alone, and no longer from those that ask for none.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def memory_fraction(gpus: float, total: float) -> float | None:
    """Return the part of one GPU's memory that torch may take for a worker with `gpus` of them.

    The allocator's limit does not count what the process takes beside it (`CONTEXT_BYTES`), which is taken
    off here: else the processes that share a GPU would together ask for more than it has.

    Parameters
    ----------
    total
        Bytes of the GPU.

    Returns
    -------
    None for no limit: the worker has a GPU for itself.

    Raises
    ------
    NoDeviceError
        When the part leaves torch nothing.
    """
    if not 0 < gpus < 1:
        return None
    fraction = gpus - CONTEXT_BYTES / total
    if fraction <= 0:
        rule = (
            f"of {total / 2**30:.3g} GiB must be more than CUDA itself takes, {CONTEXT_BYTES / 2**30:g} GiB"
        )
        raise NoDeviceError(f"a part of a GPU {rule}, but {gpus:g} of it is {gpus * total / 2**30:.3g} GiB")
    return fraction


def prepare_device(gpus: float) -> None:
    """Make a worker process that holds `gpus` ready for the next trial: nothing is left of the one before.

    Ray's fractions of a GPU are bookkeeping and isolate nothing; here torch refuses this process more
    than its part.
    """
    if gpus == 0 or not torch.cuda.is_available():
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(memory_fraction(gpus, total) or 1.0)


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
