"""Weights laid out for a GPU compute what the parameters do as they are."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from rookery.networks.family import Family, Inputs, load_family
from rookery.networks.layout import (
    Blocks,
    Laid,
    LaidOut,
    Layout,
    asking_for,
    channel_multiple,
    channel_places,
    padded,
)
from rookery.networks.photoz_cnn.network import Convolution, PhotozNetwork
from rookery.testing.fake_device import pretended_device
from rookery.training.arithmetic import arithmetic

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = {"image_size": 16, "width": 0.1, "units": 8, "mwebv": False}
PELICAN = {"days_per_column": 8, "temporal_filters": 3, "temporal_blocks": 2, "features": 8}
NETWORKS = {
    "inceptions": ("photoz_cnn", SMALL),
    "one convolution": ("photoz_cnn", {**SMALL, "block": "convolution", "activation": "gelu"}),
    "residuals": ("photoz_cnn", {**SMALL, "block": "residual", "head": "global", "pooling": "max"}),
    "branches": ("photoz_cnn", {**SMALL, "branches": "0,1+2", "joint_blocks": 2, "compression": "arcsinh"}),
    "equal residuals": (
        "photoz_cnn",
        {**SMALL, "block": "residual", "branches": "0+2", "joint_blocks": 1, "blocks": 2, "width": 0.0385},
    ),
    "batch norm": ("photoz_cnn", {**SMALL, "batch_norm": True}),
    "light curves": ("pelican", {**PELICAN, "temporal_stride": 2}),
}


def built(name: str) -> tuple[Family[Any], Any, nn.Module, Inputs]:
    """Return a network in double precision whose slopes and biases all matter, and inputs of 6 objects."""
    family = load_family(NETWORKS[name][0])
    c = family.configure(NETWORKS[name][1])
    torch.manual_seed(0)
    network = family.build(c, 3, 4).double().train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    if isinstance(network, PhotozNetwork):
        network.may_pad = not c.batch_norm  # they are so narrow that it is not worth its bytes
        return family, c, network, {"images": torch.randn(6, 3, 16, 16).double()}
    shape = (6, 3, c.n_columns)
    mask = (torch.rand(shape) > 0.5).double()
    flux = 100 * torch.randn(shape).double() * mask
    return family, c, network, {"flux": flux, "error": 10 + mask, "mask": mask}


def loss(family: Family[Any], c: Any, network: nn.Module, inputs: Inputs) -> Tensor:
    target = torch.tensor([0, 1, 2, 3, 0, 1])
    return torch.stack([term.sum() for term in family.loss_terms(network, inputs, target, c).values()]).sum()


def trained(name: str, multiple: int | None) -> dict[str, Tensor]:
    """Return a step's loss, gradients and what the network's buffers and predictions are after it."""
    family, c, network, inputs = built(name)
    with asking_for(multiple):
        value = loss(family, c, network, inputs)
        value.backward()
        predicted = family.predict(network.eval(), inputs)
    found = {
        name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None
    }
    return {**found, **dict(network.named_buffers()), "loss": value.detach(), "predicted": predicted.detach()}


@pytest.mark.parametrize("multiple", [1, 8])
@pytest.mark.parametrize("name", NETWORKS)
def test_laid_out_weights_give_the_same_values_and_gradients(name: str, multiple: int) -> None:
    wanted, found = trained(name, None), trained(name, multiple)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value, rtol=1e-9, atol=1e-11, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.parametrize("name", ["inceptions", "residuals", "batch norm", "light curves"])
def test_weights_are_rounded_as_autocast_rounds_them(name: str) -> None:
    family, c, network, inputs = built(name)
    network, inputs = network.float(), {key: values.float() for key, values in inputs.items()}
    found = []
    for multiple in (None, 8):
        network.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False), asking_for(multiple):
            value = loss(family, c, network, inputs)
        value.backward()
        found.append([value.detach(), *(v.grad for v in network.parameters() if v.grad is not None)])
    for wanted, laid in zip(*found, strict=True):
        assert laid.dtype == wanted.dtype == torch.float32
        assert (laid - wanted).norm() <= 0.03 * wanted.norm() + 1e-3


@pytest.mark.parametrize("name", ["inceptions", "residuals", "branches", "equal residuals"])
def test_padded_channels_are_multiples_in_every_convolution(name: str) -> None:
    family, c, network, inputs = built(name)
    seen: list[tuple[int, int]] = []
    for module in network.modules():
        if isinstance(module, Convolution):
            module.register_forward_hook(
                lambda _, given, made: seen.append((given[0].shape[1], made.shape[1]))
            )
    with asking_for(8):
        loss(family, c, network, inputs)
    assert len(seen) > 2
    assert all(into % 8 == out % 8 == 0 for into, out in seen)


def test_parameters_stay_as_they_are_for_whoever_writes_them() -> None:
    family, c, network, inputs = built("inceptions")
    before = {name: (value.shape, value.stride()) for name, value in network.state_dict().items()}
    with asking_for(8):
        loss(family, c, network, inputs).backward()
    assert {name: (value.shape, value.stride()) for name, value in network.state_dict().items()} == before
    assert list(dict(network.named_buffers())) == [
        f"scaling.{name}"
        for name in ("band_mean", "band_deviation", "scalar_fill", "scalar_mean", "scalar_deviation")
    ]


def test_the_device_and_the_precision_say_whether_channels_are_padded() -> None:
    assert channel_multiple(torch.zeros(1)) is None
    assert channel_multiple(torch.zeros(1, device="meta")) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert channel_multiple(torch.zeros(1)) is None
    with pretended_device() as device:
        x = torch.zeros(1, device=device)
        assert channel_multiple(x) == 1
        with arithmetic("tf32", device):
            assert channel_multiple(x) == 1
        with arithmetic("bf16", device):
            assert channel_multiple(x) == 8
        with asking_for(None):
            assert channel_multiple(x) is None


@pytest.mark.parametrize(
    ("values", "wanted"),
    [({}, True), ({"width": 0.5}, True), ({"width": 0.1}, False), ({"batch_norm": True}, False)],
)
def test_channels_are_added_where_they_are_few_and_no_batch_norm_counts_them(
    values: dict[str, Any], wanted: bool
) -> None:
    family = load_family("photoz_cnn")
    with torch.device("meta"):
        network = family.build(family.configure(values), 5, 180)
    assert isinstance(network, PhotozNetwork)
    assert network.may_pad is wanted


@pytest.mark.parametrize("name", ["inceptions", "light curves"])
@pytest.mark.parametrize("multiple", [1, 8])
def test_a_pack_of_laid_out_networks_is_its_members(name: str, multiple: int) -> None:
    family, c, network, inputs = built(name)
    weights = {n: torch.stack([v, 0.9 * v, 1.1 * v]).detach() for n, v in network.named_parameters()}
    buffers = {n: torch.stack([v] * 3) for n, v in network.named_buffers()}

    class Terms(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, inputs: Inputs) -> Tensor:
            return loss(family, c, self.network, inputs)

    def one(values: dict[str, Tensor], inputs: Inputs) -> Tensor:
        found: Tensor = functional_call(Terms(), {f"network.{n}": v for n, v in values.items()}, (inputs,))
        return found

    for values in weights.values():
        values.requires_grad_()
    learnt = list(weights.values())
    with asking_for(multiple):
        together = vmap(one, in_dims=(0, None))({**weights, **buffers}, inputs)
        each = [one({n: v[k].clone() for n, v in {**weights, **buffers}.items()}, inputs) for k in range(3)]
    alone = torch.stack(each)
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=0)
    found, wanted = (torch.autograd.grad(v.sum(), learnt, materialize_grads=True) for v in (together, alone))
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inceptions", "residuals", "light curves"])
def test_laying_out_is_a_part_of_the_one_graph(name: str) -> None:
    family, c, network, inputs = built(name)
    with asking_for(8):
        found = torch._dynamo.explain(lambda inputs: loss(family, c, network, inputs))(inputs)
    assert found.graph_count == 1
    assert found.break_reasons == []


def test_predictions_do_not_spoil_the_training_that_follows() -> None:
    family, c, network, inputs = built("inceptions")
    with asking_for(8):
        with torch.inference_mode():
            family.predict(network.eval(), inputs)
        loss(family, c, network.train(), inputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_frozen_layers_are_given_no_gradient_and_cost_none() -> None:
    layers = Blocks(*(Convolution(load_family("photoz_cnn").configure({}), [2], [2], 3) for _ in range(2)))
    layers[0].requires_grad_(False)
    laid = Layout(layers.modules())(torch.float32)
    assert isinstance(laid, Laid)
    assert [weight.requires_grad for layer in layers for weight in laid.of(layer)] == [False] * 3 + [True] * 3


def test_odd_sizes_lie_behind_the_others_which_begin_at_multiples() -> None:
    c = load_family("photoz_cnn").configure({})
    layers = nn.ModuleList(Convolution(c, [3], [out], 1) for out in (5, 8, 16))
    laid = Layout(layers.modules())(torch.float32)
    assert laid is not None
    begins = [[weight.storage_offset() for weight in laid.of(layer)] for layer in layers]
    assert all(begin % 8 == 0 for layer in begins[1:] for begin in layer)
    assert min(begins[0]) > max(begins[1] + begins[2])
    for layer in layers:
        weight, bias, slopes = laid.of(layer)
        assert torch.equal(weight, layer.convolution.weight)
        assert torch.equal(bias, layer.convolution.bias)
        assert torch.equal(slopes, layer.activation.weight)
        assert weight.is_contiguous(memory_format=torch.channels_last)


def test_parts_are_padded_one_by_one() -> None:
    assert padded([5, 8, 9], 8) == [8, 8, 16]
    assert padded([5, 8, 9], 1) == [5, 8, 9]
    assert channel_places([2, 3], 4, torch.device("cpu")).tolist() == [0, 1, 4, 5, 6]


def test_layers_without_weights_to_lay_out_have_none() -> None:
    assert Layout([nn.Conv2d(2, 2, 3)])(torch.float32) is None
    assert LaidOut().weights() == []
