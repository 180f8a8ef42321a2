"""What conformal intervals hold on real galaxies, and on simulated ones where weights may fit the objects.

Run as ``OMP_NUM_THREADS=1 python benchmarks/interval_coverage.py SCRATCH CATALOGUE [SPLITS]``, CATALOGUE
being MLZ's `SDSS_MGS.train`. In each of 10 random splits six configurations of `photoz_mlp`, drawn at random
from its search space, train on 2,000 galaxies; 500 choose their epochs, the ensemble and the limits (as
`rookery split --train-fraction 0.5`, `search` and `ensemble` do), 2,500 others judge. SCRATCH keeps networks.
Simulated: members with a common error and their own, half of them too sure; 3,000 new objects judge.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

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
    EnsembleChoice,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    choose,
    conformal_limits,
    open_predictions,
    read_predictions,
)
from rookery_ensembles.conformal import coverage_spread
from rookery_ensembles.conformal_limits import SERVED, conformal_columns
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.redshift_pdf import gaussian_pdf

CONFIGURATIONS, EPOCHS, COVARIATE = 6, 20, "mag_r"
BINS = RedshiftBins.equal(0.0, 1.0, 50)
DRAWS = 40
SIMULATED = ((50, 60), (50, 150), (50, 500), (8, 500))


def main(scratch: str, catalogue: str, splits: str = "10") -> None:
    """Print two tables."""
    torch.set_num_threads(1)
    survey = survey_of(Path(scratch) / "survey", Path(catalogue))
    head = " | ".join(f"{100 * level:.0f} %" for level in SERVED)
    print(f"| split | ensemble | {head} |\n|---|---|---|---|")
    found = []
    for seed in range(1, int(splits) + 1):
        choice, covered = of_split(survey, Path(scratch), seed)
        found.append(covered)
        print(f"| {seed} | {choice.recipe} | {' | '.join(f'{each:.3f}' for each in covered)} |", flush=True)
    assert choice.conformal is not None
    tell("mean", np.array(found))
    ends = [choice.conformal.spread(level) for level in SERVED]
    print(f"| 19 of 20 times, of all galaxies | | {' | '.join(f'{a:.3f} to {b:.3f}' for a, b in ends)} |")
    print(f"\n| members | objects | weights | {head} | by weights that saw the object: {head} |")
    print("|---|---|---|---|---|---|---|")
    for members, objects in SIMULATED:
        for by in ("em", "greedy"):
            draws = [of_draw(members, objects, by, seed) for seed in range(DRAWS)]
            tell(f"{members} | {objects} | {by}", np.array(draws), place="")
    for n in sorted({objects for _, objects in SIMULATED}):
        print(n, [tuple(round(end, 3) for end in coverage_spread(n, level)) for level in SERVED])


def tell(name: str, found: NDArray[np.float64], place: str = " |") -> None:
    """Print a line: means over draws and their standard errors."""
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    cells = [f"{a:.3f} ± {b:.3f}" for a, b in zip(found.mean(axis=0), error, strict=True)]
    print(f"| {name} |{place} {' | '.join(cells)} |", flush=True)


def survey_of(place: Path, catalogue: Path) -> Survey:
    """Return the survey."""
    if not place.is_dir():
        ingest_mlz(catalogue, place)
    return open_survey(place)


def of_split(survey: Survey, scratch: Path, seed: int) -> tuple[EnsembleChoice, list[float]]:
    """Return the ensemble of a split, and what its intervals hold of the test objects."""
    name = f"h{seed}"
    if not (survey.path / "splits" / f"{name}.parquet").is_file():
        split_survey(survey, name, train_fraction=0.5, seed=seed)
    candidates, tests = [], {}
    for number, point in enumerate(random_points(CONFIGURATIONS, seed, EPOCHS)):
        folder = scratch / "members" / name / f"c{number}"
        train_network(survey, name, point, folder, bins=EqualBins(), seed=100 * seed + number, keep="best")
        seen = open_predictions(folder / "predictions-validation.parquet")
        candidates.append(CandidateMember(folder.name, folder, folder.name, seen))
        tests[folder.name] = read_predictions(folder / "predictions-test.parquet")
    objects = survey.objects
    ids, magnitude = objects["object_id"].to_numpy().astype(str), objects[[COVARIATE]].to_numpy(float)
    known = ObjectCovariates(ids, Covariates((COVARIATE,), magnitude))
    choice = choose(candidates, covariates=known)
    return choice, covered(choice, tests.__getitem__, known)


def of_draw(members: int, objects: int, by: str, seed: int) -> list[float]:
    """Return what intervals of an ensemble of simulated members hold of new objects, and would hold."""
    rng = np.random.default_rng([members, objects, seed])
    seen, new = simulated(members, objects, rng), simulated(members, 3000, rng)
    candidates = [CandidateMember(name, Path(name), name, one) for name, one in seen.items()]
    found = covered(choose(candidates, by=by), new.__getitem__, None)
    with patch.object(conformal_limits, "_pooled_by_others", lambda _, __, pooled_nk, *___: [pooled_nk] * 5):
        return found + covered(choose(candidates, by=by), new.__getitem__, None)


def simulated(members: int, n: int, rng: np.random.Generator) -> dict[str, Predictions]:
    """Return predictions by member."""
    z, common = rng.uniform(0.25, 0.75, n), rng.normal(0, 0.04, n)
    ids, found = np.array([f"{i:05d}" for i in range(n)]), {}
    for number in range(members):
        name, width = f"m{number:02d}", 0.068 if number % 2 else 0.034
        values = gaussian_pdf(z + common + rng.normal(0, 0.04, n), np.full(n, width), BINS.edges)
        found[name] = Predictions(PredictionInfo(BINS, member=name), ids, z, values.astype(np.float32))
    return found


def covered(
    choice: EnsembleChoice, new: Callable[[str], Predictions], known: ObjectCovariates | None
) -> list[float]:
    """Return which parts of new objects' redshifts lie in the conformal intervals."""
    given = [new(member.id) for member in choice.members]
    beside = None if known is None else known.of(given[0].object_id)
    values = choice.calibrate(choice.pool([one.values for one in given], beside), beside)
    columns, z = conformal_columns(choice.target, choice.conformal, values), np.asarray(given[0].truth)
    percents = [f"{100 * level:.0f}" for level in SERVED]
    return [
        float(np.mean((columns[f"conformal_low_{p}"] <= z) & (z <= columns[f"conformal_high_{p}"])))
        for p in percents
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
