"""What a network costs, counted without weights or data."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs
from rookery_ensembles.errors import InputError


@dataclass(frozen=True)
class Cost:
    """Cost of one configuration."""

    parameters: int
    """Trainable numbers."""
    forward_flop: float
    """Floating-point operations of convolutions and dense layers for one object, a multiplication with its
    addition counted as two. A training step takes about three times as many."""


MOST_PARAMETERS = 500_000_000
"""Trainable numbers that a network may have: 2 GB, eighteen times those of Pasquet et al. (2019)."""


def blueprint(
    family: Family[Any], configuration: TrainingConfiguration, n_bands: int, n_outputs: int
) -> nn.Module:
    """Return a configuration's network on torch's `meta` device, where weights have shapes and no memory.

    Raises
    ------
    InputError
        When it has more than `MOST_PARAMETERS`.
    """
    with torch.device("meta"):
        network = family.build(configuration, n_bands, n_outputs)
    parameters = _parameters(network)
    if parameters > MOST_PARAMETERS:
        rule = f"a network of {family.name} must have at most {MOST_PARAMETERS:,} parameters"
        raise InputError(f"{rule}, but this configuration has {parameters:,}")
    return network


def network_cost(
    family: Family[Any], configuration: TrainingConfiguration, inputs: Inputs, n_bands: int, n_outputs: int
) -> Cost:
    """Count what a configuration's network costs on inputs of the shapes of `inputs`.

    The network is built on torch's `meta` device: neither memory nor time is spent on its weights.
    """
    shapes = {name: values.to("meta") for name, values in inputs.items()}
    n_objects = len(next(iter(shapes.values())))
    with torch.device("meta"):
        network = family.build(configuration, n_bands, n_outputs).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            family.predict(network, shapes)
    return Cost(_parameters(network), counter.get_total_flops() / n_objects)


def training_memory(
    family: Family[Any], configuration: TrainingConfiguration, inputs: Inputs, n_bands: int, n_outputs: int
) -> float:
    """Estimate the bytes that a training step of one process takes on its device, in single precision.

    They are those of weights, gradients and AdamW's two moments, and of what the forward pass keeps for the
    backward one, which is measured on the CPU for the objects of `inputs` and half of them, and goes on in
    proportion to the batch. What the survey itself takes, and passing work space of kernels, come on top.

    Parameters
    ----------
    inputs
        Encoded objects, four or more; where the family trains with unlabelled objects, eight or more.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = family.build(configuration, n_bands, n_outputs).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    n_inputs = len(next(iter(inputs.values())))
    whole = n_inputs // 2 if family.uses_unlabelled(configuration) else n_inputs

    def kept(n_labelled: int) -> int:
        """Return the bytes that the forward pass keeps for so many labelled objects."""
        storages: dict[int, tuple[Tensor, int]] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                storages[storage.data_ptr()] = tensor, storage.nbytes()
            return tensor

        batch = {name: values[: n_inputs * n_labelled // whole] for name, values in inputs.items()}
        target = torch.arange(n_labelled) % n_outputs
        with torch.random.fork_rng(devices=[]), saved_tensors_hooks(pack, lambda tensor: tensor):
            draws = Draws.of(0, 0, torch.arange(len(next(iter(batch.values())))))
            varied = family.augment(batch, configuration, draws)
            terms = family.loss_terms(network, varied, target, configuration, draws)
            torch.stack([term.mean() for term in terms.values()]).sum()
        return sum(size for _, size in storages.values())

    half = whole // 2
    small, large = kept(half), kept(whole)
    slope = (large - small) / (whole - half)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    return 4 * weights + small + slope * (configuration.batch_size - half)


def count_parameters(
    family: Family[Any], configuration: TrainingConfiguration, n_bands: int, n_outputs: int
) -> int:
    """Count a configuration's trainable numbers; the network is built on torch's `meta` device."""
    with torch.device("meta"):
        network = family.build(configuration, n_bands, n_outputs)
    return _parameters(network)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
