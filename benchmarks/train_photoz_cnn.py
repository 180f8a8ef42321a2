"""Training speed of `photoz_cnn` on one core, in images a second, by network.

Random 64 x 64 images of five bands in float16, 180 bins; augmentation, forward, backward, optimiser step.
Times are CPU seconds of this process, the best of three. `train_photoz_cnn.py small` leaves out
the published network and those of its size; `train_photoz_cnn.py arcsinh` trains the second point of
photoz_cnn_small.yaml with our vectorised arcsinh of the pixels and with torch's own, by turns.
"""

import sys
import time

import torch

from rookery.networks.cost import network_cost
from rookery.networks.draws import Draws
from rookery.networks.family import Inputs
from rookery.networks.photoz_cnn import FAMILY, PhotozCnnConfiguration
from rookery.networks.photoz_cnn import network as architecture
from rookery.search.space import FixedParameter, find_space, load_space

LARGE = {
    "the published point of photoz_cnn.yaml": ("photoz_cnn", 0, {}),
    "the published point, branches ugri+griz": ("photoz_cnn", 0, {"branches": "runs-4"}),
    "the published point with half the filters": ("photoz_cnn", 0, {"width": 0.5}),
    "the published point with a quarter of the filters": ("photoz_cnn", 0, {"width": 0.25}),
}
SMALL = {
    "first point of photoz_cnn_small.yaml": ("photoz_cnn_small", 0, {}),
    "the same on 48 x 48 pixels": ("photoz_cnn_small", 0, {"image_size": 48}),
    "the same on 64 x 64 pixels": ("photoz_cnn_small", 0, {"image_size": 64}),
    "the same on 32 x 32, branches ugri+griz": ("photoz_cnn_small", 0, {"branches": "runs-4"}),
    "second point of photoz_cnn_small.yaml": ("photoz_cnn_small", 1, {}),
}
IMAGES = 128


def configured(space_name: str, point: int, changes: dict[str, object]) -> PhotozCnnConfiguration:
    """Return a point of a space that ships, with changes, in batches of at most 64 images."""
    space = load_space(find_space(space_name))
    fixed = {n: p.value for n, p in space.parameters.items() if isinstance(p, FixedParameter)}
    return PhotozCnnConfiguration(**{**fixed, **space.published[point], **changes, "batch_size": 64})


def images_per_second(c: PhotozCnnConfiguration, inputs: Inputs, images: int) -> float:
    """Return the best of three measurements of training on so many images."""
    network = FAMILY.build(c, 5, 180).train()
    target = torch.randint(0, 180, (c.batch_size,))
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    draws = Draws.of(0, 0, torch.arange(c.batch_size))

    def step() -> None:
        varied = FAMILY.augment(inputs, c, draws)
        terms = FAMILY.loss_terms(network, varied, target, c, draws)
        optimizer.zero_grad(set_to_none=True)
        torch.stack([term.mean() for term in terms.values()]).sum().backward()
        optimizer.step()

    best = float("inf")
    step()
    for _ in range(3):
        start = time.process_time()
        for _ in range(max(1, images // c.batch_size)):
            step()
        best = min(best, time.process_time() - start)
    return max(1, images // c.batch_size) * c.batch_size / best


def random_inputs(c: PhotozCnnConfiguration) -> Inputs:
    """Return a batch of made-up images and reddenings."""
    side = min(64, c.image_size + 2 * c.shift)
    images = (0.1 * torch.randn(c.batch_size, 5, side, side)).half()
    return {
        "images": images, "scalars": torch.rand(c.batch_size, 1), "known": torch.ones(c.batch_size, 1),
    }  # fmt: skip


def compare_arcsinh(turns: int = 4) -> None:
    """Print how much longer a step takes with torch's own arcsinh, in each of some turns."""
    c = configured(*SMALL["second point of photoz_cnn_small.yaml"])
    inputs, ours = random_inputs(c), architecture.arcsinh
    for _ in range(turns):
        speed = {}
        for name, function in (("ours", ours), ("torch", torch.asinh)):
            architecture.arcsinh = function
            speed[name] = images_per_second(c, inputs, 512)
        ratio = speed["ours"] / speed["torch"]
        print(f"ours {speed['ours']:.0f}, torch.asinh {speed['torch']:.0f} images/s: {ratio:.2f}", flush=True)


def main() -> None:
    """Print one row per network."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if sys.argv[1:] == ["arcsinh"]:
        compare_arcsinh()
        return
    small = sys.argv[1:] == ["small"]
    for name, (space, point, changes) in (SMALL if small else {**LARGE, **SMALL}).items():
        c = configured(space, point, changes)
        inputs = random_inputs(c)
        cost = network_cost(FAMILY, c, inputs, 5, 180)
        speed = images_per_second(c, inputs, 64 if space == "photoz_cnn" else 512)
        print(
            f"{name}: {speed:.0f} images/s, {cost.parameters} parameters, "
            f"{cost.forward_flop / 1e9:.4f} GFLOP an image forward",
            flush=True,
        )


if __name__ == "__main__":
    main()
