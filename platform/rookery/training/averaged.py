"""A network whose weights are the mean of another's, over the steps of its training."""

import copy

import torch
from torch import nn


class Averaged:
    """Follows a network in training.

    Parameters
    ----------
    network
        Whose weights, and running means, are averaged; it keeps its tensors for good.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        """Has the means."""
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        numbers = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        self._means, self._values = [mean for mean, _ in numbers], [value for _, value in numbers]
        self._counts = [(mean, value) for mean, value in pairs if not mean.is_floating_point()]

    @torch.no_grad()
    def move(self, part: float) -> None:
        """Move the means by a part of the way to what the network's weights are now."""
        torch._foreach_lerp_(self._means, self._values, part)
        for mean, value in self._counts:
            mean.copy_(value)
