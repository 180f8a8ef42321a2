"""Layers of `photoz_mlp`. Shapes: B batch, N bands, S covariates, D inputs, K bins.

Missing values are 0 after scaling, and a further input per band and covariate tells that they are missing.
"""

import torch
from torch import Tensor, nn

from rookery.networks.draws import Draws, Dropout, Layers
from rookery.networks.family import Inputs
from rookery.networks.photoz_mlp.configuration import PhotozMlpConfiguration
from rookery.networks.photoz_mlp.heads import MixtureHead, SoftmaxHead

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
_ERROR_RANGE = (1e-4, 10.0)
"""Errors (mag) outside of this say no more than its ends."""
_MOST_ROWS = 200_000
"""Training objects whose quantiles are taken; of more, evenly spaced ones."""


class Features(nn.Module):
    """Magnitudes, errors and covariates -> scaled inputs (B, D + N + S)."""

    location: Tensor
    inverse_scale: Tensor
    missing_scale: Tensor

    def __init__(self, c: PhotozMlpConfiguration, n_bands: int) -> None:
        super().__init__()
        self.magnitudes, self.colours, self.errors, self.clip = c.magnitudes, c.colours, c.errors, c.clip
        n_scalars = len(c.scalars)
        n_values = n_bands * c.magnitudes + (n_bands - 1) * c.colours + n_bands * c.errors + n_scalars
        self.register_buffer("location", torch.zeros(n_values))
        self.register_buffer("inverse_scale", torch.ones(n_values))
        self.register_buffer("missing_scale", torch.ones(n_bands + n_scalars))
        self.size = n_values + n_bands + n_scalars

    def values(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return unscaled values (B, D) and whether each is known, 0 or 1."""
        magnitude, mask = inputs["magnitude"], inputs["mask"]
        values, known = [], []
        if self.magnitudes:
            values.append(magnitude)
            known.append(mask)
        if self.colours:
            values.append(magnitude[:, :-1] - magnitude[:, 1:])
            known.append(mask[:, :-1] * mask[:, 1:])
        if self.errors:
            values.append(inputs["error"].clamp(*_ERROR_RANGE).log())
            known.append(mask * inputs["error_mask"])
        if "scalars" in inputs:
            scalar, scalar_known = inputs["scalars"].chunk(2, dim=1)
            values.append(scalar)
            known.append(scalar_known)
        return torch.cat(values, dim=1), torch.cat(known, dim=1)

    def missing(self, inputs: Inputs) -> Tensor:
        """Return (B, N + S) 1 where a magnitude or covariate is missing."""
        known = [inputs["mask"]]
        if "scalars" in inputs:
            known.append(inputs["scalars"].chunk(2, dim=1)[1])
        return 1 - torch.cat(known, dim=1)

    def fit(self, inputs: Inputs, ever_missing: bool) -> None:
        """Set location and scale to median and half the central 68 % of known values of these inputs.

        What is constant or never known here is no input. That something is missing is an input only
        where the network has learned what this means: where it happens here, or, with `ever_missing`,
        is made to happen to bands.
        """
        values, known = self.values(inputs)
        every = -(-len(values) // _MOST_ROWS)
        low, middle, high = torch.nanquantile(
            torch.where(known > 0, values, torch.nan)[::every].double(),
            torch.tensor([0.1587, 0.5, 0.8413], dtype=torch.float64, device=values.device),
            dim=0,
        )
        scale = (high - low) / 2
        usable = scale > 1e-6 * (1 + middle.abs())
        self.location.copy_(torch.where(usable, middle, 0.0))
        self.inverse_scale.copy_(torch.where(usable, 1 / scale, 0.0))
        seen = self.missing(inputs).amax(0)
        if ever_missing:
            seen[: inputs["mask"].shape[1]] = 1
        self.missing_scale.copy_(seen)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the scaled inputs."""
        values, known = self.values(inputs)
        scaled = ((values - self.location) * self.inverse_scale).clamp(-self.clip, self.clip)
        return torch.cat([scaled * known, self.missing(inputs) * self.missing_scale], dim=1)


class Layer(nn.Module):
    """Linear, normalisation, activation, dropout; added to what it is given, where `residual`."""

    def __init__(self, c: PhotozMlpConfiguration, n_inputs: int, number: int) -> None:
        super().__init__()
        self.residual = c.residual and number > 0
        linear = nn.Linear(n_inputs, c.width)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers: list[nn.Module] = [linear]
        if c.norm != "none":
            layers.append(nn.BatchNorm1d(c.width) if c.norm == "batch" else nn.LayerNorm(c.width))
        layers.append(_ACTIVATIONS[c.activation]())
        if c.dropout > 0:
            layers.append(Dropout(c.dropout, f"hidden {number}"))
        self.layers = Layers(*layers)

    def forward(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Return (B, width)."""
        made: Tensor = self.layers(x, draws)
        return x + made if self.residual else made


class PhotozMlpNetwork(nn.Module):
    """Features, hidden layers and a head."""

    head: SoftmaxHead | MixtureHead

    def __init__(self, configuration: PhotozMlpConfiguration, n_bands: int, n_bins: int) -> None:
        super().__init__()
        c = configuration
        self.ever_missing = c.band_dropout > 0
        self.features = Features(c, n_bands)
        sizes = [self.features.size] + [c.width] * (c.hidden_layers - 1)
        self.hidden = nn.Sequential(*(Layer(c, size, number) for number, size in enumerate(sizes)))
        if c.head == "softmax":
            self.head = SoftmaxHead(c.width, n_bins, c.label_smoothing)
        else:
            self.head = MixtureHead(c.width, n_bins, c.components)

    def hidden_units(self, inputs: Inputs, draws: Draws | None = None) -> Tensor:
        """Return what the head sees (B, width)."""
        units: Tensor = self.features(inputs)
        for layer in self.hidden:
            units = layer(units, draws)
        return units

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logarithms of the bins' probabilities (B, K)."""
        log_bk: Tensor = self.head(self.hidden_units(inputs))
        return log_bk
