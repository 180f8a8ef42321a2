"""From hidden units to a PDF over bins. Shapes: B objects, W hidden units, K bins, C components."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rookery.networks.precision import LastLinear

_FLOOR = 1e-8
"""Probability of each bin beside the mixture's, so that no logarithm is infinite."""
_UNIT = 0.15
"""Natural scale of widths, as a part of all bins together."""
_NARROWEST = 0.25
"""Smallest width of a component, in bins."""


class SoftmaxHead(nn.Module):
    """Every bin by itself."""

    def __init__(self, width: int, n_bins: int, label_smoothing: float) -> None:
        super().__init__()
        self.linear = LastLinear(width, n_bins)
        self.label_smoothing = label_smoothing

    def forward(self, x_bw: Tensor) -> Tensor:
        """Return logarithms of the bins' probabilities (B, K)."""
        return functional.log_softmax(self.linear(x_bw), dim=1)

    def cross_entropy(self, x_bw: Tensor, target_b: Tensor) -> Tensor:
        """Return the cross-entropy (B,) with the true bin, in training blurred over its neighbours."""
        log_bk = self(x_bw)
        if not self.training or self.label_smoothing == 0:
            return functional.nll_loss(log_bk, target_b, reduction="none")
        offset = torch.arange(log_bk.shape[1], device=target_b.device) - target_b[:, None]
        wanted = torch.softmax(-0.5 * (offset / self.label_smoothing) ** 2, dim=1)
        return -(wanted * log_bk).sum(1)


class MixtureHead(nn.Module):
    """Gaussians, each truncated to the bins; a bin's probability is their mass in it.

    Means and widths are parts of all bins together, so that the head needs no redshifts.
    """

    def __init__(self, width: int, n_bins: int, components: int) -> None:
        super().__init__()
        self.n_bins = n_bins
        self.linear = LastLinear(width, 3 * components)
        with torch.no_grad():
            # Fresh components lie side by side, wide enough to cover the bins together.
            bias = self.linear.bias.view(3, components)
            bias[0] = 0.0
            bias[1] = torch.linspace(0.15, 0.85, components).logit() if components > 1 else 0.0
            bias[2] = 0.0

    def forward(self, x_bw: Tensor) -> Tensor:
        """Return logarithms of the bins' probabilities (B, K)."""
        low_k = torch.arange(self.n_bins, device=x_bw.device, dtype=self.linear.weight.dtype) / self.n_bins
        return self._log_probability(x_bw, low_k[None])

    def cross_entropy(self, x_bw: Tensor, target_b: Tensor) -> Tensor:
        """Return the cross-entropy (B,) with the true bin, whose mass alone is worked out."""
        low_b1 = target_b[:, None].to(self.linear.weight.dtype) / self.n_bins
        return -self._log_probability(x_bw, low_b1)[:, 0]

    def _log_probability(self, x_bw: Tensor, low: Tensor) -> Tensor:
        """Return logarithms of the probabilities (B, k) of the bins that begin at `low` (B or 1, k)."""
        weight, mean, log_width = self.linear(x_bw).view(len(x_bw), 3, -1).unbind(1)
        mean = mean.sigmoid()  # within the bins, so that half of its mass or more is too
        sigma = _UNIT * torch.exp(log_width.clamp(-7, 2) - 1) + _NARROWEST / self.n_bins
        inside = _gaussian_mass(mean, sigma, torch.zeros_like(low[:, :1]), 1.0)
        mass_bck = _gaussian_mass(mean, sigma, low, 1 / self.n_bins) / inside
        probability = (weight.softmax(1)[:, :, None] * mass_bck).sum(1)
        return torch.log(probability + _FLOOR) - math.log1p(self.n_bins * _FLOOR)


def _gaussian_mass(mean_bc: Tensor, sigma_bc: Tensor, low: Tensor, width: float) -> Tensor:
    """Return the masses (B, C, k) of Gaussians between `low` (B or 1, k) and ``low + width``."""
    a = (low[:, None, :] - mean_bc[:, :, None]) / sigma_bc[:, :, None]
    b = a + width / sigma_bc[:, :, None]
    # In the upper tail the mirrored difference keeps its digits.
    upper = a + b > 0
    return torch.special.ndtr(torch.where(upper, -a, b)) - torch.special.ndtr(torch.where(upper, -b, a))
