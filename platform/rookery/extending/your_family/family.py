"""`your_family` as a family: how a survey enters it, what it minimises, what it predicts."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rookery.networks.family import Family, Inputs
from rookery.surveys import Survey
from rookery_ensembles import RedshiftBins
from rookery_ensembles.errors import fail

from .configuration import YourFamilyConfiguration

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rookery.networks.draws import Draws


class YourFamily(Family[YourFamilyConfiguration]):
    """Magnitudes -> probabilities of redshift bins. torch is imported where it computes, not above."""

    name: ClassVar[str] = "your_family"
    survey_kinds: ClassVar[tuple[str, ...]] = ("catalogue", "images")
    prediction_kind: ClassVar[str] = RedshiftBins.kind
    configuration = YourFamilyConfiguration
    training_only: ClassVar[tuple[str, ...]] = ("dropout",)

    def encode(
        self, survey: Survey, configuration: YourFamilyConfiguration, bands: tuple[str, ...]
    ) -> Inputs:
        """Return `magnitude` and `mask` (1 where it is known), each (N objects, n_bands), float32."""
        import torch

        found = np.full((len(survey), len(bands)), np.nan, dtype=np.float32)
        magnitudes = survey.magnitudes()
        for column, band in enumerate(bands):
            if band in survey.bands:
                found[:, column] = magnitudes[:, survey.bands.index(band)]
        known = np.isfinite(found)
        if not known.any():
            raise fail(survey.path, f"has no magnitude in any of the bands {', '.join(bands)}")
        return {
            "magnitude": torch.from_numpy(np.where(known, found, np.float32(0))),
            "mask": torch.from_numpy(known.astype(np.float32)),
        }

    def build(self, configuration: YourFamilyConfiguration, n_bands: int, n_outputs: int) -> "nn.Module":
        """Return a network with fresh weights."""
        from .network import YourFamilyNetwork

        return YourFamilyNetwork(configuration, n_bands, n_outputs)

    def fit_scale(self, network: "nn.Module", inputs: Inputs, rows: "Tensor") -> None:
        """Set mean and spread of each band from the known magnitudes of the training objects."""
        from .network import YourFamilyNetwork

        assert isinstance(network, YourFamilyNetwork)
        values, mask = inputs["magnitude"][rows], inputs["mask"][rows]
        number = mask.sum(0).clamp(min=1)
        mean = (values * mask).sum(0) / number
        variance = ((values - mean) ** 2 * mask).sum(0) / number
        network.location.copy_(mean)
        network.scale.copy_(variance.sqrt().clamp(min=1e-3))

    def loss_terms(
        self,
        network: "nn.Module",
        inputs: Inputs,
        target_l: "Tensor",
        configuration: YourFamilyConfiguration,
        draws: "Draws | None" = None,
    ) -> Inputs:
        """Return `cross_entropy` (L,) of the labelled objects, which come first; terms are added up."""
        labelled = {name: values[: len(target_l)] for name, values in inputs.items()}
        log_lk: Tensor = network(labelled, draws and draws[: len(target_l)])
        return {"cross_entropy": -log_lk.gather(1, target_l[:, None])[:, 0]}

    def predict(self, network: "nn.Module", inputs: Inputs) -> "Tensor":
        """Return probabilities of the bins (B, K)."""
        log_bk: Tensor = network(inputs)
        return log_bk.exp()
