"""What weights laid out once a step save (`rookery.networks.layout`): laid_out_weights.py [WORD].

Of each network a row by the fake device (`rookery.testing.fake_device`): kernels and bytes of a training step
with its weights laid out, and as they are, in single precision and in bfloat16. Then a step on one core both
ways: the ratio of epochs of processor time, turn about. WORD picks the networks in whose name it stands.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from rookery.networks.layout import asking_for
from rookery.testing.fake_device import Spy, pretended_device
from rookery.training.alone import AloneNetwork
from rookery.training.arithmetic import arithmetic
from rookery.training.speed import Bench, Case, one_thread, turns
from rookery.training.team import ALONE
from rookery.training.trainee import Trainee

PELICAN = {"autoencoder": True, "contrastive": True, "kl": True, "feature_activation": "sigmoid"}
CASES = [
    Case("photoz_cnn as published", "photoz_cnn", {"batch_size": 16}, 32),
    Case("photoz_cnn, a tenth as wide", "photoz_cnn", {"width": 0.1, "image_size": 32, "units": 64}, 256, 32),
    Case("pelican with all its losses", "pelican", {**PELICAN, "batch_size": 64}, 512),
]


def counted(case: Case, folder: Path, precision: str, multiple: int | None) -> str:
    """Return the kernels and bytes of a step, the second, on the fake device."""
    case = Case(case.name, case.family, {**case.values, "precision": precision}, case.objects, case.size)
    with pretended_device() as device, arithmetic(precision, device), asking_for(multiple):
        bench = Bench(case, folder, device)
        trainee = Trainee.begin(bench.job, bench.family, bench.configuration, bench.data, lambda *_: None)
        alone = AloneNetwork(bench.family, trainee, ALONE)
        epoch = trainee.next_epoch(2)
        for step in range(2):
            rows, key = epoch.batch(step)
            with Spy() as spy:
                alone.step([0], rows[None], key[None], [1e-3], [0.0])
    return f"{spy.kernels} kernels, {spy.traffic / 1e6:.1f} MB"


def seconds(bench: Bench, multiple: int | None) -> Callable[[], float]:
    """Return a way to train with weights laid out or, with None, as they are."""

    def way() -> float:
        with asking_for(multiple):
            return bench.loop()

    return way


def joined(parts: list[Tensor], biases: list[Tensor], slopes: list[Tensor]) -> Tensor:
    return torch.cat([functional.prelu(x, slope) for x, slope in zip(parts, slopes, strict=True)], dim=1)


def in_slices(parts: list[Tensor], biases: list[Tensor], slopes: list[Tensor]) -> Tensor:
    batch, _, height, width = parts[0].shape
    made = parts[0].new_empty(batch, height, width, sum(x.shape[1] for x in parts)).permute(0, 3, 1, 2)
    start = 0
    for x, slope in zip(parts, slopes, strict=True):
        made.narrow(1, start, x.shape[1]).copy_(functional.prelu(x, slope))
        start += x.shape[1]
    return made


def biased(parts: list[Tensor], biases: list[Tensor], slopes: list[Tensor]) -> Tensor:
    own = [x + bias[:, None, None] for x, bias in zip(parts, biases, strict=True)]
    return joined(own, biases, slopes)


def biased_convolutions(parts: list[Tensor], biases: list[Tensor], slopes: list[Tensor]) -> Tensor:
    one = [torch.eye(x.shape[1]).to(x.device)[:, :, None, None] for x in parts]
    own = [functional.conv2d(*given) for given in zip(parts, one, biases, strict=True)]
    return joined(own, biases, slopes)


def unbiased_convolutions(parts: list[Tensor], biases: list[Tensor], slopes: list[Tensor]) -> Tensor:
    one = [torch.eye(x.shape[1]).to(x.device)[:, :, None, None] for x in parts]
    return biased([functional.conv2d(*given) for given in zip(parts, one, strict=True)], biases, slopes)


WAYS = {
    "activations, then torch.cat": joined,
    "activations, each copied into its slice": in_slices,
    "convolutions with a bias, activations, torch.cat": biased_convolutions,
    "convolutions without, bias beside the activation, torch.cat": unbiased_convolutions,
}


def other_ways() -> None:
    """Print a line for each way to end an inception."""
    for name, way in WAYS.items():
        with pretended_device() as device:
            parts = [torch.randn(16, 32, 32, 92).permute(0, 3, 1, 2).to(device) for _ in range(3)]
            numbers = [torch.randn(92).to(device).requires_grad_() for _ in range(6)]
            parts = [x.requires_grad_() for x in parts]
            with Spy() as spy:
                made = way(parts, numbers[:3], numbers[3:])
                made.backward(torch.ones_like(made))
        print(f"{name}: {spy.kernels} kernels, {spy.traffic / 1e6:.1f} MB", flush=True)


def main(word: str = "") -> None:
    """Print three lines for each network, and one for each other way."""
    with one_thread(), tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        for case in CASES:
            if word not in case.name:
                continue
            for precision, multiple in (("float32", 1), ("bf16", 8)):
                laid, plain = (counted(case, Path(scratch), precision, m) for m in (multiple, None))
                print(f"{case.name}, {precision}: {laid}; as they are {plain}", flush=True)
            bench = Bench(case, Path(scratch), torch.device("cpu"))
            found = turns({str(m): seconds(bench, m) for m in (None, 1, 8)})
            ratios = [f"{found[way] / found['None']:.2f}" for way in ("1", "8")]
            print(f"{case.name}, one core: {ratios[0]} of the time, {ratios[1]} with channels padded to 8")
    other_ways()


if __name__ == "__main__":
    main(*sys.argv[1:])
