"""What telling of every epoch takes of a training, beside its checkpoints: ratios within one run.

    python benchmarks/epochs_file.py

Trains a tiny network (200 simulated supernovae) and adds up what is spent in writing the lines and in saving
the checkpoints that every epoch of a network outside a pack has; then the same for a pack of 8, which saves
none in so short a time.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rookery.surveys import simulate_supernovae, split_survey
from rookery.training import keeper, member, members
from rookery.training.epochs_writer import EpochsWriter
from rookery.training.job import TrainingJob

CONFIGURATION = {
    "window_days": 128, "days_per_column": 8, "temporal_filters": 2, "band_filters": 8, "merged_blocks": 1,
    "merged_filters": 2, "features": 8, "batch_size": 32, "learning_rate": 0.01,
}  # fmt: skip
SPENT: Counter[str] = Counter()


def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that adds up its time."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            SPENT[name] += time.perf_counter() - start

    return wrapped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    EpochsWriter.add = timed("lines", EpochsWriter.add)  # type: ignore[method-assign]
    EpochsWriter.__init__ = timed("first", EpochsWriter.__init__)  # type: ignore[method-assign]
    keeper.save_checkpoint = timed("checkpoints", keeper.save_checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        survey = simulate_supernovae(Path(scratch) / "survey", n=200, seed=1)
        split_survey(survey, "half", train_fraction=0.5, seed=1)

        def job(number: int) -> TrainingJob:
            return TrainingJob(
                member=f"{number:04d}",
                family="pelican",
                survey=str(survey.path),
                survey_checksum=survey.checksum,
                split="half",
                class_names=("Ia", "non-Ia"),
                seed=number,
                keep="last",
                configuration={**CONFIGURATION, "epochs": arguments.epochs},
            )

        def place(number: int, kind: str) -> tuple[Path, Path]:
            name = f"{number:04d}"
            return Path(scratch) / kind / "members" / name, Path(scratch) / kind / "running" / name

        def alone() -> None:
            member.train_member(job(0), *place(0, "alone"), lambda *_: None, device="cpu")

        def pack() -> None:
            report = (lambda *_: None), (lambda _: None)
            tasks = [members.MemberTask(job(n), *place(n, "pack"), *report) for n in range(8)]
            members.train_members(tasks, device="cpu")

        member.train_member(job(0), *place(0, "first"), lambda *_: None, device="cpu")  # torch warms up
        for name, train in (("one network", alone), ("pack of 8", pack)):
            SPENT.clear()
            start = time.perf_counter()
            train()
            all_of_it = time.perf_counter() - start
            n = arguments.epochs * (8 if train is pack else 1)
            each = " ".join(f"{part} {SPENT[part] / all_of_it:.2%}" for part in SPENT)
            print(f"{name}: {n} epochs, of the time: {each}; a line {1e6 * SPENT['lines'] / n:.0f} us")


if __name__ == "__main__":
    main()
