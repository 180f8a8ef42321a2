"""Coverage of redshift PDFs in thirds of magnitude and of their own width, by what the calibration looks at.

Run as ``OMP_NUM_THREADS=1 python benchmarks/coverage_by_width.py SCRATCH SURVEY [SPLITS]``, SURVEY being a
store called deep, boss or des_vvds, ingested as docs/results.md and the campaign photoz_depth do. In each of
5 random splits four configurations of `photoz_mlp`, drawn at random from its search space, train 14 epochs.
Weights are those of `em`. A width that is the same for all objects leaves `local` as it was before it
knew one. SCRATCH keeps the networks.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from random_networks import random_points, train_network

from rookery.surveys import Survey, open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery_ensembles import CandidateMember, Covariates, choose, open_predictions, read_predictions
from rookery_ensembles.covariates import Z_WIDTH, ObjectCovariates
from rookery_ensembles.redshift_pdf import pdf_std, pit

FIXED = {"batch_size": 256, "width": 128, "hidden_layers": 3}
_HALF = {"train_fraction": 0.5}
SETTINGS = {
    "deep": (
        "mag_i",
        EqualBins(low=0, high=3.4, number=300),
        {"train_fraction": 0.8, "validation_fraction": 0.25},
    ),
    "boss": (
        "mag_r",
        EqualBins(low=-0.01, high=1.1, number=180),
        {**_HALF, "max_train": 5000, "max_test": 5000},
    ),
    "des_vvds": ("mag_i", EqualBins(low=0, high=2.2, number=180), _HALF),
}
"""Magnitude, bins and split of each."""
WAYS = ("temperature_beta", "local without the width", "local")
Floats = NDArray[np.float64]


def main(scratch: str, place: str, splits: str = "5") -> None:
    """Print a table: means over the splits, and how far a split's thirds are off beyond the counts' noise."""
    torch.set_num_threads(1)
    survey = open_survey(place)
    magnitude = SETTINGS[survey.path.name][0]
    found: dict[str, list[Floats]] = {way: [] for way in WAYS}
    for seed in range(1, int(splits) + 1):
        for way, numbers in of_split(survey, Path(scratch), seed).items():
            found[way].append(numbers)
        print(seed, file=sys.stderr, flush=True)
    print(f"| {survey.path.name} | log loss | {magnitude} thirds | off | thirds of the width | off |")
    print("|---|---|---|---|---|---|")
    first = np.array(found[WAYS[0]])
    for way, rows in found.items():
        table = np.array(rows)
        less = (table - first)[:, 0]
        error = less.std(ddof=1) / np.sqrt(len(less))
        cells = [f"{table[:, 0].mean():.4f} ({less.mean():+.4f} ± {error:.4f})"]
        for part in (table[:, 1:4], table[:, 4:7]):
            cells.append(", ".join(f"{inside:.3f}" for inside in part.mean(axis=0)))
            cells.append(f"{beyond_noise(part, table[:, 7].mean() / 3):.3f}")
        print(f"| {way} | {' | '.join(cells)} |")


def beyond_noise(inside: Floats, objects: float) -> float:
    """Return the root mean square distance from 0.68, less what counting so many objects makes."""
    return float(np.sqrt(max(0.0, ((inside - 0.68) ** 2).mean() - 0.68 * 0.32 / objects)))


def of_split(survey: Survey, scratch: Path, seed: int) -> dict[str, Floats]:
    """Return for each way log loss, coverage in thirds of the magnitude and of the width, and the number."""
    name, (magnitude, bins, split) = f"h{seed}", SETTINGS[survey.path.name]
    if not (survey.path / "splits" / f"{name}.parquet").is_file():
        split_survey(survey, name, seed=seed, **split)
    candidates, tests = [], {}
    dropped = {} if survey.path.name == "boss" else {"band_dropout": 0.1}  # boss lacks no band
    for number, point in enumerate(random_points(4, seed, 14, **FIXED, **dropped)):
        folder = scratch / "members" / survey.path.name / name / f"c{number}"
        train_network(survey, name, point, folder, bins=bins, seed=100 * seed + number, keep="best")
        seen = open_predictions(folder / "predictions-validation.parquet")
        candidates.append(CandidateMember(folder.name, folder, folder.name, seen))
        tests[folder.name] = read_predictions(folder / "predictions-test.parquet")
    objects = survey.objects
    ids, values = objects["object_id"].to_numpy().astype(str), objects[[magnitude]].to_numpy(float)
    values = np.where(np.isfinite(values), values, np.nanmax(values))
    known = Covariates((magnitude,), values)
    ways = (
        ("temperature_beta", known),
        ("local", known.with_column(Z_WIDTH, np.zeros(len(ids)))),
        ("local", known),
    )
    found = {}
    for way, (calibration, covariates) in zip(WAYS, ways, strict=True):
        beside = ObjectCovariates(ids, covariates)
        choice = choose(candidates, by="em", calibration=calibration, covariates=beside)
        given = [tests[member.id] for member in choice.members]
        own = beside.of(given[0].object_id)
        pooled = choice.pool([one.values for one in given], own)
        pdf, z, edges = choice.calibrate(pooled, own), np.asarray(given[0].truth), choice.target.edges
        inside, index = np.abs(pit(pdf, edges, z) - 0.5) <= 0.34, choice.target.index(z)
        loss = choice.target.log_loss(pdf[index >= 0], index[index >= 0])
        thirds = [
            inside[part].mean()
            for by in (own.values[:, 0], pdf_std(pooled, edges))
            for part in np.array_split(np.argsort(by, kind="stable"), 3)
        ]
        found[way] = np.array([loss, *thirds, len(z)])
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
