"""What a network costs, counted without weights or data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family, Inputs


@dataclass(frozen=True)
class Cost:
    """Cost of one configuration.

    Attributes
    ----------
    parameters
        Trainable numbers.
    forward_flop
        Floating-point operations of convolutions and dense layers for one object, a multiplication with its
        addition counted as two. A training step takes about three times as many.
    """

    parameters: int
    forward_flop: float


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
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counter.get_total_flops() / n_objects)


def count_parameters(
    family: Family[Any], configuration: TrainingConfiguration, n_bands: int, n_outputs: int
) -> int:
    """Count a configuration's trainable numbers; the network is built on torch's `meta` device."""
    with torch.device("meta"):
        network = family.build(configuration, n_bands, n_outputs)
    return sum(parameter.numel() for parameter in network.parameters())
