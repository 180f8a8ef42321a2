"""How `photoz_cnn` varies the images of a training batch. Images are (B, N, H, W) nanomaggies."""

import torch
from torch import Tensor

from rookery.networks.draws import Draws
from rookery.networks.photoz_cnn.configuration import PhotozCnnConfiguration

_DIFFERENCE = 0.6745 * 2**0.5
"""Median of |a - b|, in units of the deviation of Gaussian a and b."""


def vary(images: Tensor, c: PhotozCnnConfiguration, draws: Draws) -> Tensor:
    """Turn, shift and add noise to each image by its own draw; all of its bands alike."""
    if c.flips:
        images = _turn(images, draws, alternated=c.turns == "alternated")
    if c.shift > 0:
        images = _shift(images, c.shift, draws)
    if c.noise > 0:
        draw = draws.normal("noise", tuple(images.shape[1:]))
        noisy = images.float() + c.noise * pixel_noise(images)[:, :, None, None] * draw
        images = noisy.to(images.dtype)
    return images


def _turn(images: Tensor, draws: Draws, *, alternated: bool) -> Tensor:
    """Apply one of the eight flips and quarter turns of a square: a drawn one, or the next of them."""
    if alternated:
        number = draws.turns(8)[:, None, None, None]
        rows, columns, diagonal = (number & 1 > 0, number & 2 > 0, number & 4 > 0)
    else:
        rows, columns, diagonal = draws.mask("turn", (3, 1, 1, 1), 0.5).unbind(1)
    images = torch.where(rows, images.flip(2), images)
    images = torch.where(columns, images.flip(3), images)
    return torch.where(diagonal, images.transpose(2, 3), images)


def _shift(images: Tensor, largest: int, draws: Draws) -> Tensor:
    """Move each image by whole pixels in both directions; what enters at the edge is 0."""
    batch, _, height, width = images.shape
    device = images.device
    down, right = (draws.integers("shift", 2 * largest + 1, (2, 1)) - largest).unbind(1)
    row = torch.arange(height, device=device) - down
    column = torch.arange(width, device=device) - right
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None]
    index = (row.clamp(0, height - 1)[:, :, None], column.clamp(0, width - 1)[:, None])
    moved = images[torch.arange(batch, device=device)[:, None, None], :, *index]  # (B, H, W, N)
    return moved.permute(0, 3, 1, 2) * inside[:, None]


def pixel_noise(images: Tensor) -> Tensor:
    """Estimate the deviation (B, N) of an image's pixels from neighbours along its four edges.

    Differences of neighbours see no sky level, their median no star; noise that neighbours share goes
    unseen too.
    """
    edges = (images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1])
    differences = torch.cat([edge.float().diff(dim=2).abs() for edge in edges], dim=2)
    return differences.median(dim=2).values / _DIFFERENCE
