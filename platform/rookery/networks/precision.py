"""What stays in single precision when the rest of a network is computed in less (torch's autocast).

The first layers of a network stand bfloat16's 8 bits well; what they end in does not: of 180 edges of bins
it keeps 33 apart, and the logarithm of a mean of sigmoids that rounds to 1 is infinite.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional


def widened(x: Tensor) -> Tensor:
    """Return `x` in single precision, or as it is if that is more."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Return a context in which the device of `x` computes in the precision of what it is given."""
    kind = x.device.type
    if not torch.amp.is_autocast_available(kind):  # torch's `meta` device
        return nullcontext()
    return torch.autocast(kind, enabled=False)


class LastLinear(nn.Linear):
    """A linear layer whose outputs are logits, or numbers that make a PDF: never below single precision."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) of any precision -> (..., outputs)."""
        with without_autocast(x):
            return functional.linear(widened(x), self.weight, self.bias)
