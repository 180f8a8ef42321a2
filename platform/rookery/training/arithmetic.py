"""The arithmetic that a GPU uses for numbers in single precision, and what was in force."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rookery.training.card import Arithmetic


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Compute with `precision` (see :class:`rookery.networks.configuration.TrainingConfiguration`) inside.

    The switches are the process's, autocast this thread's: what else it computes meanwhile follows them too.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    # torch's switch for products is the CPU's too; there single precision stays what it is.
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32" and device.type == "cuda"
    bf16 = precision == "bf16" and device.type != "cpu"
    try:
        if not bf16:
            yield
            return
        # Rounded weights are not kept from one use to the next: steps change what they are rounded from.
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def arithmetic_now(device: torch.device) -> Arithmetic:
    """Return what is in force now on a device."""
    kind = device.type
    autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return Arithmetic(
        float32_matmul=torch.get_float32_matmul_precision(),
        tf32_matmul=torch.backends.cuda.matmul.allow_tf32,
        tf32_convolution=torch.backends.cudnn.allow_tf32,
        autocast=str(torch.get_autocast_dtype(kind)).removeprefix("torch.") if autocast else None,
    )
