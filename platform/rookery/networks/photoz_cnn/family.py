"""`photoz_cnn` as a family: how images enter it, what it minimises, what it predicts."""

import warnings
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery.networks.family import Family, Inputs
from rookery.networks.photoz_cnn.configuration import PhotozCnnConfiguration
from rookery.surveys import Survey
from rookery_ensembles import RedshiftBins
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rookery.networks.draws import Draws

_PREDICTED_TOGETHER = 256
"""Images of one pass in prediction: the published network's first map takes 1 MiB an image."""
_SCALED_BY = 2000
"""Training images whose pixels give the bands' means and deviations."""


class PhotozCnn(Family[PhotozCnnConfiguration]):
    """Galaxy images and covariates -> redshift PDFs."""

    name: ClassVar[str] = "photoz_cnn"
    survey_kinds: ClassVar[tuple[str, ...]] = ("images",)
    prediction_kind: ClassVar[str] = RedshiftBins.kind
    configuration = PhotozCnnConfiguration
    encoded_by: ClassVar[tuple[str, ...] | None] = ("image_size", "shift", "scalars")
    training_only: ClassVar[tuple[str, ...]] = (
        *("dropout", "label_smoothing", "flips", "turns", "coarse_part", "shift", "noise"),
    )

    def encode(self, survey: Survey, configuration: PhotozCnnConfiguration, bands: tuple[str, ...]) -> Inputs:
        """Return `images`, and `scalars` and `known` where the configuration asks for covariates.

        `images` (N, n_bands, side, side) are the survey's own pixels, in its own type, memory-mapped
        where its bands begin with `bands`; else a copy, in which a band that the survey lacks is 0. Side
        is `image_size` and room for `shift` on both sides, where the survey has it. `scalars` and `known`
        (0 or 1) are (N, S), an unknown covariate being 0 in both.

        Raises
        ------
        InputError
            When the survey lacks a covariate, or its images are smaller than the configuration's.
        """
        c = configuration
        images = _of_bands(survey.image_array(), survey.bands, bands)
        side = min(images.shape[2:])
        if side < c.image_size:
            rule = f"the network needs images of {c.image_size} pixels a side (`image_size`)"
            raise fail(survey.path, f"{rule}, but its images have {side}")
        inputs = {"images": _middle(_as_tensor(images), min(side, c.image_size + 2 * c.shift))}
        if not c.scalars:
            return inputs
        for name in c.scalars:
            if name not in survey.covariates:
                found = ", ".join(survey.covariates) or "none"
                raise fail(survey.path, f"the network needs the covariate {name!r}; it has {found}")
        values = np.stack([survey.objects[name].to_numpy(dtype=np.float64) for name in c.scalars], axis=1)
        known = np.isfinite(values)
        inputs["scalars"] = _as_tensor(np.where(known, values, 0.0).astype(np.float32))
        inputs["known"] = _as_tensor(known.astype(np.float32))
        return inputs

    def build(self, configuration: PhotozCnnConfiguration, n_bands: int, n_outputs: int) -> "nn.Module":
        """Return a :class:`rookery.networks.photoz_cnn.network.PhotozNetwork`."""
        from rookery.networks.photoz_cnn.network import PhotozNetwork

        return PhotozNetwork(configuration, n_bands, n_outputs)

    def fresh_for(
        self,
        configuration: PhotozCnnConfiguration,
        n_bands: int,
        n_outputs: int,
        *,
        bands: bool,
        outputs: bool,
    ) -> frozenset[str]:
        """Return the default, and with other bands every branch, where each sees some bands alone."""
        from rookery.networks.cost import blueprint

        found = super().fresh_for(configuration, n_bands, n_outputs, bands=bands, outputs=outputs)
        if not bands or configuration.branches == "all":
            return found
        names = blueprint(self, configuration, n_bands, n_outputs).state_dict()
        return found | {name for name in names if name.startswith("branches.")}

    def fit_scale(self, network: "nn.Module", inputs: Inputs, rows: "Tensor") -> None:
        """Set the network's scales of pixels and covariates from the training objects `rows`.

        Pixels and E(B-V) are scaled with `standardise` only, further covariates always. An unknown
        covariate always takes the mean of the known ones.
        """
        import torch

        from rookery.networks.photoz_cnn.network import PhotozNetwork

        assert isinstance(network, PhotozNetwork)
        scaling, c = network.scaling, network.configuration
        if c.standardise:
            some = rows[torch.linspace(0, len(rows) - 1, min(len(rows), _SCALED_BY)).long().to(rows.device)]
            moments = torch.zeros(2, network.n_bands, dtype=torch.float64, device=rows.device)
            for part in torch.split(some, 100):
                x = scaling.compress(inputs["images"][part]).double()
                moments += torch.stack([x.mean((2, 3)).sum(0), x.square().mean((2, 3)).sum(0)])
            mean, square = moments / len(some)
            scaling.band_mean.copy_(mean)
            scaling.band_deviation.copy_(_divisor((square - mean.square()).clamp(min=0).sqrt()))
        if not c.scalars:
            return
        values, known = inputs["scalars"][rows].double(), inputs["known"][rows].double()
        number = known.sum(0).clamp(min=1)
        mean = (values * known).sum(0) / number
        deviation = (((values - mean).square() * known).sum(0) / number).sqrt()
        scaled = torch.tensor([c.standardise or name != "mwebv" for name in c.scalars], device=rows.device)
        scaling.scalar_fill.copy_(mean)
        scaling.scalar_mean.copy_(torch.where(scaled, mean, 0.0))
        scaling.scalar_deviation.copy_(torch.where(scaled, _divisor(deviation), 1.0))

    def begin_epoch(self, network: "nn.Module", configuration: PhotozCnnConfiguration, part: float) -> None:
        """Let the first epochs see images of half the side, where `coarse_part` says so."""
        from rookery.networks.photoz_cnn.network import PhotozNetwork

        assert isinstance(network, PhotozNetwork)
        network.coarse = part < configuration.coarse_part

    def pack_key(self, configuration: PhotozCnnConfiguration) -> str | None:
        """Return what must be equal in a pack; none is made where epochs see images of other sizes."""
        return None if configuration.coarse_part > 0 else super().pack_key(configuration)

    def augment(self, inputs: Inputs, configuration: PhotozCnnConfiguration, draws: "Draws") -> Inputs:
        """Vary each image by its own draw; see :mod:`rookery.networks.photoz_cnn.augmentation`."""
        from rookery.networks.photoz_cnn.augmentation import vary

        return {**inputs, "images": vary(inputs["images"], configuration, draws)}

    def loss_terms(
        self,
        network: "nn.Module",
        inputs: Inputs,
        target_l: "Tensor",
        configuration: PhotozCnnConfiguration,
        draws: "Draws | None" = None,
    ) -> Inputs:
        """Return `cross_entropy` (L,), with label smoothing that of the smoothed bins."""
        from torch.nn import functional

        labelled = {name: values[: len(target_l)] for name, values in inputs.items()}
        logits = _logits(network, labelled, draws and draws[: len(target_l)])
        width = configuration.label_smoothing
        if width == 0:
            return {"cross_entropy": functional.cross_entropy(logits, target_l, reduction="none")}
        wanted = smoothed(target_l, logits.shape[1], width)
        return {"cross_entropy": functional.cross_entropy(logits, wanted, reduction="none")}

    def predict(self, network: "nn.Module", inputs: Inputs) -> "Tensor":
        """Return probabilities (B, K) of the bins."""
        import torch

        parts = zip(*(values.split(_PREDICTED_TOGETHER) for values in inputs.values()), strict=True)
        found = [_logits(network, dict(zip(inputs, part, strict=True))).softmax(dim=1) for part in parts]
        return torch.cat(found)


def smoothed(target_l: "Tensor", n_bins: int, width: float) -> "Tensor":
    """Return bin probabilities (L, K): a Gaussian of `width` bins around each target, cut at the ends."""
    import torch

    distance = torch.arange(n_bins, device=target_l.device) - target_l[:, None]
    return (-0.5 * (distance / width).square()).softmax(dim=1)


def _logits(network: "nn.Module", inputs: Inputs, draws: "Draws | None" = None) -> "Tensor":
    logits: Tensor = network(inputs["images"], inputs.get("scalars"), inputs.get("known"), draws)
    return logits


def _divisor(deviation: "Tensor") -> "Tensor":
    """Return deviations, 1 in place of those that are 0 but for rounding."""
    return deviation.where(deviation > 1e-6, 1.0)


def _of_bands(
    images: NDArray[np.floating], survey_bands: tuple[str, ...], bands: tuple[str, ...]
) -> NDArray[np.floating]:
    """Return the images of `bands` in their order; a view where the survey's bands begin with them."""
    if survey_bands[: len(bands)] == bands:
        return images[:, : len(bands)]
    found = np.zeros((len(images), len(bands), *images.shape[2:]), dtype=images.dtype)
    for position, band in enumerate(bands):
        if band in survey_bands:
            found[:, position] = images[:, survey_bands.index(band)]
    return found


def _as_tensor(images: NDArray[np.floating]) -> "Tensor":
    """Share an array that may be read-only; nothing here writes to it."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(images)


def _middle(images: "Tensor", size: int) -> "Tensor":
    top, left = ((side - size) // 2 for side in images.shape[2:])
    return images[:, :, top : top + size, left : left + size]
