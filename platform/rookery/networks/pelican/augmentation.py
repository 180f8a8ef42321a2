"""How PELICAN varies the light curves of a training batch. Images are (B, N, T) flux, error and mask."""

import torch
from torch import Tensor

from rookery.networks.draws import Draws
from rookery.networks.family import Inputs
from rookery.networks.pelican.configuration import PelicanConfiguration

SECOND, WHOLE = "second_", "whole_"
"""Prefixes of the images of a light curve's second view, from which other points are missing, and of the
light curve without added noise and with all of its points."""


def vary(inputs: Inputs, c: PelicanConfiguration, draws: Draws) -> Inputs:
    """Dim, add noise, hide points, cut and shift each light curve by its own draw.

    With the contrastive term, also return a second, thinned view of each light curve, and the numbers
    that draw its pairs (`draw`, (B, B)).
    """
    flux, error, mask = inputs["flux"], inputs["error"], inputs["mask"]
    if c.dimming > 0:
        flux = _dim(flux, error, c.dimming, draws)
    whole = (flux, mask) if c.autoencoder and c.reconstruct == "all" else ()
    if c.flux_noise > 0:
        flux = flux + c.flux_noise * error * draws.normal("flux_noise", tuple(flux.shape[1:]))
    masks = [_hide(mask, c.observation_dropout, draws, "first view")]
    if c.truncation > 0:
        masks = [_truncate(masks[0], c.truncation, draws)]
    if c.contrastive:
        masks.append(_hide(mask, c.thinning, draws, "second view"))
    images = (flux, error, *masks, *whole)
    if c.time_shift > 0:
        images = _shift(images, c.time_shift, draws)
    flux, error, *masks = images
    varied = {**inputs, "flux": flux * masks[0], "error": error * masks[0], "mask": masks[0]}
    if whole:
        varied |= dict(zip((f"{WHOLE}flux", f"{WHOLE}mask"), masks[-2:], strict=True))
    if c.contrastive:
        second = {"flux": flux * masks[1], "error": error * masks[1], "mask": masks[1]}
        varied |= {SECOND + name: values for name, values in second.items()}
        varied["draw"] = draws.pairs("pairs")
    return varied


def _dim(flux: Tensor, error: Tensor, largest: float, draws: Draws) -> Tensor:
    """Multiply by 10^(-0.4 m), 0 < m < `largest`; the noise taken away with the light is put back."""
    magnitudes = largest * draws.uniform("dimming", (1, 1))
    factor = 10 ** (-0.4 * magnitudes)
    return factor * flux + torch.sqrt(1 - factor**2) * error * draws.normal(
        "dimming noise", tuple(flux.shape[1:])
    )


def _hide(mask: Tensor, mean: float, draws: Draws, view: str) -> Tensor:
    """Hide a part of each light curve's points."""
    if mean == 0:
        return mask
    part = draws.uniform(f"{view}, part", (1, 1))
    # Uniform in [0, 2p] has mean p; for p > 1/2 in [2p - 1, 1], so that it stays a probability.
    low = max(0.0, 2 * mean - 1)
    part = low + 2 * (mean - low) * part
    return mask * (draws.uniform(view, tuple(mask.shape[1:])) >= part)


def _truncate(mask: Tensor, part: float, draws: Draws) -> Tensor:
    """Hide what comes after a random column, in a part of the light curves.

    The column is drawn evenly between an object's first observed and its last; the first stays.
    """
    columns = torch.arange(mask.shape[2], device=mask.device)
    seen = mask.amax(1) > 0
    first = torch.where(seen, columns, len(columns)).amin(1)
    last = torch.where(seen, columns, -1).amax(1)
    where, whether = draws.uniform("truncation", (2,)).unbind(1)
    end = first + where * (last - first)
    end = torch.where(whether < part, end, float(len(columns)))
    return mask * (columns <= end[:, None])[:, None]


def _shift(images: tuple[Tensor, ...], largest: int, draws: Draws) -> tuple[Tensor, ...]:
    """Move each object by its own number of columns; what leaves is lost, what enters is empty."""
    columns, device = images[0].shape[2], images[0].device
    by = draws.integers("time_shift", 2 * largest + 1, (1,)) - largest
    source = torch.arange(columns, device=device) - by
    inside = ((source >= 0) & (source < columns)).unsqueeze(1)
    index = source.clamp(0, columns - 1).unsqueeze(1)
    return tuple(image.gather(2, index.expand_as(image)) * inside for image in images)
