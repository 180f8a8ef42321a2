"""Compiled steps against plain ones on one core, for the networks of packs.py: compiled_steps.py [WORD].

On a CPU what torch compiles has no vector instructions (see `rookery.training.compiled`). Seconds of
processor of whole epochs by turns, medians of three; and what the first run took by the clock.
"""

import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from packs import CASES

from rookery.training.speed import Bench, one_thread, turns


def main(word: str = "") -> None:
    """Print a row for each network."""
    with one_thread(), tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        for case, _ in CASES:
            if word not in case.name:
                continue
            bench = Bench(case, Path(scratch), torch.device("cpu"))
            start = time.perf_counter()
            bench.loop("always")
            took = time.perf_counter() - start
            found = turns({"plain": bench.loop, "compiled": partial(bench.loop, "always")})
            ratio = found["plain"] / found["compiled"]
            first = f"{took:.0f} s for the first run, compilation included"
            print(f"{case.name}: {ratio:.2f} times as fast; {first}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
