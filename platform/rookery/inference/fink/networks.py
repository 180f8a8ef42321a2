"""The networks of an ensemble as one program of torch.export."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rookery.inference.fink.module.ensemble import BLOCK
from rookery.networks.pelican.network import Inception, PelicanNetwork

_TOLERANCE = 1e-5


class Networks(nn.Module):
    """M networks that see the same objects, each on an image of its own grid.

    Parameters
    ----------
    networks
        M of them; copies of them are changed.
    inputs
        (M,) which of the images, and scalars, each of them takes: the first tensor's number and how many.
    """

    def __init__(self, networks: Sequence[PelicanNetwork], inputs: Sequence[slice]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(folded(network) for network in networks)
        self.inputs = list(inputs)

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return probabilities (B, M, K)."""
        logits = [network(*tensors[used]) for network, used in zip(self.networks, self.inputs, strict=True)]
        return torch.stack(logits, dim=1).softmax(dim=2)


def folded(network: PelicanNetwork) -> PelicanNetwork:
    """Return a copy for prediction alone: without decoder, normalisations folded into the convolutions."""
    copy = deepcopy(network).eval().requires_grad_(False)
    copy.decoder = None
    for layers in [module for module in copy.modules() if isinstance(module, nn.Sequential)]:
        for i, layer in enumerate(layers):
            if isinstance(layer, Inception):
                layers[i] = nn.Sequential(fuse_conv_bn_eval(layer.as_convolution(), layer.norm), nn.ReLU())
            elif isinstance(layer, nn.BatchNorm2d):
                before = layers[i - 1]
                assert isinstance(before, nn.Conv2d)
                layers[i - 1], layers[i] = fuse_conv_bn_eval(before, layer), nn.Identity()
    return copy


def write_networks(
    path: Path, networks: Sequence[PelicanNetwork], inputs: Sequence[slice], example: Sequence[Tensor]
) -> None:
    """Write a program that takes 1 to `BLOCK` objects, and check that it says what the networks say.

    Parameters
    ----------
    example
        The tensors of some objects, at least two.

    Raises
    ------
    RuntimeError
        When a probability of the example differs by more than 1e-5.
    """
    objects = torch.export.Dim("objects", min=1, max=BLOCK)
    with torch.no_grad():
        program = torch.export.export(
            Networks(networks, inputs),
            tuple(example),
            dynamic_shapes=(tuple({0: objects} for _ in example),),
        )
        torch.export.save(program, path)
        found = torch.export.load(path).module()(*example)
        wanted = [network(*example[used]) for network, used in zip(networks, inputs, strict=True)]
        difference = float((found - torch.stack(wanted, dim=1).softmax(dim=2)).abs().max())
    if not difference <= _TOLERANCE:
        raise RuntimeError(f"the exported networks differ by {difference:.1e} from those of the ensemble")
