"""Weights of convolutions laid out as a GPU computes with them fastest, all of a network's at once.

Parameters keep the shapes and the files that they have. At each forward pass they are joined, rounded where
the pass is in bfloat16, and scattered into one tensor of zeros, of which the weights that compute are views:
channels-last, several convolutions as one where they run as one, and with as many channels as tensor cores
want. A channel that was added has weights, bias and slope 0: it holds zeros, gives no gradient, and leaves
the values of all others as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TENSOR_CORES = 8
"""Tensor cores take numbers of channels in bfloat16 as they are where these are multiples of it."""
_ALIGNED = 8
"""Kernels that read several numbers at once want a weight to begin at a multiple of these."""


def computed_in(x: Tensor) -> torch.dtype:
    """Return the type in which a convolution of `x` computes here: autocast's, or its own."""
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return x.dtype


def channel_multiple(x: Tensor) -> int | None:
    """Return what numbers of channels are padded to multiples of where `x` is computed with.

    None on a CPU (and torch's `meta`), where parameters compute as they are; elsewhere 8 in bfloat16, and 1,
    which pads nothing, in other types.
    """
    if _asked:
        return _asked[-1]
    if x.device.type in ("cpu", "meta"):
        return None
    return TENSOR_CORES if computed_in(x) == torch.bfloat16 else 1


@contextmanager
def asking_for(multiple: int | None) -> Iterator[None]:
    """Let :func:`channel_multiple` say so inside, whatever the device: for tests and measurements."""
    _asked.append(multiple)
    try:
        yield
    finally:
        _asked.pop()


_asked: list[int | None] = []


def padded(parts: Sequence[int], multiple: int) -> list[int]:
    """Return numbers of channels, each raised to a multiple."""
    return [-(-part // multiple) * multiple for part in parts]


def channel_places(parts: Sequence[int], multiple: int, device: torch.device) -> Tensor:
    """Return where the channels (sum of `parts`,) lie when each part is padded."""
    found, start = [], 0
    for part, width in zip(parts, padded(parts, multiple), strict=True):
        found.append(torch.arange(start, start + part, device=device))
        start += width
    return torch.cat(found)


@dataclass(frozen=True, eq=False)
class Source:
    """A parameter that is a part of a weight."""

    module: nn.Module
    """Whose parameter it is."""
    name: str
    """By which the module has it."""
    column: int = 0
    """Of the weight's kernel, where its own begins."""

    def parameter(self) -> Tensor:
        """Return what the module has by that name now."""
        found: Tensor = getattr(self.module, self.name)
        return found


@dataclass(frozen=True, eq=False)
class Weight:
    """A tensor that a layer computes with: (out, into, *kernel), or one number a channel, without `into`."""

    layer: nn.Module
    """Which computes with it."""
    sources: Sequence[Source]
    """Parameters that it is made of, their output channels one after the other."""
    out: Sequence[int]
    """Parts of its output channels, each of which is padded by itself."""
    into: Sequence[int] = ()
    """Parts of its input channels, likewise."""
    kernel: tuple[int, ...] = (1, 1)
    """Height and width."""

    def shape(self, multiple: int) -> tuple[int, ...]:
        """Return its shape in memory: the input channels last."""
        out = sum(padded(self.out, multiple))
        return (out, *self.kernel, sum(padded(self.into, multiple))) if self.into else (out,)

    def places(self, multiple: int, device: torch.device) -> Iterator[Tensor]:
        """Yield for each source where each of its numbers goes."""
        rows, first = channel_places(self.out, multiple, device), 0
        for source in self.sources:
            shape = source.parameter().shape
            row = rows[first : first + shape[0]]
            first += shape[0]
            if not self.into:
                yield row
                continue
            (height, width), wide = self.kernel, sum(padded(self.into, multiple))
            column = channel_places(self.into, multiple, device)[:, None, None]
            down = torch.arange(shape[2], device=device)[:, None] * width
            right = torch.arange(shape[3], device=device) + source.column
            row = row[:, None, None, None] * (height * width * wide)
            yield (row + (down + right) * wide + column).flatten()


def _frozen(parameter: Tensor) -> bool:
    """Whether it wants no gradient; what vmap puts in a parameter's place does not say, and may want one."""
    return isinstance(parameter, nn.Parameter) and not parameter.requires_grad


class Laid:
    """Weights that compute, by the layers that compute with them."""

    def __init__(self, multiple: int, dtype: torch.dtype, weights: dict[nn.Module, list[Tensor]]) -> None:
        self.multiple, self.dtype, self._weights = multiple, dtype, weights

    def of(self, layer: nn.Module) -> list[Tensor]:
        """Return a layer's weights, in the order in which it names them."""
        return self._weights[layer]


class LaidOut(nn.Module):
    """A layer that can compute with weights that were laid out, or whose parts can."""

    def weights(self) -> list[Weight]:
        """Return its own, without those of its parts."""
        return []


class Blocks(nn.Sequential):
    """Layers one after the other, some of which may compute with laid-out weights."""

    def forward(self, x: Tensor, laid: Laid | None = None) -> Tensor:
        """Pass `x` through all layers."""
        for layer in self:
            x = layer(x, laid) if isinstance(layer, LaidOut) else layer(x)
        return x


class Layout:
    """Where the parameters of a module's layers lie in the weights that compute.

    Parameters
    ----------
    layers
        Those of them that are :class:`LaidOut` count.
    multiple
        What numbers of channels are padded to multiples of.
    """

    def __init__(self, layers: Iterable[nn.Module], multiple: int = 1) -> None:
        self.multiple = multiple
        found = [weight for layer in layers if isinstance(layer, LaidOut) for weight in layer.weights()]
        # With the odd sizes last, all others begin at a multiple, without gaps.
        self._weights = sorted(found, key=lambda weight: self._size(weight) % _ALIGNED > 0)
        self._sizes = [self._size(weight) for weight in self._weights]
        self._order = [self._weights.index(weight) for weight in found]
        self._known: dict[tuple[torch.device, bool, tuple[int, ...]], Tensor] = {}

    def _size(self, weight: Weight) -> int:
        return torch.Size(weight.shape(self.multiple)).numel()

    def __call__(self, dtype: torch.dtype) -> Laid | None:
        """Return the weights as the parameters are now, in numbers of a type; None if there are none."""
        if not self._weights:
            return None
        parameters = [source.parameter() for weight in self._weights for source in weight.sources]
        flat = torch.cat([parameter.flatten() for parameter in parameters]).to(dtype)
        nothing = flat.new_zeros(1).expand(sum(self._sizes))
        whole = nothing.scatter(0, self._places(flat.device), flat)
        parts = whole.split_with_sizes(self._sizes)
        made: dict[nn.Module, list[Tensor]] = {}
        for number in self._order:
            weight = self._weights[number]
            view = parts[number].view(weight.shape(self.multiple))
            if all(_frozen(source.parameter()) for source in weight.sources):
                view = view.detach()  # frozen: what comes before it needs no gradient for its sake
            made.setdefault(weight.layer, []).append(view.permute(0, 3, 1, 2) if weight.into else view)
        return Laid(self.multiple, dtype, made)

    def without_padding(self, x_bc: Tensor, parts: Sequence[int]) -> Tensor:
        """Return (B, padded C, ...) as (B, C, ...), whose channels are those of `parts`."""
        if x_bc.shape[1] == sum(parts):
            return x_bc
        return x_bc.index_select(1, self._places(x_bc.device, tuple(parts)))

    def _places(self, device: torch.device, channels: tuple[int, ...] = ()) -> Tensor:
        """Return where each number of the joined parameters goes, or each of some channels; worked out once
        on a device.
        """
        if torch.compiler.is_compiling():
            return self._worked_out(device, channels)
        key = (
            device,
            torch.is_inference_mode_enabled(),
            channels,
        )  # what that mode makes, no training can use
        if key not in self._known:
            self._known[key] = self._worked_out(device, channels)
        return self._known[key]

    def _worked_out(self, device: torch.device, channels: tuple[int, ...]) -> Tensor:
        if channels:
            return channel_places(channels, self.multiple, device)
        found, start = [], 0
        for weight, size in zip(self._weights, self._sizes, strict=True):
            found += [start + places for places in weight.places(self.multiple, device)]
            start += size
        return torch.cat(found)
