"""What a light-curve image shows where nothing was observed: band by band, from the points of that band."""

import torch
from torch import Tensor

_UNOBSERVED = 1e3
"""Error of an empty pixel, in units of the amplitude."""
_SMALLEST = 1e-2
"""Smallest error of a point, in the same units: the covariance is solved in single precision."""


def linear(flux_bnt: Tensor, mask_bnt: Tensor) -> Tensor:
    """Return fluxes on straight lines between a band's points; 0 before the first and after the last.

    Parameters
    ----------
    flux_bnt, mask_bnt
        (B, N, T) fluxes, and 1 where they were observed.
    """
    columns = flux_bnt.shape[-1]
    column = torch.arange(columns, device=flux_bnt.device).expand(flux_bnt.shape)
    seen = mask_bnt > 0
    before = torch.where(seen, column, -1).cummax(-1).values
    after = torch.where(seen, column, columns).flip(-1).cummin(-1).values.flip(-1)
    inside = (before >= 0) & (after < columns)
    first, last = before.clamp(min=0), after.clamp(max=columns - 1)
    part = (column - first) / (last - first).clamp(min=1)
    at = [flux_bnt.gather(-1, index) for index in (first, last)]
    return torch.where(inside, at[0] + part * (at[1] - at[0]), torch.zeros_like(flux_bnt))


def gaussian_process(flux_bnt: Tensor, error_bnt: Tensor, mask_bnt: Tensor, columns: float) -> Tensor:
    """Return the mean of a Gaussian process in time through each band's points, 0 far from all.

    Its kernel is Matern 3/2 with a length of `columns`; its amplitude the largest flux of the object, as an
    absolute value, in any band.
    """
    flux, error = flux_bnt.float() * mask_bnt, error_bnt.float()
    amplitude = flux.abs().amax((-2, -1), keepdim=True).clamp(min=1e-6)
    time = torch.arange(flux.shape[-1], device=flux.device, dtype=torch.float32)
    distance = 3**0.5 * (time[:, None] - time).abs() / columns
    kernel_tt = (1 + distance) * torch.exp(-distance)
    noise = torch.where(mask_bnt > 0, (error / amplitude).clamp(min=_SMALLEST), _UNOBSERVED)
    covariance = kernel_tt + torch.diag_embed(noise**2)
    weight = torch.linalg.solve(covariance, (flux / amplitude)[..., None])
    return (kernel_tt * weight.transpose(-1, -2)).sum(-1) * amplitude
