"""PELICAN's layers. Shapes: B batch, C channels, N bands, T columns, F features, K classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rookery.networks.pelican.configuration import PelicanConfiguration

KERNELS = (7, 5, 3, 1)
CHANNELS = 3  # scaled flux, signal-to-noise, mask


class Inception(nn.Module):
    """Parallel convolutions of four widths along time, normalised together. (B, C, T) -> (B, 4f, T)."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv1d(channels, filters, k, padding=k // 2) for k in KERNELS)
        self.norm = nn.BatchNorm1d(filters * len(KERNELS))

    def forward(self, x_bct: Tensor) -> Tensor:
        """Return the joined branches (B, 4f, T)."""
        joined = torch.cat([branch(x_bct) for branch in self.branches], dim=1)
        return functional.relu(self.norm(joined))


class Encoder(nn.Module):
    """Light-curve image -> features in [0, 1] (sigmoid) or [0, inf) (relu)."""

    def __init__(self, c: PelicanConfiguration, n_bands: int) -> None:
        super().__init__()
        self.softening = c.flux_softening
        width = len(KERNELS) * c.temporal_filters
        self.temporal = nn.Sequential(
            *(Inception(CHANNELS if i == 0 else width, c.temporal_filters) for i in range(c.temporal_blocks))
        )
        self.across_bands = nn.Sequential(
            nn.Conv1d(n_bands * width, c.band_filters, 1), nn.BatchNorm1d(c.band_filters), nn.ReLU()
        )
        merged: list[nn.Module] = []
        width, columns = c.band_filters, c.n_columns
        for _ in range(c.merged_blocks):
            merged += [nn.MaxPool1d(2), Inception(width, c.merged_filters)]
            width, columns = len(KERNELS) * c.merged_filters, columns // 2
        self.merged = nn.Sequential(*merged)
        self.flatten = c.pooling == "flatten"
        self.features = nn.Linear(width * (columns if self.flatten else 2), c.features)
        self.activation = nn.Sigmoid() if c.feature_activation == "sigmoid" else nn.ReLU()

    def forward(self, flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor) -> Tensor:
        """Return features (B, F)."""
        batch, n_bands, columns = flux_bnt.shape
        image = torch.stack([*self.scale(flux_bnt, error_bnt, mask_bnt), mask_bnt], dim=2)
        per_band = self.temporal(image.reshape(batch * n_bands, CHANNELS, columns))
        x_bct = self.merged(self.across_bands(per_band.reshape(batch, -1, columns)))
        summary = x_bct.flatten(1) if self.flatten else torch.cat([x_bct.mean(2), x_bct.amax(2)], dim=1)
        features: Tensor = self.activation(self.features(summary))
        return features

    def scale(self, flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor) -> tuple[Tensor, Tensor]:
        """Return flux and signal-to-noise on an arcsinh scale, 0 where unobserved."""
        scaled = torch.asinh(flux_bnt / self.softening)
        signal_to_noise = torch.asinh(flux_bnt / (error_bnt + (1 - mask_bnt)))
        return scaled * mask_bnt, signal_to_noise * mask_bnt


class Decoder(nn.Module):
    """Features -> the scaled fluxes of the light-curve image, (B, N, T)."""

    def __init__(self, c: PelicanConfiguration, n_bands: int) -> None:
        super().__init__()
        self.columns = c.n_columns
        self.width, self.short = c.band_filters, -(-c.n_columns // 4)
        self.expand = nn.Linear(c.features, self.width * self.short)
        self.middle = nn.Conv1d(self.width, self.width // 2 + 1, 3, padding=1)
        self.out = nn.Conv1d(self.width // 2 + 1, n_bands, 3, padding=1)

    def forward(self, features_bf: Tensor) -> Tensor:
        """Return the rebuilt image (B, N, T), on the scale of :meth:`Encoder.scale`."""
        x = functional.relu(self.expand(features_bf)).reshape(-1, self.width, self.short)
        x = functional.relu(self.middle(functional.interpolate(x, scale_factor=2.0)))
        image: Tensor = self.out(functional.interpolate(x, size=self.columns))
        return image


class PelicanNetwork(nn.Module):
    """Encoder, classifier and, where the configuration asks for it, decoder."""

    def __init__(self, configuration: PelicanConfiguration, n_bands: int, n_classes: int) -> None:
        super().__init__()
        self.encoder = Encoder(configuration, n_bands)
        self.classifier = nn.Sequential(
            nn.Dropout(configuration.dropout), nn.Linear(configuration.features, n_classes)
        )
        self.decoder = Decoder(configuration, n_bands) if configuration.autoencoder else None

    def forward(self, flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor) -> Tensor:
        """Return class logits (B, K)."""
        logits: Tensor = self.classifier(self.encoder(flux_bnt, error_bnt, mask_bnt))
        return logits
