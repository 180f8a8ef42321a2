import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.cost import training_memory
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs, load_family

BANDS, OUTPUTS = 5, 20


def light_curves(n: int) -> Inputs:
    shape = (n, BANDS, load_family("pelican").configuration().n_columns)
    mask = (torch.rand(shape) < 0.3).float()
    return {"flux": torch.randn(shape) * mask, "error": torch.ones(shape), "mask": mask}


def photometry(n: int) -> Inputs:
    ones = torch.ones(n, BANDS)
    return {
        "magnitude": 17 + torch.randn(n, BANDS),
        "error": 0.1 * ones,
        "mask": ones,
        "error_mask": ones,
    } | {"scalars": torch.zeros(n, 0)}


def step(family: Family[Any], c: TrainingConfiguration, network: torch.nn.Module, inputs: Inputs) -> None:
    """Training as the loop does it, but for the optimizer."""
    n = len(next(iter(inputs.values())))
    labelled = n // 2 if family.uses_unlabelled(c) else n
    draws = Draws.of(0, 0, torch.arange(n))
    varied = family.augment(inputs, c, draws)
    terms = family.loss_terms(network, varied, torch.arange(labelled) % OUTPUTS, c, draws)
    torch.stack([term.mean() for term in terms.values()]).sum().backward()


def measured(family: Family[Any], c: TrainingConfiguration, inputs: Inputs, scratch: Path) -> float:
    """Bytes at the peak of a step, counted by torch's profiler, and those that stay."""
    network = family.build(c, BANDS, OUTPUTS).train()
    rows = torch.arange(c.batch_size * (2 if family.uses_unlabelled(c) else 1))
    batch = {name: values[rows % len(values)] for name, values in inputs.items()}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step(family, c, network, batch)
    found.export_chrome_trace(str(scratch / "trace.json"))
    events = json.loads((scratch / "trace.json").read_text())["traceEvents"]
    changes = [event["args"]["Bytes"] for event in events if event.get("name") == "[memory]"]
    weights = sum(parameter.nbytes for parameter in network.parameters())
    return 3 * weights + float(np.cumsum(changes).max())  # gradients are among the changes


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("pelican", {"batch_size": 96}),
    ("pelican", {"batch_size": 64, "autoencoder": True, "contrastive": True}),
    ("pelican", {"batch_size": 48, "autoencoder": True, "unlabelled": True}),
    ("photoz_mlp", {"batch_size": 512}),
    ("photoz_cnn", {"batch_size": 24, "image_size": 32}),
]


@pytest.mark.parametrize(("name", "values"), SETTINGS)
def test_memory_is_what_a_step_takes(name: str, values: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    family = load_family(name)
    c = family.configure(values)
    images = {
        "images": torch.randn(8, BANDS, 32, 32),
        "scalars": torch.zeros(8, 1),
        "known": torch.ones(8, 1),
    }
    inputs = {"pelican": light_curves, "photoz_mlp": photometry}.get(name, lambda n: images)(8)
    estimate = training_memory(family, c, inputs, BANDS, OUTPUTS)
    assert estimate == pytest.approx(measured(family, c, inputs, tmp_path), rel=0.2)


def test_estimate_leaves_the_random_numbers_of_others_alone() -> None:
    family = load_family("photoz_mlp")
    torch.manual_seed(3)
    inputs = photometry(8)
    expected = torch.get_rng_state()
    training_memory(family, family.configure({"dropout": 0.5}), inputs, BANDS, OUTPUTS)
    assert torch.equal(torch.get_rng_state(), expected)
