"""Packs of networks against a loop over them, and that against a minimal one, on one core: packs.py [WORD].

Whole epochs of `rookery.training.loop` on random numbers: seconds of processor that an epoch of one network
takes, alone, in a pack, and by a plain loop of PyTorch's parts (see `rookery.training.speed`). The ways by
turns, medians of three. WORD picks the networks in whose name it stands.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from rookery.search.space import FixedParameter, find_space, load_space
from rookery.training.speed import Bench, Case, one_thread, turns


def point(space_name: str, number: int) -> dict[str, Any]:
    """Return a published point of a space that ships."""
    space = load_space(find_space(space_name))
    fixed = {n: p.value for n, p in space.parameters.items() if isinstance(p, FixedParameter)}
    return {**fixed, **space.published[number]}


SMALL_MLP = {"hidden_layers": 2, "width": 64, "batch_size": 64}
FAST_PELICAN = {
    "days_per_column": 4,
    "block": "convolution",
    "kernel": 5,
    "temporal_stride": 2,
    "temporal_filters": 4,
    "merged_filters": 12,
    "batch_size": 128,
}
CASES = [
    (Case("photoz_mlp, 3 x 256 units, batches of 256", "photoz_mlp", {"batch_size": 256}, 2048), (16, 64)),
    (Case("photoz_mlp, 2 x 64 units, batches of 64", "photoz_mlp", SMALL_MLP, 1024), (16, 64)),
    (Case("pelican, the fast point", "pelican", FAST_PELICAN, 512), (4, 16)),
    (Case("photoz_cnn_small, 2nd point", "photoz_cnn", point("photoz_cnn_small", 1), 256, 32), (4, 16)),
]


def main(word: str = "") -> None:
    """Print a row for each network and size of pack."""
    with one_thread(), tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        for case, sizes in CASES:
            if word not in case.name:
                continue
            bench = Bench(case, Path(scratch), torch.device("cpu"))
            packs = {f"{n}": partial(bench.pack, n) for n in sizes}
            found = turns({"plain": bench.plain, "loop": bench.loop, **packs})
            told = [f"{case.objects / found['loop']:.0f} objects/s by the loop"]
            told.append(f"{found['loop'] / found['plain']:.2f} of a plain loop's time")
            told += [f"pack of {n} {found['loop'] / found[n]:.2f} times as fast" for n in packs]
            print(f"{case.name}: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
