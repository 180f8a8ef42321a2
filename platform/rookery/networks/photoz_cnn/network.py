"""Layers of `photoz_cnn`. Shapes: B batch, N bands, C channels, H x W pixels, S covariates, K bins."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from rookery.networks.draws import Draws, Dropout, Layers
from rookery.networks.layout import (
    TENSOR_CORES,
    Blocks,
    Laid,
    LaidOut,
    Layout,
    Source,
    Weight,
    channel_multiple,
    computed_in,
    padded,
)
from rookery.networks.photoz_cnn.configuration import FILTERS, PhotozCnnConfiguration, branch_bands
from rookery.networks.precision import LastLinear
from rookery_ensembles.errors import InputError

BIAS = 0.1
"""Every bias starts here (released code), every weight as Xavier uniform."""
_MOST_MORE = 1.1
"""With more channels than so many times its own a network is not padded: it moves more than it gains."""
_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


def _start(layer: nn.Conv2d | nn.Linear, parts: list[int] | None = None) -> None:
    """Initialise a layer, or each of several layers that run as one, split by outputs."""
    for weight in layer.weight.detach().split(parts or [layer.weight.shape[0]]):
        init.xavier_uniform_(weight)
    assert layer.bias is not None
    init.constant_(layer.bias, BIAS)


class Convolution(LaidOut):
    """Convolution of stride 1 that keeps the map's size, batch norm if asked for, activation.

    `into` and `out` are the parts of its input and output channels. With `apart` each part of the outputs
    starts as a layer of its own.
    """

    def __init__(
        self,
        c: PhotozCnnConfiguration,
        into: Sequence[int],
        out: Sequence[int],
        kernel: int,
        *,
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.into, self.out, filters = tuple(into), tuple(out), sum(out)
        self.convolution = nn.Conv2d(sum(into), filters, kernel, padding=kernel // 2)
        _start(self.convolution, list(out) if apart else None)
        self.norm = nn.BatchNorm2d(filters) if c.batch_norm else nn.Identity()
        prelu = c.activation == "prelu"
        self.activation = nn.PReLU(filters, init=0.0) if prelu else _ACTIVATIONS[c.activation]()

    def weights(self) -> list[Weight]:
        """Return kernel, bias and slopes."""
        layer, slopes = self.convolution, self.activation
        found = [
            Weight(self, [Source(layer, "weight")], self.out, self.into, layer.kernel_size),
            Weight(self, [Source(layer, "bias")], self.out),
        ]
        if isinstance(slopes, nn.PReLU):
            found.append(Weight(self, [Source(slopes, "weight")], self.out))
        return found

    def forward(self, x_bchw: Tensor, laid: Laid | None = None) -> Tensor:
        """(B, C, H, W) -> (B, filters, H, W), both with the channels that `laid` adds."""
        found: Tensor
        if laid is None:
            found = self.activation(self.norm(self.convolution(x_bchw)))
            return found
        weight, bias, *slopes = laid.of(self)
        found = self.norm(functional.conv2d(x_bchw, weight, bias, padding=weight.shape[2] // 2))
        return functional.prelu(found, *slopes) if slopes else self.activation(found)


class Inception(LaidOut):
    """Side by side: 1x1 to S2; 1x1 to S1 then each kernel to S2; 1x1 to S1 then a 2x2 average of stride 1.

    All of its 1x1 convolutions run as one. `into` and `out` are the parts of its channels.
    """

    def __init__(
        self, c: PhotozCnnConfiguration, into: Sequence[int], s1: int, s2: int, kernels: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.parts = [s2, *[s1] * (len(kernels) + 1)]
        self.reduce = Convolution(c, into, self.parts, 1, apart=True)
        self.wide = nn.ModuleList(Convolution(c, [s1], [s2], kernel) for kernel in reversed(kernels))
        self.out = [*[s2] * (1 + len(kernels)), s1]

    def forward(self, x_bchw: Tensor, laid: Laid | None = None) -> Tensor:
        """(B, C, H, W) -> (B, (1 + n_kernels) S2 + S1, H, W)."""
        parts = self.parts if laid is None else padded(self.parts, laid.multiple)
        direct, *reduced, last = self.reduce(x_bchw, laid).split(parts, dim=1)
        # A convolution copies a part that lies among others, forward and backward: once is enough.
        wide = [layer(channels_last(x), laid) for layer, x in zip(self.wide, reduced, strict=True)]
        return torch.cat([direct, *wide, same_average(last)], dim=1)


class Residual(LaidOut):
    """Two convolutions and a shortcut, which is a 1x1 convolution where the number of channels changes."""

    def __init__(self, c: PhotozCnnConfiguration, into: Sequence[int], filters: int) -> None:
        super().__init__()
        self.into, self.out = list(into), list(into) if sum(into) == filters else [filters]
        self.first = Convolution(c, into, [filters], c.kernel)
        self.second = Convolution(c, [filters], self.out, c.kernel)
        self.shortcut: nn.Module = nn.Identity()
        if sum(into) != filters:
            self.shortcut = nn.Conv2d(sum(into), filters, 1, bias=False)
            init.xavier_uniform_(self.shortcut.weight)

    def weights(self) -> list[Weight]:
        """Return that of the shortcut, where it is a convolution."""
        if isinstance(self.shortcut, nn.Identity):
            return []
        return [Weight(self, [Source(self.shortcut, "weight")], self.out, self.into)]

    def forward(self, x_bchw: Tensor, laid: Laid | None = None) -> Tensor:
        """(B, C, H, W) -> (B, filters, H, W)."""
        if laid is None or isinstance(self.shortcut, nn.Identity):
            short = self.shortcut(x_bchw)
        else:
            (weight,) = laid.of(self)
            short = functional.conv2d(x_bchw, weight)
        found: Tensor = short + self.second(self.first(x_bchw, laid), laid)
        return found


def same_average(x_bchw: Tensor) -> Tensor:
    """Average each pixel with its neighbours below and to the right; fewer at the edge, none invented."""
    averaged = functional.avg_pool2d(x_bchw, 2, stride=1, padding=1, count_include_pad=False)
    return averaged[:, :, 1:, 1:]


def channels_last(x_bchw: Tensor, channels: int = 0) -> Tensor:
    """Return (B, C, H, W) with the channels of a pixel side by side in memory, in which convolutions run
    fastest, and with zeros as further channels where C is below `channels`; torch's vmap does not know the
    memory format of this name.
    """
    x_bhwc = x_bchw.permute(0, 2, 3, 1)
    more = channels - x_bhwc.shape[3]
    return (functional.pad(x_bhwc, (0, more)) if more > 0 else x_bhwc).contiguous().permute(0, 3, 1, 2)


def arcsinh(x: Tensor) -> Tensor:
    """Return the inverse hyperbolic sine, within 2e-7 of itself where |x| < 1e18.

    torch's own takes seven times as long on a CPU: it is not vectorised.
    """
    size = x.abs()
    square = size.square()
    return torch.log1p(size + square / (1 + (1 + square).sqrt())).copysign(x)


def _block(c: PhotozCnnConfiguration, number: int, into: Sequence[int]) -> tuple[nn.Module, list[int]]:
    """Return a block and the parts of its channels."""
    s1, s2 = (c.filters(filters) for filters in FILTERS[min(number, len(FILTERS) - 1)])
    if c.block == "inception":
        block = Inception(c, into, s1, s2, c.block_kernels(c.block_sides[number]))
        return block, block.out
    if c.block == "convolution":
        return Convolution(c, into, [2 * s2], c.kernel), [2 * s2]
    residual = Residual(c, into, 2 * s2)
    return residual, residual.out


def _pool(c: PhotozCnnConfiguration) -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True) if c.pooling == "max" else nn.AvgPool2d(2, ceil_mode=True)


def _blocks(c: PhotozCnnConfiguration, numbers: range, into: Sequence[int]) -> tuple[Blocks, list[int]]:
    """Return blocks with the poolings behind them, and the parts of the channels that leave them."""
    layers: list[nn.Module] = []
    parts = list(into)
    for number in numbers:
        block, parts = _block(c, number, parts)
        layers += [block, _pool(c)] if c.pools_after(number) else [block]
    return Blocks(*layers), parts


class Scaling(nn.Module):
    """Cuts the middle out of images, compresses and scales them; fills and scales covariates.

    Its buffers are the identity until they are set from the training objects.
    """

    def __init__(self, c: PhotozCnnConfiguration, n_bands: int) -> None:
        super().__init__()
        self.size, self.compression, self.softening = c.image_size, c.compression, c.softening
        self.register_buffer("band_mean", torch.zeros(n_bands))
        self.register_buffer("band_deviation", torch.ones(n_bands))
        self.register_buffer("scalar_fill", torch.zeros(len(c.scalars)))
        self.register_buffer("scalar_mean", torch.zeros(len(c.scalars)))
        self.register_buffer("scalar_deviation", torch.ones(len(c.scalars)))

    band_mean: Tensor
    band_deviation: Tensor
    scalar_fill: Tensor
    scalar_mean: Tensor
    scalar_deviation: Tensor

    def compress(self, images_bnhw: Tensor) -> Tensor:
        """Return the middle of each image, float32, compressed."""
        top, left = ((side - self.size) // 2 for side in images_bnhw.shape[2:])
        x = images_bnhw[:, :, top : top + self.size, left : left + self.size].float()
        if self.compression == "none":
            return x
        x = x / self.softening
        if self.compression == "arcsinh":
            return arcsinh(x)
        size = x.abs() + 1
        return x.sign() * (size.sqrt() - 1 if self.compression == "sqrt" else size.log())

    def forward(self, images_bnhw: Tensor) -> Tensor:
        """(B, N, any, any) nanomaggies of any floating type -> (B, N, image_size, image_size) float32."""
        x = self.compress(images_bnhw)
        return (x - self.band_mean[:, None, None]) / self.band_deviation[:, None, None]

    def scalars(self, values_bs: Tensor, known_bs: Tensor) -> Tensor:
        """Return covariates (B, S), unknown ones as the mean of the training objects' known values."""
        filled = torch.where(known_bs > 0, values_bs, self.scalar_fill)
        return (filled - self.scalar_mean) / self.scalar_deviation


class PhotozNetwork(nn.Module):
    """Images and covariates -> logits of redshift bins."""

    def __init__(self, c: PhotozCnnConfiguration, n_bands: int, n_bins: int) -> None:
        super().__init__()
        try:
            self.bands = branch_bands(c.branches, n_bands)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.configuration, self.n_bands = c, n_bands
        self.scaling = Scaling(c, n_bands)
        parallel = range(c.blocks - c.joint_blocks)
        branches, parts = [], list[int]()
        for bands in self.bands:
            filters = c.filters(c.stem_filters)
            stem = Convolution(c, [len(bands)], [filters], c.stem_kernel)
            blocks, out = _blocks(c, parallel, [filters])
            branches.append(Blocks(stem, _pool(c), *blocks))
            parts += out
        self.branches = nn.ModuleList(branches)
        self.joint, self.parts = _blocks(c, range(parallel.stop, c.blocks), parts)
        self.flatten = c.head == "flatten"
        features = sum(self.parts) * (c.block_sides[-1] ** 2 if self.flatten else 1)
        self.head = _head(c, features + n_scalar_features(c), n_bins)
        self.layouts = {multiple: Layout(self.modules(), multiple) for multiple in (1, TENSOR_CORES)}
        made = [layer.out for layer in self.modules() if isinstance(layer, Convolution)]
        more = sum(sum(padded(parts, TENSOR_CORES)) for parts in made)
        self.may_pad = not c.batch_norm and more <= _MOST_MORE * sum(sum(parts) for parts in made)
        """Whether channels may be added: not where batch norm would count them, nor where they are many."""
        self.n_flagged = len(c.scalars) - c.mwebv
        self.coarse = False
        """Whether training sees images of half the side."""

    def forward(
        self,
        images_bnhw: Tensor,
        scalars_bs: Tensor | None = None,
        known_bs: Tensor | None = None,
        draws: Draws | None = None,
    ) -> Tensor:
        """Return logits (B, K). `known_bs` is 1 where a covariate is known, else 0."""
        x = self.scaling(images_bnhw)
        if self.coarse and self.training:
            x = functional.avg_pool2d(x, 2, ceil_mode=True)
        laid = self._laid(x)
        alone = len(self.bands) == 1 and self.bands[0] == tuple(range(self.n_bands))
        # A list as an index would be copied to the device at every step.
        seen = [x if alone else torch.stack([x[:, band] for band in bands], dim=1) for bands in self.bands]
        if laid is None:
            seen = [channels_last(part) for part in seen]
        else:
            widths = padded([len(bands) for bands in self.bands], laid.multiple)
            seen = [channels_last(x.to(laid.dtype), n) for x, n in zip(seen, widths, strict=True)]
        maps = [branch(part, laid) for branch, part in zip(self.branches, seen, strict=True)]
        map_bchw = self.joint(maps[0] if len(maps) == 1 else torch.cat(maps, dim=1), laid)
        if laid is not None:
            map_bchw = self.layouts[laid.multiple].without_padding(map_bchw, self.parts)
        features = [map_bchw.flatten(1) if self.flatten else map_bchw.mean((2, 3))]
        if scalars_bs is not None and known_bs is not None:
            features += [self.scaling.scalars(scalars_bs, known_bs)]
            features += [known_bs[:, known_bs.shape[1] - self.n_flagged :]]
        logits: Tensor = self.head(torch.cat(features, dim=1), draws)
        return logits

    def _laid(self, x: Tensor) -> Laid | None:
        """Return the weights laid out for `x`; None where parameters compute as they are."""
        multiple = channel_multiple(x)
        if multiple is None:
            return None
        return self.layouts[multiple if self.may_pad else 1](computed_in(x))


def n_scalar_features(c: PhotozCnnConfiguration) -> int:
    """Return how many features the covariates are: E(B-V) its value, others value and 0/1 "known"."""
    return 2 * len(c.scalars) - c.mwebv


def _head(c: PhotozCnnConfiguration, features: int, n_bins: int) -> Layers:
    layers: list[nn.Module] = [Dropout(c.dropout, "features")]
    for number in range(c.dense_layers):
        dense = nn.Linear(features, c.units)
        _start(dense)
        activation = nn.ReLU() if c.activation == "prelu" else _ACTIVATIONS[c.activation]()
        layers += [dense, activation, Dropout(c.dropout, f"dense {number}")]
        features = c.units
    output = LastLinear(features, n_bins)
    _start(output)
    return Layers(*layers, output)
