"""PELICAN as a family: how light curves enter it, what it minimises, what it predicts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery.networks.family import Family, Inputs
from rookery.networks.pelican.configuration import PelicanConfiguration
from rookery.shift.copies import redshifted_copies
from rookery.surveys import ObservationArrays, Survey
from rookery_ensembles import Classes
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rookery.networks.draws import Draws

_DEEP = "deep"
"""Covariate that tells deep-drilling fields (1) from the main survey (0); pairs are drawn across it."""


class Pelican(Family[PelicanConfiguration]):
    """Masked light-curve images -> class probabilities."""

    name: ClassVar[str] = "pelican"
    survey_kinds: ClassVar[tuple[str, ...]] = ("light_curves",)
    prediction_kind: ClassVar[str] = Classes.kind
    configuration = PelicanConfiguration
    encoded_by: ClassVar[tuple[str, ...] | None] = ("days_per_column", "n_columns", "scalars")
    loss_weights: ClassVar[tuple[str, ...]] = (
        "classification_weight",
        "autoencoder_weight",
        "contrastive_weight",
        "margin",
        "kl_weight",
        "rho",
    )
    training_only: ClassVar[tuple[str, ...]] = (
        *loss_weights,
        *("reconstruct", "reconstruction_form"),
        *("autoencoder", "contrastive", "contrastive_form", "thinning", "kl", "unlabelled"),
        *("dropout", "observation_dropout", "truncation", "flux_noise", "dimming", "time_shift"),
        *("copies", "redshifting", "copy_dimming", "copy_distance", "copy_selection", "copy_snr"),
    )

    def encode(self, survey: Survey, configuration: PelicanConfiguration, bands: tuple[str, ...]) -> Inputs:
        """Return `flux`, `error` and `mask`, each (N, n_bands, n_columns), and the covariates asked for.

        Raises `InputError` when the survey lacks a covariate that the configuration names.
        """
        for name in configuration.scalars:
            if name not in survey.covariates:
                found = ", ".join(survey.covariates) or "none"
                raise fail(survey.path, f"the network needs the covariate {name!r}; it has {found}")
        names = [name for name in (*configuration.scalars, _DEEP) if name in survey.covariates]
        covariates = {name: survey.objects[name].to_numpy() for name in names}
        return _encode(survey.observation_arrays(), survey.bands, covariates, configuration, bands)

    def copies(
        self,
        survey: Survey,
        configuration: PelicanConfiguration,
        bands: tuple[str, ...],
        rows: Mapping[str, NDArray[np.int64]],
        seed: int,
    ) -> tuple[Inputs, NDArray[np.int64]] | None:
        """Return copies of the training objects as objects to classify would be seen.

        See :func:`rookery.shift.copies.redshifted_copies`.
        """
        if not configuration.copies:
            return None
        made = redshifted_copies(
            survey,
            rows["train"],
            rows["unlabelled"],
            copies=configuration.copies,
            redshifting=configuration.redshifting,
            dimming=configuration.copy_dimming,
            distance=configuration.copy_distance,
            selection=configuration.copy_selection,
            least_snr=configuration.copy_snr,
            seed=seed,
        )
        inputs = _encode(made.observations, survey.bands, made.covariates, configuration, bands)
        return inputs, made.source

    def uses_unlabelled(self, configuration: PelicanConfiguration) -> bool:
        """Whether batches shall also hold unlabelled objects."""
        terms = configuration.autoencoder or configuration.contrastive or configuration.kl
        return configuration.unlabelled and terms

    def build(self, configuration: PelicanConfiguration, n_bands: int, n_outputs: int) -> "nn.Module":
        """Return a :class:`rookery.networks.pelican.network.PelicanNetwork`."""
        from rookery.networks.pelican.network import PelicanNetwork

        return PelicanNetwork(configuration, n_bands, n_outputs)

    def augment(self, inputs: Inputs, configuration: PelicanConfiguration, draws: "Draws") -> Inputs:
        """Vary each light curve by its own draw; see :func:`rookery.networks.pelican.augmentation.vary`."""
        from rookery.networks.pelican.augmentation import vary

        return vary(inputs, configuration, draws)

    def loss_terms(
        self,
        network: "nn.Module",
        inputs: Inputs,
        target_l: "Tensor",
        configuration: PelicanConfiguration,
        draws: "Draws | None" = None,
    ) -> Inputs:
        """Return `cross_entropy` (L,) and, as configured, `reconstruction`, `contrastive`, `sparsity`."""
        import torch
        from torch.nn import functional

        from rookery.networks.pelican import losses
        from rookery.networks.pelican.augmentation import SECOND, WHOLE
        from rookery.networks.pelican.network import PelicanNetwork
        from rookery.networks.precision import widened

        assert isinstance(network, PelicanNetwork)
        c, n_labelled = configuration, len(target_l)
        views = ["", SECOND] if c.contrastive and f"{SECOND}flux" in inputs else [""]
        flux, error, mask = (
            torch.cat([inputs[view + name] for view in views]) for name in ("flux", "error", "mask")
        )
        scalars = inputs.get("scalars")
        repeated = None if scalars is None else scalars.repeat(len(views), 1)
        features = widened(network.encoder(flux, error, mask, repeated))
        batch = len(inputs["flux"])
        first, second = features[:batch], features[-batch:]
        logits = network.classifier(first[:n_labelled], draws and draws[:n_labelled])
        cross_entropy = functional.cross_entropy(logits, target_l, reduction="none")
        terms = {"cross_entropy": c.classification_weight * cross_entropy}
        if network.decoder is not None:
            unit = network.encoder.unit(flux[:batch], mask[:batch])
            whole = inputs.get(f"{WHOLE}mask", mask[:batch])
            light = inputs.get(f"{WHOLE}flux", flux[:batch])
            wanted, _ = network.encoder.scale(light, error[:batch], whole, unit)
            rebuilt = widened(network.decoder(first))
            loss = losses.masked_reconstruction(rebuilt, wanted, whole, c.reconstruction_form)
            terms["reconstruction"] = c.autoencoder_weight * loss
        if c.contrastive:
            draw = inputs.get("draw", torch.zeros(batch, batch, device=flux.device))
            group = inputs[_DEEP][:n_labelled] if _DEEP in inputs else None
            pairs = losses.draw_pairs(target_l, draw[:n_labelled, :n_labelled], group)
            loss = losses.contrastive(first, second, *pairs, c.margin, c.contrastive_form == "squared")
            terms["contrastive"] = c.contrastive_weight * loss
        if c.kl:
            terms["sparsity"] = (c.kl_weight * losses.sparsity(first, c.rho)).expand(batch)
        return terms

    def predict(self, network: "nn.Module", inputs: Inputs) -> "Tensor":
        """Return class probabilities (B, K)."""
        logits: Tensor = network(inputs["flux"], inputs["error"], inputs["mask"], inputs.get("scalars"))
        return logits.softmax(dim=1)


def _encode(
    arrays: ObservationArrays,
    observed: tuple[str, ...],
    covariates: Mapping[str, NDArray[np.floating]],
    c: PelicanConfiguration,
    bands: tuple[str, ...],
) -> Inputs:
    import torch

    from rookery.networks.light_curve_image import light_curve_images

    inputs = light_curve_images(
        arrays, observed, bands, days_per_column=c.days_per_column, n_columns=c.n_columns
    )
    if c.scalars:
        values = np.stack([covariates[name] for name in c.scalars], axis=1)
        known = np.isfinite(values)
        columns = np.concatenate([np.where(known, values, 0.0), known], axis=1)
        inputs["scalars"] = torch.from_numpy(columns.astype(np.float32))
    if _DEEP in covariates:
        inputs[_DEEP] = torch.from_numpy(np.nan_to_num(covariates[_DEEP]).astype(np.float32))
    return inputs
