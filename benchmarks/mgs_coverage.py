"""Coverage of redshift intervals on real galaxies, by magnitude, before and after calibration.

Run as ``OMP_NUM_THREADS=1 python benchmarks/mgs_coverage.py SCRATCH CATALOGUE``, CATALOGUE being MLZ's
`SDSS_MGS.train`: 5,000 galaxies of the Main Galaxy Sample. Four configurations of `photoz_mlp`, drawn from
its search space, train on five folds, 12 epochs each, of which the last is kept; SCRATCH keeps the networks.
Each galaxy is predicted by networks, weights and a calibration that never saw it (`out_of_fold`).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from random_networks import random_points, train_network

from rookery.surveys import Survey, open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.readers.galaxies.mlz import ingest_mlz
from rookery_ensembles import (
    CandidateMember,
    Covariates,
    choose,
    open_predictions,
    out_of_fold,
    photoz_metrics,
)
from rookery_ensembles.covariates import ObjectCovariates

CONFIGURATIONS, FOLDS, EPOCHS, LEVELS = 4, 5, 12, (50, 68, 95)
COVARIATE = "mag_r"
WAYS = (("mean", "none"), ("em", "none"), ("em", "temperature_beta"), ("em", "local"))


def main(scratch: str, catalogue: str) -> None:
    """Print a table: a row for each way to make the ensemble and each third of the magnitudes."""
    torch.set_num_threads(1)
    survey = survey_of(Path(scratch) / "survey", Path(catalogue))
    candidates = [
        train(survey, Path(scratch), number, point, fold)
        for number, point in enumerate(random_points(CONFIGURATIONS, 0, EPOCHS))
        for fold in range(FOLDS)
    ]
    ids, magnitude = survey.objects["object_id"].to_numpy().astype(str), survey.objects[COVARIATE].to_numpy()
    known = ObjectCovariates(ids, Covariates((COVARIATE,), magnitude[:, None]))
    print(f"| weights, calibration | galaxies | {' | '.join(f'{level} %' for level in LEVELS)} | log loss |")
    print("|---|---|" + "---|" * (len(LEVELS) + 1))
    for by, calibration in WAYS:
        choice = choose(candidates, by=by, calibration=calibration, covariates=known)
        found = out_of_fold(candidates, choice)
        told = known.of(found.object_id).values[:, 0]
        third = np.searchsorted(np.quantile(told, [1 / 3, 2 / 3]), told)
        row(f"{by}, {calibration}", "all", found, third >= 0)
        for number, name in enumerate(("bright third", "middle third", "faint third")):
            row(f"{by}, {calibration}", name, found, third == number)


def survey_of(place: Path, catalogue: Path) -> Survey:
    """Return the survey, with its folds."""
    if not place.is_dir():
        ingest_mlz(catalogue, place)
    survey = open_survey(place)
    if not (place / "splits" / "folds.parquet").is_file():
        split_survey(survey, "folds", folds=FOLDS, seed=0)
    return survey


def train(survey: Survey, scratch: Path, number: int, point: dict[str, Any], fold: int) -> CandidateMember:
    """Return a network that never saw a fold; one that is there is not trained again."""
    name = f"c{number}-f{fold}"
    folder = scratch / "members" / name
    train_network(
        survey, "folds", point, folder, bins=EqualBins(), seed=100 * number + fold, fold=fold, keep="last"
    )
    print(name, file=sys.stderr, flush=True)
    return CandidateMember(
        name, folder, f"c{number}", open_predictions(folder / "predictions-validation.parquet")
    )


def row(way: str, name: str, found: Any, rows: NDArray[np.bool_]) -> None:
    """Print a line: the parts of the galaxies inside, with how many binomial errors they are off."""
    scores = photoz_metrics(found.values[rows], found.info.target.edges, found.truth[rows])
    index = found.info.target.index(found.truth[rows])
    cells = []
    for level in LEVELS:
        inside, expected = scores[f"coverage_{level}"], level / 100
        error = np.sqrt(expected * (1 - expected) / rows.sum())
        cells.append(f"{inside:.3f} ({(inside - expected) / error:+.1f})")
    loss = found.info.target.log_loss(found.values[rows], index)
    print(f"| {way} | {name}, {rows.sum()} | {' | '.join(cells)} | {loss:.4f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
