"""The network: any `torch.nn.Module`. Shapes: B objects of a batch, N bands, K bins of redshift."""

import torch
from torch import Tensor, nn

from rookery.networks.draws import Draws, Dropout, Layers
from rookery.networks.family import Inputs
from rookery.networks.precision import LastLinear

from .configuration import YourFamilyConfiguration


class YourFamilyNetwork(nn.Module):
    """Scaled magnitudes and whether each is known -> logarithms of the bins' probabilities."""

    location: Tensor
    scale: Tensor

    def __init__(self, configuration: YourFamilyConfiguration, n_bands: int, n_bins: int) -> None:
        super().__init__()
        c = configuration
        # Buffers are part of a network's state: `YourFamily.fit_scale` sets them from the training objects.
        self.register_buffer("location", torch.zeros(n_bands))
        self.register_buffer("scale", torch.ones(n_bands))
        layers: list[nn.Module] = []
        for number in range(c.hidden_layers):
            layers += [nn.Linear(c.width if number else 2 * n_bands, c.width), nn.SiLU()]
            layers.append(Dropout(c.dropout, f"hidden {number}"))  # its masks come from the draws
        self.hidden = Layers(*layers)
        self.head = LastLinear(c.width, n_bins)  # stays in single precision whatever the rest computes in

    def forward(self, inputs: Inputs, draws: Draws | None = None) -> Tensor:
        """Return (B, K)."""
        scaled = (inputs["magnitude"] - self.location) / self.scale * inputs["mask"]
        logits: Tensor = self.head(self.hidden(torch.cat([scaled, inputs["mask"]], dim=1), draws))
        return logits.log_softmax(dim=1)
