"""The fake device computes what the CPU computes, and its spy is not blind."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rookery.networks.family import Family, Inputs, load_family
from rookery.testing.fake_device import NAME, FakeTensor, Spy, pretended_device
from rookery.training.data import load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train

MakeJob = Callable[..., TrainingJob]
ALL_MODULES = {
    "autoencoder": True,
    "contrastive": True,
    "kl": True,
    "feature_activation": "sigmoid",
    "unlabelled": True,
    "truncation": 0.3,
    "dimming": 0.3,
    "dropout": 0.3,
}


@pytest.fixture
def device() -> Iterator[torch.device]:
    with pretended_device() as found:
        yield found


class Faulty:
    """A family with a fault planted into its augmentation, which runs at every step."""

    def __init__(self, family: Family[Any], fault: Callable[[Tensor], Any]) -> None:
        self._family, self._fault = family, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def augment(self, inputs: Inputs, *others: Any) -> Inputs:
        self._fault(inputs["flux"])
        varied: Inputs = self._family.augment(inputs, *others)
        return varied


def trained(job: TrainingJob, device: torch.device, fault: Any = None) -> tuple[nn.Module, Spy]:
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    data = load_data(job, family, configuration, device)
    with Spy() as spy:
        network, _ = train(
            job, Faulty(family, fault) if fault else family, configuration, data, lambda *_: None
        )
    return network, spy


@pytest.mark.slow
def test_the_fake_device_trains_the_weights_that_the_cpu_does(
    make_job: MakeJob, device: torch.device
) -> None:
    job = make_job(configuration={"epochs": 2, "batch_size": 24, **ALL_MODULES})
    found, _ = trained(job, device)
    wanted, _ = trained(job, torch.device("cpu"))
    assert {value.device.type for value in found.state_dict().values()} == {NAME}
    for name, value in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[name].cpu(), value), name


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("sync", lambda x: x.sum().item()),
        ("sync", lambda x: bool(x.isfinite().all())),
        ("sync", lambda x: x.cpu()),
        ("sync", lambda x: x[x > 0]),
        ("sync", lambda x: x.nonzero()),
        ("copy", lambda x: x[torch.arange(2)]),
        ("copy", lambda x: x[:, [0, 1]]),
        ("copy", lambda x: torch.zeros(3).to(x.device)),
        ("copy", lambda x: torch.tensor([1.0], device=x.device)),
        ("host", lambda x: torch.randn(3)),
    ],
)
def test_a_planted_fault_is_seen_at_every_step(
    make_job: MakeJob, device: torch.device, kind: str, fault: Callable[[Tensor], Any]
) -> None:
    job = make_job(configuration={"epochs": 1, "batch_size": 24})
    _, spy = trained(job, device, fault)
    found = [times for place, times in spy.of(kind).items() if "test_fake_device.py" in place]
    assert spy.steps > 1
    assert found
    assert all(times == spy.steps for times in found)


def test_a_tensor_of_another_device_is_refused_as_a_gpu_does(make_job: MakeJob, device: torch.device) -> None:
    job = make_job(configuration={"epochs": 1, "batch_size": 24})
    with pytest.raises(RuntimeError, match="expected all tensors on fakegpu, but one is on the CPU"):
        trained(job, device, lambda x: x + torch.ones(x.shape[-1]))


def test_what_stays_on_the_device_is_not_listed(device: torch.device) -> None:
    with Spy() as spy:
        x = torch.arange(4.0, device=device).requires_grad_()
        torch.where(x > 1, x * 2 + 1, 0.0)[1:3].sum().backward()
        x.detach().add_(1)[1:].copy_(torch.full((3,), 2.0, device=device))
    assert isinstance(x.grad, FakeTensor)
    assert not spy.seen
    assert x.grad.cpu().tolist() == [0, 0, 2, 0]


@pytest.mark.parametrize(
    ("order", "weight_order", "biased", "forward", "backward"),
    [
        (torch.contiguous_format, torch.contiguous_format, False, [], []),
        (torch.channels_last, torch.channels_last, False, [], []),
        (torch.channels_last, torch.channels_last, True, ["y+y"], ["y"]),
        (torch.channels_last, torch.contiguous_format, False, ["w+w"], ["w+w"]),
        (torch.contiguous_format, torch.channels_last, True, ["x+x", "y+y"], ["x+x", "y"]),
    ],
)
def test_a_convolution_counts_with_the_copies_that_cudnn_asks_for(
    device: torch.device,
    order: torch.memory_format,
    weight_order: torch.memory_format,
    biased: bool,
    forward: list[str],
    backward: list[str],
) -> None:
    x = torch.randn(2, 3, 8, 8).contiguous(memory_format=order).to(device).requires_grad_()
    weight = torch.randn(5, 3, 3, 3).contiguous(memory_format=weight_order).to(device).requires_grad_()
    bias = torch.randn(5).to(device).requires_grad_() if biased else None
    with Spy() as there:
        y = torch.nn.functional.conv2d(x, weight, bias, padding=1)
    gradient = torch.ones_like(y)
    with Spy() as back:
        torch.autograd.grad(y, [x, weight] if bias is None else [x, weight, bias], gradient)
    size = {"x": x.numel() * 4, "y": y.numel() * 4, "w": weight.numel() * 4}
    extra = bias.numel() * 4 if bias is not None else 0
    assert there.kernels == 1 + len(forward)
    assert there.traffic == sum(size.values()) + extra + sum(size[n] for k in forward for n in k.split("+"))
    assert back.kernels == 1 + len(backward)
    moved = 2 * size["x"] + size["y"] + 2 * size["w"] + extra
    assert back.traffic == moved + sum(size[n] for k in backward for n in k.split("+"))
