"""How many images, and seconds of processor, a recipe of training takes to the published schedule's score.

    python benchmarks/recipes.py SCRATCH [SPACE [WORD]]

The first point of photoz_mlp.yaml learns redshifts from the catalogue of 1,800 simulated galaxies, and the
second of photoz_cnn_small.yaml, on 16 x 16 pixels with an eighth of the published filters, from the images
of as many; 450 others validate. Nothing is published for the MLP: its schedule is the point's own, one cycle.
That of the CNN is the one of Pasquet et al. 2019: the rate falls once, to a fifth, after half of the steps;
one cycle is a recipe. The published schedule has all its epochs; every other recipe is tried with half of
them, then with a quarter or three quarters: the fewest after which its validation_log_loss is that of the
published schedule, the mean of three seeds not above that one's mean by more than its spread over the seeds
(their standard deviation). One thread. SCRATCH keeps the survey and what was measured, so that a run that was
stopped goes on. SPACE is photoz_mlp or photoz_cnn_small; WORD picks the recipes in whose name it stands.
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
POINT = {"photoz_mlp": 0, "photoz_cnn_small": 1}
LARGER = {"photoz_mlp": (2, 4), "photoz_cnn_small": (2, 8, 16)}
"""Times the point's own batches, of 256 and of 64 objects."""
OWN: dict[str, dict[str, Any]] = {
    "photoz_mlp": {},
    "photoz_cnn_small": {
        **{"image_size": 16, "width": 0.125},
        **{"schedule": "step", "step_at": 0.5, "step_factor": 0.2, "warmup_fraction": 0.0},
    },
}
"""What the published schedule changes of a space's point."""
CYCLE = {"schedule": "cosine", "warmup_fraction": 0.1}
PARTS = (0.25, 0.5, 0.75)
"""Of the epochs of the published schedule, that the others are tried with."""


def recipes(space: str) -> dict[str, dict[str, Any]]:
    """Return what each recipe changes of the published schedule."""
    found: dict[str, dict[str, Any]] = {"published schedule": {}, "fewer epochs": {}}
    averaged, faster = {"average_epochs": 1.0}, {"rate": 2.0}
    found["weights averaged over an epoch"] = averaged
    if space == "photoz_mlp":
        found["rate 2 times as high"] = faster
        found["weights averaged, rate 2 times"] = averaged | faster
        return found | _larger(space, "", {}) | _muon("", {})
    found["one cycle"] = CYCLE
    found["one cycle, rate 2 times as high"] = CYCLE | faster
    found["one cycle, weights averaged"] = CYCLE | averaged
    found["one cycle, turns alternated"] = CYCLE | {"turns": "alternated"}
    found["one cycle, first half of the epochs at half the size"] = CYCLE | {"coarse_part": 0.5}
    return found | _larger(space, "one cycle, ", CYCLE) | _muon("one cycle, ", CYCLE)


def _larger(space: str, name: str, changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{name}batches {factor} times as large, rate {factor**0.5:.1f} times": {
            **changes,
            **{"batches": factor, "rate": factor**0.5},
        }
        for factor in LARGER[space]
    }


def _muon(name: str, changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{name}Muon, rate {rate:g} times": {**changes, "optimizer": "muon", "rate": rate} for rate in (1, 2)
    }


def configuration(space_name: str, changes: dict[str, Any], part: float) -> dict[str, Any]:
    """Return a point of a space with a recipe's changes and a part of its epochs."""
    space, changes = load_space(find_space(space_name)), dict(changes)
    fixed = {n: p.value for n, p in space.parameters.items() if isinstance(p, FixedParameter)}
    values: dict[str, Any] = {**fixed, **space.published[POINT[space_name]], **OWN[space_name]}
    epochs = max(2, round(part * values["epochs"]))
    values |= {"epochs": epochs, "patience": epochs}
    values["learning_rate"] *= changes.pop("rate", 1.0)
    values["batch_size"] *= changes.pop("batches", 1)
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


def enough(space: str, survey: Path, name: str, limit: float) -> tuple[bool, dict[str, Any]]:
    """Return whether a recipe reaches the limit, and its fewest epochs that do, or the most tried."""
    fewest, half, most = PARTS
    good = {}
    for part in (half, most):
        row = measured(space, survey, name, part)
        if statistics.mean(row["scores"]) <= limit:
            good = row
            break
    if good and part == half:
        fewer = measured(space, survey, name, fewest)
        good = fewer if statistics.mean(fewer["scores"]) <= limit else good
    return bool(good), good or row


def main(scratch: str, only: str = "", word: str = "") -> None:
    """Print a row for each recipe: the fewest epochs that are enough, or the most that were tried."""
    survey = Path(scratch) / "galaxies"
    if not survey.exists():
        api.simulate_galaxies(survey, n=GALAXIES, seed=1, size=32)
        api.split(survey, "most", train_fraction=TRAIN, validation_fraction=VALIDATION, seed=1)
    torch.set_num_threads(1)
    for space in [only] if only else POINT:
        wanted = measured(space, survey, "published schedule", 1.0)
        limit = statistics.mean(wanted["scores"]) + statistics.stdev(wanted["scores"])
        print(f"{space}\n{told('published schedule', wanted, wanted)}", flush=True)
        for name in recipes(space):
            if name != "published schedule" and word in name:
                reached, row = enough(space, survey, name, limit)
                print(told(name if reached else f"{name}: not reached", row, wanted), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
