"""A search of small MLPs whose trials train as packs, by order and by `auto`, against one trial at a time.

    python benchmarks/pack_search.py [TRIALS] [EPOCHS]

64 trials of 8 epochs on 1,024 objects of random numbers, 2 x 64 units, batches of 64; learning rate and
weight decay are searched at random, one worker; all three searches in one run. Seconds are from the first
trial's start to the last one's end, so that Ray's start does not count.
"""

import sys
import tempfile
from pathlib import Path

from rookery import api
from rookery.search.study import open_study
from rookery.surveys import split_survey
from rookery.surveys.simulators.random_numbers import random_survey

SPACE = """
family: photoz_mlp
objective: {{metric: validation_log_loss, direction: minimize}}
parameters:
  hidden_layers: 2
  width: 64
  batch_size: 64
  epochs: {epochs}
  patience: {epochs}
  learning_rate: {{type: float, low: 0.001, high: 0.01, log: true}}
  weight_decay: {{type: float, low: 0.001, high: 0.1, log: true}}
"""


def seconds(folder: Path, execution: str, trials: int) -> float:
    """Run a search and return what its trials took together."""
    api.search(
        folder / "space.yaml",
        survey=folder / "survey",
        split="most",
        study=folder / execution,
        trials=trials,
        concurrent=1,
        execution=execution,  # type: ignore[arg-type]
        sampler="random",
        pruner="none",
    )
    found = open_study(folder / execution).optuna_study().get_trials(deepcopy=False)
    spans = [
        (t.datetime_start, t.datetime_complete) for t in found if t.datetime_start and t.datetime_complete
    ]
    return (max(end for _, end in spans) - min(start for start, _ in spans)).total_seconds()


def main(trials: int = 64, epochs: int = 8) -> None:
    """Print the times, and their ratios to one by one."""
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        folder = Path(scratch)
        split_survey(
            random_survey(folder / "survey", "catalogue", 1152),
            "most",
            train_fraction=1,
            validation_fraction=1 / 9,
        )
        (folder / "space.yaml").write_text(SPACE.format(epochs=epochs))
        found = {way: seconds(folder, way, trials) for way in ("pack", "actor", "auto")}
        print(f"{trials} trials: {found['actor']:.1f} s one by one")
        for way in ("pack", "auto"):
            print(f"{way}: {found[way]:.1f} s, {found['actor'] / found[way]:.2f} times as fast")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
