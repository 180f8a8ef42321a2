"""How many images, and seconds of processor, a recipe of training takes to the published schedule's score.

    python benchmarks/recipes.py SCRATCH [WORD]

The first point of photoz_mlp.yaml learns redshifts from the catalogue of 1,800 simulated galaxies, and the
second of photoz_cnn_small.yaml, on 16 x 16 pixels with an eighth of the published filters, from their images;
450 others validate. The published schedule is the point's own, with all its
epochs; every other recipe is tried with fewer epochs, the fewest first, until its validation_log_loss is
that of the published schedule: the mean of three seeds not above that one's mean by more than its spread over
the seeds (their standard deviation). One thread. SCRATCH keeps the survey and what was measured, so that a
run that was stopped goes on. WORD picks the recipes in whose name it stands.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from rookery import api
from rookery.networks.family import load_family
from rookery.search.space import FixedParameter, find_space, load_space
from rookery.surveys import open_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.training.data import load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery.training.progress import Progress
from rookery.training.resident import RESIDENT

OBJECTIVE = "validation_log_loss"
SEEDS = range(3)
GALAXIES, TRAIN, VALIDATION = 2400, 0.9375, 0.2
BATCH = {"photoz_mlp": 256, "photoz_cnn_small": 64}
POINT = {"photoz_mlp": 0, "photoz_cnn_small": 1}
SMALLER: dict[str, dict[str, Any]] = {"photoz_cnn_small": {"image_size": 16, "width": 0.125}}
PARTS = (0.25, 0.5, 0.75)
"""Of the epochs of the published schedule, that the others are tried with."""


def recipes(space: str) -> dict[str, dict[str, Any]]:
    """Return what each recipe changes of the published point."""
    found: dict[str, dict[str, Any]] = {"published schedule": {}}
    found["fewer epochs"] = {}
    for factor in (2, 4):
        scaled = {"batch_size": factor * BATCH[space], "rate": factor**0.5}
        found[f"batches {factor} times as large, rate {factor**0.5:.1f} times"] = scaled
    found["rate 2 times as high"] = {"rate": 2.0}
    found["weights averaged over an epoch"] = {"average_epochs": 1.0}
    found["weights averaged over an epoch, rate 2 times"] = {"average_epochs": 1.0, "rate": 2.0}
    if space == "photoz_cnn_small":
        found["turns alternated"] = {"turns": "alternated"}
        found["first half of the epochs at half the size"] = {"coarse_part": 0.5}
    return found


def configuration(space_name: str, changes: dict[str, Any], part: float) -> dict[str, Any]:
    """Return a point of a space with a recipe's changes and a part of its epochs."""
    space, changes = load_space(find_space(space_name)), dict(changes)
    fixed = {n: p.value for n, p in space.parameters.items() if isinstance(p, FixedParameter)}
    values: dict[str, Any] = {**fixed, **space.published[POINT[space_name]], **SMALLER.get(space_name, {})}
    epochs = max(2, round(part * values["epochs"]))
    values |= {"epochs": epochs, "patience": epochs}
    values["learning_rate"] *= changes.pop("rate", 1.0)
    return values | changes


def trained(space: str, survey: Path, values: dict[str, Any], seed: int) -> tuple[float, float]:
    """Train a network; return its last epoch's score and its seconds of processor."""
    family = load_family(load_space(find_space(space)).family)
    job = TrainingJob(
        member="0000",
        family=family.name,
        configuration=values,
        survey=str(survey),
        survey_checksum=open_survey(survey, verify=False).checksum,
        split="most",
        class_names=None,
        redshift_bins=EqualBins(low=0, high=0.4, number=180),
        seed=seed,
        keep="last",
    )
    c = family.configure(values)
    data = load_data(job, family, c, torch.device("cpu"), resident=RESIDENT)
    start, scores = time.process_time(), []

    def report(metrics: dict[str, float], progress: Progress) -> None:
        scores.append(metrics[OBJECTIVE])

    train(job, family, c, data, report)
    return scores[-1], time.process_time() - start


def measured(space: str, survey: Path, name: str, part: float) -> dict[str, Any]:
    """Return scores of all seeds, seconds and images of a recipe, measured now or earlier."""
    place = survey.parent / "recipes.json"
    known = json.loads(place.read_text()) if place.exists() else {}
    key = f"{space} | {name} | {part:g}"
    if key not in known:
        values = configuration(space, recipes(space)[name], part)
        runs = [trained(space, survey, values, seed) for seed in SEEDS]
        scores, seconds = zip(*runs, strict=True)
        known[key] = {"scores": scores, "seconds": statistics.mean(seconds), "epochs": values["epochs"]}
        place.write_text(json.dumps(known, indent=1))
    return dict(known[key])


def told(name: str, row: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return a row of the table."""
    spread = statistics.stdev(row["scores"])
    images, seconds = row["epochs"] / wanted["epochs"], row["seconds"] / wanted["seconds"]
    score = f"{statistics.mean(row['scores']):.4f} ({spread:.4f})"
    return f"| {name} | {row['epochs']} | {score} | {images:.2f} | {seconds:.2f} |"


def main(scratch: str, word: str = "") -> None:
    """Print a row for each recipe: the fewest epochs that are enough, or the most that were tried."""
    survey = Path(scratch) / "galaxies"
    if not survey.exists():
        api.simulate_galaxies(survey, n=GALAXIES, seed=1, size=32)
        api.split(survey, "most", train_fraction=TRAIN, validation_fraction=VALIDATION, seed=1)
    torch.set_num_threads(1)
    for space in BATCH:
        wanted = measured(space, survey, "published schedule", 1.0)
        limit = statistics.mean(wanted["scores"]) + statistics.stdev(wanted["scores"])
        print(f"{space}\n{told('published schedule', wanted, wanted)}", flush=True)
        for name in recipes(space):
            if name == "published schedule" or word not in name:
                continue
            for part in PARTS:
                row = measured(space, survey, name, part)
                if statistics.mean(row["scores"]) <= limit:
                    break
            else:
                name = f"{name}: not reached"
            print(told(name, row, wanted), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
