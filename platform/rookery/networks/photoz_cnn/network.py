"""Layers of `photoz_cnn`. Shapes: B batch, N bands, C channels, H x W pixels, S covariates, K bins."""

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from rookery.networks.draws import Draws, Dropout, Layers
from rookery.networks.photoz_cnn.configuration import FILTERS, PhotozCnnConfiguration, branch_bands
from rookery.networks.precision import LastLinear
from rookery_ensembles.errors import InputError

BIAS = 0.1
"""Every bias starts here (released code), every weight as Xavier uniform."""
_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


def _start(layer: nn.Conv2d | nn.Linear, parts: list[int] | None = None) -> None:
    """Initialise a layer, or each of several layers that run as one, split by outputs."""
    for weight in layer.weight.detach().split(parts or [layer.weight.shape[0]]):
        init.xavier_uniform_(weight)
    assert layer.bias is not None
    init.constant_(layer.bias, BIAS)


class Convolution(nn.Module):
    """Convolution of stride 1 that keeps the map's size, batch norm if asked for, activation."""

    def __init__(
        self,
        c: PhotozCnnConfiguration,
        channels: int,
        filters: int,
        kernel: int,
        parts: list[int] | None = None,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, filters, kernel, padding=kernel // 2)
        _start(self.convolution, parts)
        self.norm = nn.BatchNorm2d(filters) if c.batch_norm else nn.Identity()
        prelu = c.activation == "prelu"
        self.activation = nn.PReLU(filters, init=0.0) if prelu else _ACTIVATIONS[c.activation]()

    def forward(self, x_bchw: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, filters, H, W)."""
        found: Tensor = self.activation(self.norm(self.convolution(x_bchw)))
        return found


class Inception(nn.Module):
    """Side by side: 1x1 to S2; 1x1 to S1 then each kernel to S2; 1x1 to S1 then a 2x2 average of stride 1.

    All of its 1x1 convolutions run as one.
    """

    def __init__(
        self, c: PhotozCnnConfiguration, channels: int, s1: int, s2: int, kernels: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.parts = [s2, *[s1] * (len(kernels) + 1)]
        self.reduce = Convolution(c, channels, sum(self.parts), 1, self.parts)
        self.wide = nn.ModuleList(Convolution(c, s1, s2, kernel) for kernel in reversed(kernels))
        self.out_channels = s2 * (1 + len(kernels)) + s1

    def forward(self, x_bchw: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, (1 + n_kernels) S2 + S1, H, W)."""
        direct, *reduced, last = self.reduce(x_bchw).split(self.parts, dim=1)
        wide = [layer(x) for layer, x in zip(self.wide, reduced, strict=True)]
        return torch.cat([direct, *wide, same_average(last)], dim=1)


class Residual(nn.Module):
    """Two convolutions and a shortcut, which is a 1x1 convolution where the number of channels changes."""

    def __init__(self, c: PhotozCnnConfiguration, channels: int, filters: int) -> None:
        super().__init__()
        self.first = Convolution(c, channels, filters, c.kernel)
        self.second = Convolution(c, filters, filters, c.kernel)
        self.shortcut: nn.Module = nn.Identity()
        if channels != filters:
            self.shortcut = nn.Conv2d(channels, filters, 1, bias=False)
            init.xavier_uniform_(self.shortcut.weight)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, filters, H, W)."""
        found: Tensor = self.shortcut(x_bchw) + self.second(self.first(x_bchw))
        return found


def same_average(x_bchw: Tensor) -> Tensor:
    """Average each pixel with its neighbours below and to the right; fewer at the edge, none invented."""
    averaged = functional.avg_pool2d(x_bchw, 2, stride=1, padding=1, count_include_pad=False)
    return averaged[:, :, 1:, 1:]


def channels_last(x_bchw: Tensor) -> Tensor:
    """Return (B, C, H, W) with the channels of a pixel side by side in memory, in which convolutions run
    fastest; torch's vmap does not know the memory format of this name.
    """
    return x_bchw.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def arcsinh(x: Tensor) -> Tensor:
    """Return the inverse hyperbolic sine, within 2e-7 of itself where |x| < 1e18.

    torch's own takes seven times as long on a CPU: it is not vectorised.
    """
    size = x.abs()
    square = size.square()
    return torch.log1p(size + square / (1 + (1 + square).sqrt())).copysign(x)


def _block(c: PhotozCnnConfiguration, number: int, channels: int) -> tuple[nn.Module, int]:
    """Return a block and its number of channels."""
    s1, s2 = (c.filters(filters) for filters in FILTERS[min(number, len(FILTERS) - 1)])
    if c.block == "inception":
        block = Inception(c, channels, s1, s2, c.block_kernels(c.block_sides[number]))
        return block, block.out_channels
    if c.block == "convolution":
        return Convolution(c, channels, 2 * s2, c.kernel), 2 * s2
    return Residual(c, channels, 2 * s2), 2 * s2


def _pool(c: PhotozCnnConfiguration) -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True) if c.pooling == "max" else nn.AvgPool2d(2, ceil_mode=True)


def _blocks(c: PhotozCnnConfiguration, numbers: range, channels: int) -> tuple[nn.Sequential, int]:
    """Return blocks with the poolings behind them, and the number of channels that leaves them."""
    layers: list[nn.Module] = []
    for number in numbers:
        block, channels = _block(c, number, channels)
        layers += [block, _pool(c)] if c.pools_after(number) else [block]
    return nn.Sequential(*layers), channels


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
        branches, channels = [], 0
        for bands in self.bands:
            filters = c.filters(c.stem_filters)
            stem = Convolution(c, len(bands), filters, c.stem_kernel)
            blocks, filters = _blocks(c, parallel, filters)
            branches.append(nn.Sequential(stem, _pool(c), *blocks))
            channels += filters
        self.branches = nn.ModuleList(branches)
        self.joint, channels = _blocks(c, range(parallel.stop, c.blocks), channels)
        self.flatten = c.head == "flatten"
        features = channels * (c.block_sides[-1] ** 2 if self.flatten else 1)
        self.head = _head(c, features + n_scalar_features(c), n_bins)
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
        alone = len(self.bands) == 1 and self.bands[0] == tuple(range(self.n_bands))
        # A list as an index would be copied to the device at every step.
        seen = [x if alone else torch.stack([x[:, band] for band in bands], dim=1) for bands in self.bands]
        maps = [branch(channels_last(part)) for branch, part in zip(self.branches, seen, strict=True)]
        map_bchw = self.joint(maps[0] if len(maps) == 1 else torch.cat(maps, dim=1))
        features = [map_bchw.flatten(1) if self.flatten else map_bchw.mean((2, 3))]
        if scalars_bs is not None and known_bs is not None:
            features += [self.scaling.scalars(scalars_bs, known_bs)]
            features += [known_bs[:, known_bs.shape[1] - self.n_flagged :]]
        logits: Tensor = self.head(torch.cat(features, dim=1), draws)
        return logits


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
