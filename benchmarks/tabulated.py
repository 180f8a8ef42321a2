"""Train every point of a small grid of `photoz_mlp` and keep all its epochs: tabulated.py SCRATCH [OUT].

1,500 simulated galaxies (`rookery simulate galaxies`, SDSS-like, measured magnitudes), two thirds of them
train; 576 networks of 12 epochs. OUT, by default `tabulated_photoz_mlp.parquet` beside this file, gets a row
for each network and epoch: the grid's parameters, `epoch`, the losses and every validation metric. SCRATCH
keeps the survey and what is finished, so that the same command goes on after it was stopped.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import rookery
from rookery.networks.family import load_family
from rookery.search.parameters import FixedParameter
from rookery.search.samplers import grid
from rookery.search.space import SearchSpace
from rookery.surveys import open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.simulators.galaxies.simulate import simulate_galaxies
from rookery.training.data import load_data
from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery_ensembles.files import atomic_file

TABLE = Path(__file__).with_name("tabulated_photoz_mlp.parquet")
SEED, GALAXIES, EPOCHS = 0, 1500, 12
SPACE = SearchSpace.model_validate(
    {
        "family": "photoz_mlp",
        "objective": {"metric": "validation_log_loss", "direction": "minimize"},
        "parameters": {
            "hidden_layers": {"type": "int", "low": 1, "high": 3},
            "width": {"type": "int", "low": 16, "high": 64, "step": 16},
            "activation": {"type": "categorical", "choices": ["silu", "tanh"]},
            "head": {"type": "categorical", "choices": ["mixture", "softmax"]},
            "dropout": {"type": "float", "low": 0.0, "high": 0.1, "step": 0.1},
            "learning_rate": {"type": "float", "low": 0.002, "high": 0.027, "step": 0.005},
            "epochs": FixedParameter(value=EPOCHS),
            "patience": FixedParameter(value=EPOCHS),
            "batch_size": FixedParameter(value=128),
            "warmup_fraction": FixedParameter(value=0.2),
        },
    }
)
"""What is tabulated: the grid of this space."""
COLUMNS = tuple(n for n, p in SPACE.parameters.items() if not isinstance(p, FixedParameter))


def main(scratch: Path, out: Path = TABLE) -> None:
    """Train what is missing, and write the table once nothing is."""
    torch.set_num_threads(1)
    scratch.mkdir(parents=True, exist_ok=True)
    place = scratch / "survey"
    survey = (
        open_survey(place)
        if place.is_dir()
        else simulate_galaxies(place, n=GALAXIES, seed=SEED, size=32, processes=1)
    )
    if not (place / "splits" / "half.parquet").is_file():
        split_survey(survey, "half", train_fraction=0.999, validation_fraction=1 / 3, seed=SEED)
    fixed = {n: p.value for n, p in SPACE.parameters.items() if isinstance(p, FixedParameter)}
    points = grid(SPACE)
    finished = scratch / "finished.jsonl"
    lines = finished.read_text(encoding="utf-8").splitlines() if finished.is_file() else []
    family, data = load_family(SPACE.family), None
    with finished.open("a", encoding="utf-8") as stream:
        for number in range(len(lines), len(points)):
            job = TrainingJob(
                member=f"{number:04d}",
                family=SPACE.family,
                configuration={**fixed, **points[number]},
                survey=str(place),
                survey_checksum=survey.checksum,
                split="half",
                redshift_bins=EqualBins(number=60),
                seed=SEED * 1_000_003 + number,
            )
            configuration = family.configure(job.configuration)
            data = data or load_data(job, family, configuration, torch.device("cpu"))
            history = train(job, family, configuration, data, lambda metrics, progress: None)[1].history
            stream.write(json.dumps(history) + "\n")
            stream.flush()
            if number % 50 == 0:
                print(f"{number} of {len(points)}", flush=True)
    lines = finished.read_text(encoding="utf-8").splitlines()
    # An epoch's own `learning_rate`, that of its last step, gives way to the point's.
    rows = [{**row, **p} for p, line in zip(points, lines, strict=True) for row in json.loads(line)]
    write(pd.DataFrame(rows), survey.checksum, out)


def write(table: pd.DataFrame, survey: str, out: Path) -> None:
    """Write the table with what made it in the file's metadata."""
    real = [c for c in table.select_dtypes("float").columns if c not in COLUMNS]
    arrow = pa.Table.from_pandas(table.astype(dict.fromkeys(real, np.float32)), preserve_index=False)
    said: dict[str, Any] = {
        "generator": "benchmarks/tabulated.py",
        "simulated": True,
        "seed": SEED,
        "galaxies": GALAXIES,
        "survey": survey,
        "space": SPACE.model_dump(mode="json"),
        "versions": {"rookery": rookery.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"made": json.dumps(said)})
    with atomic_file(out) as partial:
        pq.write_table(arrow, partial, compression="zstd")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
