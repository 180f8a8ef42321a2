"""PELICAN as a family: how light curves enter it, what it minimises, what it predicts."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from rookery.networks.family import Family, Inputs
from rookery.networks.light_curve_image import light_curve_images
from rookery.networks.pelican.configuration import PelicanConfiguration
from rookery.networks.pelican.network import PelicanNetwork
from rookery.surveys import Survey


class Pelican(Family[PelicanConfiguration]):
    """Masked light-curve images -> class probabilities."""

    name: ClassVar[str] = "pelican"
    survey_kind: ClassVar[str] = "light_curves"
    prediction_kind: ClassVar[str] = "class_probability"
    configuration = PelicanConfiguration

    def encode(self, survey: Survey, configuration: PelicanConfiguration, bands: tuple[str, ...]) -> Inputs:
        """Return `flux`, `error` and `mask`, each (N, n_bands, n_columns)."""
        return light_curve_images(
            survey, bands, days_per_column=configuration.days_per_column, n_columns=configuration.n_columns
        )

    def build(self, configuration: PelicanConfiguration, n_bands: int, n_outputs: int) -> nn.Module:
        """Return a :class:`PelicanNetwork`."""
        return PelicanNetwork(configuration, n_bands, n_outputs)

    def augment(
        self, inputs: Inputs, configuration: PelicanConfiguration, generator: torch.Generator
    ) -> Inputs:
        """Hide points, add noise, and shift in time, each light curve by its own draw."""
        flux, error, mask = inputs["flux"], inputs["error"], inputs["mask"]
        device = flux.device
        if configuration.flux_noise > 0:
            noise = torch.randn(flux.shape, generator=generator, device=device)
            flux = flux + configuration.flux_noise * error * noise
        if configuration.observation_dropout > 0:
            part = torch.rand((len(mask), 1, 1), generator=generator, device=device)
            # Uniform in [0, 2p] has mean p; for p > 1/2 in [2p - 1, 1], so that it stays a probability.
            low = max(0.0, 2 * configuration.observation_dropout - 1)
            part = low + 2 * (configuration.observation_dropout - low) * part
            mask = mask * (torch.rand(mask.shape, generator=generator, device=device) >= part)
        if configuration.time_shift > 0:
            flux, error, mask = _shift((flux, error, mask), configuration.time_shift, generator)
        return {"flux": flux * mask, "error": error * mask, "mask": mask}

    def loss_terms(
        self, network: nn.Module, inputs: Inputs, target_b: Tensor, configuration: PelicanConfiguration
    ) -> Inputs:
        """Return `cross_entropy` and, with the autoencoder, `reconstruction`, both (B,)."""
        assert isinstance(network, PelicanNetwork)
        flux, error, mask = inputs["flux"], inputs["error"], inputs["mask"]
        features = network.encoder(flux, error, mask)
        terms = {
            "cross_entropy": functional.cross_entropy(
                network.classifier(features), target_b, reduction="none"
            )
        }
        if network.decoder is not None:
            wanted, _ = network.encoder.scale(flux, error, mask)
            loss = masked_reconstruction(network.decoder(features), wanted, mask)
            terms["reconstruction"] = configuration.autoencoder_weight * loss
        return terms

    def predict(self, network: nn.Module, inputs: Inputs) -> Tensor:
        """Return class probabilities (B, K)."""
        logits: Tensor = network(inputs["flux"], inputs["error"], inputs["mask"])
        return logits.softmax(dim=1)


def masked_reconstruction(rebuilt_bnt: Tensor, wanted_bnt: Tensor, mask_bnt: Tensor) -> Tensor:
    """Return sqrt(sum_i ((m'_i - m_i) M_i)^2) of each object, shape (B,).

    Source: the autoencoder's loss of Pasquet et al. 2019, A&A 627, A21. A tiny constant under the
    root keeps its gradient finite at zero.
    """
    squared = ((rebuilt_bnt - wanted_bnt) * mask_bnt) ** 2
    return torch.sqrt(squared.flatten(1).sum(1) + 1e-12)


def _shift(images: tuple[Tensor, ...], largest: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Move each object by its own number of columns; what leaves is lost, what enters is empty."""
    batch, _, columns = images[0].shape
    device = images[0].device
    by = torch.randint(-largest, largest + 1, (batch, 1), generator=generator, device=device)
    source = torch.arange(columns, device=device) - by
    inside = ((source >= 0) & (source < columns)).unsqueeze(1)
    index = source.clamp(0, columns - 1).unsqueeze(1)
    return tuple(image.gather(2, index.expand_as(image)) * inside for image in images)
