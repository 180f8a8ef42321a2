"""Train a grid of small `photoz_mlp` networks on real galaxies, with predictions, for replayed searches.

Every point of `SPACE` is trained from `STARTS` random starts for `EPOCHS` epochs on 2,000 of the 5,000
galaxies of MLZ's `SDSS_MGS.train`; 1,000 others validate and 2,000 test. SCRATCH keeps the survey and a
member folder for each network, as a study does, so that a maker that was stopped goes on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from rookery.networks.family import load_family
from rookery.search.parameters import FixedParameter
from rookery.search.samplers import grid
from rookery.search.space import SearchSpace
from rookery.surveys import open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.readers.galaxies.mlz import ingest_mlz
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import open_predictions

SEED, EPOCHS, STARTS = 0, 12, 2
SPACE = SearchSpace.model_validate(
    {
        "family": "photoz_mlp",
        "objective": {"metric": "validation_log_loss", "direction": "minimize"},
        "parameters": {
            "errors": {"type": "categorical", "choices": [True, False]},
            "hidden_layers": {"type": "int", "low": 1, "high": 3},
            "width": {"type": "int", "low": 16, "high": 64, "step": 24},
            "activation": {"type": "categorical", "choices": ["silu", "tanh"]},
            "head": {"type": "categorical", "choices": ["mixture", "softmax"]},
            "learning_rate": {"type": "float", "low": 0.002, "high": 0.014, "step": 0.006},
            "epochs": FixedParameter(value=EPOCHS),
            "patience": FixedParameter(value=EPOCHS),
            "batch_size": FixedParameter(value=128),
            "warmup_fraction": FixedParameter(value=0.2),
        },
    }
)
"""What is tabulated: the grid of this space."""
COLUMNS = tuple(n for n, p in SPACE.parameters.items() if not isinstance(p, FixedParameter))
BINS = EqualBins(number=60)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tabulated:
    """A network of the table."""

    curve: Floats
    """(EPOCHS,) objective after each epoch."""
    likelihood: dict[str, Floats]
    """By role: (N,) probability that it gives to each object's true bin."""


def key(point: dict[str, Any]) -> tuple[Any, ...]:
    """Return the key of a point in the table."""
    values = (point[name] for name in COLUMNS)
    return tuple(round(v, 6) if isinstance(v, float) else v for v in values)


def make(scratch: Path, catalogue: Path) -> dict[tuple[Any, ...], list[Tabulated]]:
    """Train what is missing; return the networks of each point, from each random start."""
    torch.set_num_threads(1)
    place = scratch / "survey"
    if not place.is_dir():
        ingest_mlz(catalogue, place)
    survey = open_survey(place)
    if not (place / "splits" / "three.parquet").is_file():
        split_survey(survey, "three", train_fraction=0.6, validation_fraction=1 / 3, seed=SEED)
    fixed = {n: p.value for n, p in SPACE.parameters.items() if isinstance(p, FixedParameter)}
    points = grid(SPACE)
    found: dict[tuple[Any, ...], list[Tabulated]] = {key(point): [] for point in points}
    for start in range(STARTS):
        for number, point in enumerate(points):
            member = f"{number:04d}-s{start}"
            job = TrainingJob(
                member=member,
                family=SPACE.family,
                configuration={**fixed, **point},
                survey=str(place),
                survey_checksum=survey.checksum,
                split="three",
                redshift_bins=BINS,
                seed=SEED * 1_000_003 + number + 50_021 * start,
            )
            load_family(SPACE.family).configure(job.configuration)
            folder = scratch / "members" / member
            train_member(job, folder, scratch / "running" / member, lambda metrics, progress: None)
            found[key(point)].append(read(folder))
            if number % 50 == 0:
                print(f"start {start}: {number} of {len(points)} networks", flush=True)
    return found


def read(folder: Path) -> Tabulated:
    """Read a finished member."""
    history = pd.read_parquet(folder / "history.parquet").sort_values("epoch")
    likelihood = {}
    for role in ("validation", "test"):
        told = open_predictions(folder / f"predictions-{role}.parquet")
        target = told.info.target
        column = target.index(told.truth)
        order = np.argsort(told.object_id, kind="stable")
        order = order[column[order] >= 0]
        likelihood[role] = target.likelihood(np.asarray(told.values)[order], column[order], str(folder))
    return Tabulated(history[SPACE.objective.name].to_numpy(float), likelihood)
