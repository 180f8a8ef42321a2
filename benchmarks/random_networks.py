"""Networks of `photoz_mlp` at random points of its search space, for several benchmarks."""

from pathlib import Path
from typing import Any

import optuna

from rookery.search.space import find_space, load_space
from rookery.surveys import Survey
from rookery.surveys.equal_bins import EqualBins
from rookery.training.job import TrainingJob
from rookery.training.member import train_member

FAMILY = "photoz_mlp"


def random_points(number: int, seed: int, epochs: int, **fixed: Any) -> list[dict[str, Any]]:
    """Return configurations drawn from the search space that is shipped; all epochs are trained."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = load_space(find_space(FAMILY))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    fixed |= {"epochs": epochs, "patience": epochs}
    return [{**space.suggest(study.ask()), **fixed} for _ in range(number)]


def train_network(
    survey: Survey,
    split: str,
    point: dict[str, Any],
    folder: Path,
    *,
    bins: EqualBins,
    seed: int,
    **more: Any,
) -> None:
    """Train a network of a split into a folder, whose name it has; one that is there stays as it is."""
    job = TrainingJob(
        member=folder.name,
        family=FAMILY,
        configuration=point,
        survey=str(survey.path),
        survey_checksum=survey.checksum,
        split=split,
        redshift_bins=bins,
        seed=seed,
        **more,
    )
    train_member(job, folder, folder.parent / "running" / folder.name, lambda metrics, progress: None)
