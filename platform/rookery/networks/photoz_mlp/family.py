"""`photoz_mlp` as a family: how a catalogue enters it, what it minimises, what it predicts."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery.networks.family import Family, Inputs
from rookery.networks.photoz_mlp.configuration import PhotozMlpConfiguration
from rookery.surveys import Survey
from rookery_ensembles import RedshiftBins
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rookery.networks.draws import Draws

_LARGEST_NOISE = 1.0
"""Errors above this (mag) add no more noise: such a magnitude is noise already."""


class PhotozMlp(Family[PhotozMlpConfiguration]):
    """Magnitudes, errors and covariates -> probabilities of redshift bins."""

    name: ClassVar[str] = "photoz_mlp"
    survey_kinds: ClassVar[tuple[str, ...]] = ("catalogue", "images")
    prediction_kind: ClassVar[str] = RedshiftBins.kind
    configuration = PhotozMlpConfiguration
    packs_on_cpu: ClassVar[bool] = True
    encoded_by: ClassVar[tuple[str, ...] | None] = ("scalars", "magnitudes", "colours", "errors")
    training_only: ClassVar[tuple[str, ...]] = (
        "dropout",
        "label_smoothing",
        "magnitude_noise",
        "band_dropout",
    )

    def encode(self, survey: Survey, configuration: PhotozMlpConfiguration, bands: tuple[str, ...]) -> Inputs:
        """Return `magnitude`, `error`, `mask` and `error_mask`, each (N, n_bands), and `scalars` (N, 2S).

        Masks are 1 where known; unknown values are 0. `scalars` holds S covariates, then whether each
        is known.

        Raises
        ------
        InputError
            When the survey has no magnitude of these bands, or lacks a covariate that the
            configuration names.
        """
        for name in configuration.scalars:
            if name not in survey.covariates:
                found = ", ".join(survey.covariates) or "none"
                raise fail(survey.path, f"the network needs the covariate {name!r}; it has {found}")
        magnitude = _columns(survey.magnitudes(), survey.bands, bands)
        error = _columns(survey.magnitude_errors(), survey.bands, bands)
        mask = np.isfinite(magnitude)
        photometry = configuration.magnitudes or configuration.colours or configuration.errors
        if photometry and not mask.any() and not survey.is_block:
            raise fail(survey.path, f"has no magnitude in any of the bands {', '.join(bands)}")
        error_mask = mask & np.isfinite(error) & (error > 0)
        inputs = {
            "magnitude": _tensor(np.where(mask, magnitude, 0.0)),
            "error": _tensor(np.where(error_mask, error, 0.0)),
            "mask": _tensor(mask),
            "error_mask": _tensor(error_mask),
        }
        if configuration.scalars:
            values = np.column_stack([survey.objects[name].to_numpy() for name in configuration.scalars])
            known = np.isfinite(values)
            inputs["scalars"] = _tensor(np.hstack([np.where(known, values, 0.0), known]))
        return inputs

    def build(self, configuration: PhotozMlpConfiguration, n_bands: int, n_outputs: int) -> "nn.Module":
        """Return a :class:`rookery.networks.photoz_mlp.network.PhotozMlpNetwork`."""
        from rookery.networks.photoz_mlp.network import PhotozMlpNetwork

        return PhotozMlpNetwork(configuration, n_bands, n_outputs)

    def fit_scale(self, network: "nn.Module", inputs: Inputs, rows: "Tensor") -> None:
        """Scale the inputs by median and spread of the training objects."""
        from rookery.networks.photoz_mlp.network import PhotozMlpNetwork

        assert isinstance(network, PhotozMlpNetwork)
        training = {name: values[rows] for name, values in inputs.items()}
        network.features.fit(training, network.ever_missing)

    def augment(self, inputs: Inputs, configuration: PhotozMlpConfiguration, draws: "Draws") -> Inputs:
        """Add noise to magnitudes, and hide bands."""
        c, varied = configuration, dict(inputs)
        mask, error_mask = inputs["mask"], inputs["error_mask"]
        if c.magnitude_noise > 0:
            draw = draws.normal("magnitude_noise", tuple(mask.shape[1:]))
            sigma = c.magnitude_noise * inputs["error"].clamp(max=_LARGEST_NOISE)
            varied["magnitude"] = inputs["magnitude"] + sigma * draw * mask * error_mask
        if c.band_dropout > 0:
            kept = mask * draws.mask("band_dropout", tuple(mask.shape[1:]), c.band_dropout)
            varied["mask"], varied["error_mask"] = kept, kept * error_mask
            varied["magnitude"] = varied["magnitude"] * kept
            varied["error"] = inputs["error"] * kept
        return varied

    def hides_bands(self, configuration: PhotozMlpConfiguration) -> bool:
        """Whether `band_dropout` hides bands."""
        return configuration.band_dropout > 0

    def loss_terms(
        self,
        network: "nn.Module",
        inputs: Inputs,
        target_l: "Tensor",
        configuration: PhotozMlpConfiguration,
        draws: "Draws | None" = None,
    ) -> Inputs:
        """Return `cross_entropy` (L,)."""
        from rookery.networks.photoz_mlp.network import PhotozMlpNetwork

        assert isinstance(network, PhotozMlpNetwork)
        labelled = {name: values[: len(target_l)] for name, values in inputs.items()}
        units = network.hidden_units(labelled, draws and draws[: len(target_l)])
        return {"cross_entropy": network.head.cross_entropy(units, target_l)}

    def predict(self, network: "nn.Module", inputs: Inputs) -> "Tensor":
        """Return probabilities of the bins (B, K)."""
        log_bk: Tensor = network(inputs)
        return log_bk.softmax(dim=1)  # they sum to 1 already, but for rounding


def _columns(
    values_nb: NDArray[np.float64], observed: tuple[str, ...], bands: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return columns of `observed` bands in the order of `bands`, NaN for those that are not observed."""
    found = np.full((len(values_nb), len(bands)), np.nan)
    for column, band in enumerate(bands):
        if band in observed:
            found[:, column] = values_nb[:, observed.index(band)]
    return found


def _tensor(values: NDArray[np.generic]) -> "Tensor":
    import torch

    return torch.from_numpy(values.astype(np.float32))
