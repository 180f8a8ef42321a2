"""PELICAN's layers. Shapes: B batch, C channels, N bands, T columns, S scalars, F features, K classes.

A light-curve image stays an image (B, C, N, T) until its bands are merged: convolutions 1 x kernel along
time, then one N x 1 across the bands. Memory is channels-last, in which such small convolutions run
fastest.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rookery.networks.draws import Dropout, Layers
from rookery.networks.layout import (
    Blocks,
    Laid,
    LaidOut,
    Layout,
    Source,
    Weight,
    channel_multiple,
    computed_in,
)
from rookery.networks.pelican.configuration import PelicanConfiguration
from rookery.networks.pelican.interpolation import gaussian_process, linear
from rookery.networks.precision import LastLinear

KERNELS = (7, 5, 3, 1)
CHANNELS = 3  # scaled flux, signal-to-noise, mask


class Inception(LaidOut):
    """Parallel convolutions of four widths along time, normalised together.

    (B, C, N, T) -> (B, 4f, N, T). The branches run as one convolution of the largest width, in which the
    shorter kernels are padded with zeros.
    """

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.channels, self.filters, self.stride = channels, filters, stride
        self.branches = nn.ModuleList(nn.Conv2d(channels, filters, (1, kernel)) for kernel in KERNELS)
        self.norm = nn.BatchNorm2d(filters * len(KERNELS))

    def weights(self) -> list[Weight]:
        """Return the joined weight and bias."""
        places = list(zip(self.branches, KERNELS, strict=True))
        out, kernel = [self.filters * len(KERNELS)], (1, KERNELS[0])
        weights = [Source(branch, "weight", (KERNELS[0] - width) // 2) for branch, width in places]
        biases = [Source(branch, "bias") for branch, _ in places]
        return [Weight(self, weights, out, [self.channels], kernel), Weight(self, biases, out)]

    def forward(self, x_bcnt: Tensor, laid: Laid | None = None) -> Tensor:
        """Return the joined branches (B, 4f, N, T / stride)."""
        weight, bias = self._joined() if laid is None else laid.of(self)
        padding = (0, KERNELS[0] // 2)
        joined = functional.conv2d(x_bcnt, weight, bias, stride=(1, self.stride), padding=padding)
        return functional.relu(self.norm(joined))

    def as_convolution(self) -> nn.Conv2d:
        """Return the branches as one convolution, without normalisation."""
        weight, bias = self._joined()
        filters, channels, _, widest = weight.shape
        padding = (0, widest // 2)
        layer = nn.Conv2d(channels, filters, (1, widest), stride=(1, self.stride), padding=padding)
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer.eval().requires_grad_(False)

    def _joined(self) -> tuple[Tensor, Tensor]:
        """Return weights (4f, C, 1, 7) and biases (4f,) of all branches."""
        widest, weights, biases = KERNELS[0], [], []
        for branch, kernel in zip(self.branches, KERNELS, strict=True):
            assert isinstance(branch, nn.Conv2d)
            assert branch.bias is not None
            weights.append(functional.pad(branch.weight, [(widest - kernel) // 2] * 2))
            biases.append(branch.bias)
        return torch.cat(weights), torch.cat(biases)


def _block(c: PelicanConfiguration, channels: int, filters: int, stride: int = 1) -> nn.Module:
    """Return one block along time with 4 * `filters` outputs, of the kind that the configuration asks for."""
    if c.block == "inception":
        return Inception(channels, filters, stride)
    width = len(KERNELS) * filters
    layer = nn.Conv2d(channels, width, (1, c.kernel), stride=(1, stride), padding=(0, c.kernel // 2))
    return nn.Sequential(layer, nn.BatchNorm2d(width), nn.ReLU())


class Encoder(nn.Module):
    """Light-curve image and scalars -> features in [0, 1] (sigmoid) or [0, inf) (relu)."""

    def __init__(self, c: PelicanConfiguration, n_bands: int) -> None:
        super().__init__()
        self.softening, self.by_peak = c.flux_softening, c.flux_scale == "peak"
        self.interpolation = c.interpolation
        self.correlated_columns = c.interpolation_days / c.days_per_column
        filters = len(KERNELS) * c.temporal_filters
        blocks = [
            _block(c, filters if number else CHANNELS, c.temporal_filters, 1 if number else c.temporal_stride)
            for number in range(c.temporal_blocks)
        ]
        self.temporal = Blocks(*blocks)
        self.across_bands = nn.Sequential(
            nn.Conv2d(filters, c.band_filters, (n_bands, 1)), nn.BatchNorm2d(c.band_filters), nn.ReLU()
        )
        merged: list[nn.Module] = []
        width, columns = c.band_filters, c.n_merged_columns
        for _ in range(c.merged_blocks):
            merged += [nn.MaxPool2d((1, 2)), _block(c, width, c.merged_filters)]
            width, columns = len(KERNELS) * c.merged_filters, columns // 2
        self.merged = Blocks(*merged)
        self.layout = Layout(self.modules())
        self.flatten = c.pooling == "flatten"
        self.features = nn.Linear(width * (columns if self.flatten else 2) + 2 * c.n_scalars, c.features)
        self.activation = nn.Sigmoid() if c.feature_activation == "sigmoid" else nn.ReLU()

    def forward(
        self, flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor, scalars_bs: Tensor | None = None
    ) -> Tensor:
        """Return features (B, F). `scalars_bs` holds a value and a 0/1 "known" for each scalar."""
        # Channels-last by its making: torch's vmap knows no memory formats.
        scaled, ratio = self.scale(flux_bnt, error_bnt, mask_bnt)
        if self.interpolation != "none":
            scaled = torch.asinh(self.filled(flux_bnt, error_bnt, mask_bnt) / self.unit(flux_bnt, mask_bnt))
        image = torch.stack([scaled, ratio, mask_bnt], dim=-1)
        laid = None if channel_multiple(image) is None else self.layout(computed_in(image))
        per_band = self.temporal((image if laid is None else image.to(laid.dtype)).permute(0, 3, 1, 2), laid)
        x_bct = self.merged(self.across_bands(per_band), laid)[:, :, 0]
        summary = [x_bct.flatten(1)] if self.flatten else [x_bct.mean(2), x_bct.amax(2)]
        if scalars_bs is not None:
            summary.append(scalars_bs)
        features: Tensor = self.activation(self.features(torch.cat(summary, dim=1)))
        return features

    def unit(self, flux_bnt: Tensor, mask_bnt: Tensor) -> Tensor | float:
        """Return the flux below which the scale is linear: one number, or (B, 1, 1)."""
        if not self.by_peak:
            return self.softening
        return (0.1 * (flux_bnt * mask_bnt).amax((1, 2), keepdim=True)).clamp(min=0.1 * self.softening)

    def filled(self, flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor) -> Tensor:
        """Return the flux with an interpolation where nothing was observed."""
        if self.interpolation == "linear":
            between = linear(flux_bnt, mask_bnt)
        else:
            between = gaussian_process(flux_bnt, error_bnt, mask_bnt, self.correlated_columns)
        return torch.where(mask_bnt > 0, flux_bnt, between)

    def scale(
        self, flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor, unit: Tensor | float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return flux and signal-to-noise on an arcsinh scale, 0 where unobserved.

        `unit` is that of the flux; by default what :meth:`unit` says of these images.
        """
        scaled = torch.asinh(flux_bnt / (self.unit(flux_bnt, mask_bnt) if unit is None else unit))
        signal_to_noise = torch.asinh(flux_bnt / (error_bnt + (1 - mask_bnt)))
        return scaled * mask_bnt, signal_to_noise * mask_bnt


class Decoder(nn.Module):
    """Features -> the scaled fluxes of the light-curve image, (B, N, T)."""

    def __init__(self, c: PelicanConfiguration, n_bands: int) -> None:
        super().__init__()
        self.columns = c.n_columns
        self.width, self.short = c.band_filters, -(-c.n_columns // 4)
        self.expand = nn.Linear(c.features, self.width * self.short)
        self.middle = nn.Conv2d(self.width, self.width // 2 + 1, (1, 3), padding=(0, 1))
        self.out = nn.Conv2d(self.width // 2 + 1, n_bands, (1, 3), padding=(0, 1))

    def forward(self, features_bf: Tensor) -> Tensor:
        """Return the rebuilt image (B, N, T), on the scale of :meth:`Encoder.scale`."""
        x = functional.relu(self.expand(features_bf)).reshape(-1, 1, self.short, self.width)
        x = x.permute(0, 3, 1, 2)  # channels-last without a copy
        x = functional.relu(self.middle(functional.interpolate(x, size=(1, 2 * self.short))))
        image: Tensor = self.out(functional.interpolate(x, size=(1, self.columns)))
        return image[:, :, 0]


class PelicanNetwork(nn.Module):
    """Encoder, classifier and, where the configuration asks for it, decoder."""

    def __init__(self, configuration: PelicanConfiguration, n_bands: int, n_classes: int) -> None:
        super().__init__()
        self.encoder = Encoder(configuration, n_bands)
        self.classifier = Layers(
            Dropout(configuration.dropout, "features"), LastLinear(configuration.features, n_classes)
        )
        self.decoder = Decoder(configuration, n_bands) if configuration.autoencoder else None

    def forward(
        self, flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor, scalars_bs: Tensor | None = None
    ) -> Tensor:
        """Return class logits (B, K)."""
        logits: Tensor = self.classifier(self.encoder(flux_bnt, error_bnt, mask_bnt, scalars_bs))
        return logits
