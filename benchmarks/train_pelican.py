"""Training speed of PELICAN on one core, in light curves a second, by image and architecture.

Random light curves of four bands, batches of 64 (128 where it says so); forward, backward and AdamW step,
augmentation included. Times are CPU seconds of this process, the best of three.
"""

import time

import torch
from packs import FAST_PELICAN

from rookery.networks.draws import Draws
from rookery.networks.pelican import FAMILY, PelicanConfiguration

CASES = {
    "4 days a column, 2 merged blocks": {"days_per_column": 4, "merged_blocks": 2},
    "2 days a column, 3 merged blocks": {"days_per_column": 2, "merged_blocks": 3},
    "the published point: 1 day a column, 3 merged blocks, autoencoder": {
        "days_per_column": 1,
        "merged_blocks": 3,
        "feature_activation": "sigmoid",
        "autoencoder": True,
    },
    "the same with the contrastive and the KL term": {
        "days_per_column": 1,
        "merged_blocks": 3,
        "feature_activation": "sigmoid",
        "autoencoder": True,
        "contrastive": True,
        "kl": True,
    },
    "the fast point of the search space, batches of 128": FAST_PELICAN,
}
STEPS = 20


def light_curves_per_second(configuration: PelicanConfiguration) -> float:
    """Return the best of three measurements of `STEPS` steps."""
    network = FAMILY.build(configuration, 4, 2)
    batch = configuration.batch_size
    shape = (batch, 4, configuration.n_columns)
    inputs = {"flux": torch.randn(shape), "error": torch.rand(shape) + 0.1}
    inputs["mask"] = (torch.rand(shape) < 0.25).float()
    target = torch.randint(0, 2, (batch,))
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    draws = Draws.of(0, 0, torch.arange(batch))

    def step() -> None:
        varied = FAMILY.augment(inputs, configuration, draws)
        terms = FAMILY.loss_terms(network, varied, target, configuration, draws)
        optimizer.zero_grad(set_to_none=True)
        torch.stack([term.mean() for term in terms.values()]).sum().backward()
        optimizer.step()

    best = float("inf")
    for _ in range(3):
        step()
        start = time.process_time()
        for _ in range(STEPS):
            step()
        best = min(best, time.process_time() - start)
    return batch * STEPS / best


def main() -> None:
    """Print one row per case."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, values in CASES.items():
        configuration = PelicanConfiguration(**values)
        parameters = sum(p.numel() for p in FAMILY.build(configuration, 4, 2).parameters())
        print(f"{name}: {light_curves_per_second(configuration):.0f} light curves/s, {parameters} parameters")


if __name__ == "__main__":
    main()
