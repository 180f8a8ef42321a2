"""Two ensembles as `rookery ensemble` makes them: redshifts of a catalogue, classes of light curves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalogues import COLUMNS, catalogue
from rookery import api
from rookery.inference.catalogues import how_it_was_read
from rookery.inference.write_ensemble import write_ensemble
from rookery.shift.domain import training_domain
from rookery.surveys import Survey, new_galaxy_survey, open_split, open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.training.candidate import open_candidate
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import Bundle, BundleMember, write_bundle


@pytest.fixture(scope="session")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """300 galaxies whose colours tell their redshift; some magnitudes and redshifts are unknown."""
    n, rng = 300, np.random.default_rng(8)
    z = rng.uniform(0.02, 0.38, n)
    objects = pd.DataFrame({"object_id": [f"g{i:04d}" for i in range(n)], "redshift": z})
    for band, slope in (("u", 5.0), ("g", 3.0), ("r", 1.0)):
        objects[f"mag_{band}"] = 17 + slope * z + rng.normal(0, 0.05, n)
        objects[f"mag_err_{band}"] = 0.05
    objects.loc[250:259, ["mag_u", "mag_g", "mag_r"]] = np.nan  # a block without any
    objects.loc[280:, "redshift"] = np.nan
    objects.loc[280:284, "mag_r"] = 30.0
    path = tmp_path_factory.mktemp("galaxies") / "survey"
    with new_galaxy_survey(path, name="galaxies", bands=("u", "g", "r")) as writer:
        writer.finish(objects=objects)
    split_survey(open_survey(path), "half", train_fraction=0.6, seed=1)
    return open_survey(path)


@pytest.fixture(scope="session")
def redshift_bundle(galaxies: Survey, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Two networks of magnitudes."""
    folder = tmp_path_factory.mktemp("redshifts")
    for seed in (1, 2):
        job = TrainingJob(
            member=f"{seed:04d}", family="photoz_mlp", survey=str(galaxies.path),
            survey_checksum=galaxies.checksum, split="half", seed=seed,
            redshift_bins=EqualBins(low=0, high=0.4, number=20),
            configuration={"epochs": 6, "hidden_layers": 1, "width": 16},
        )  # fmt: skip
        train_member(job, folder / job.member, folder / "running", lambda *_: None)
    return _bundle(galaxies, folder, ("0001", "0002"))


@pytest.fixture(scope="session")
def class_bundle(
    tiny_survey: Survey,
    make_job: Callable[..., TrainingJob],
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    """Two networks of light curves, whose class fractions are known."""
    folder = tmp_path_factory.mktemp("classes")
    for seed in (1, 2):
        job = make_job(member=f"{seed:04d}", seed=seed)
        train_member(job, folder / job.member, folder / "running", lambda *_: None)
    return _bundle(tiny_survey, folder, ("0001", "0002"))


@pytest.fixture(scope="session")
def catalogue_survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """400 galaxies of a catalogue file, whose names of columns are its own."""
    folder = tmp_path_factory.mktemp("catalogue")
    catalogue(400).to_csv(folder / "training.csv", index=False)
    options: dict[str, Any] = {"columns": COLUMNS, "offsets": {"u": -0.04}, "missing": [55.5]}
    found = api.ingest_catalogue(folder / "training.csv", folder / "survey", **options).survey
    api.split(found.path, "half", train_fraction=0.5, seed=1)
    return found


@pytest.fixture(scope="session")
def catalogue_bundle(
    catalogue_survey: Survey, one_thread: None, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A network of that catalogue, in a bundle that tells how it was read."""
    folder = tmp_path_factory.mktemp("bundle")
    job = TrainingJob(
        member="0000", family="photoz_mlp", survey=str(catalogue_survey.path),
        survey_checksum=catalogue_survey.checksum, split="half", seed=1,
        redshift_bins=EqualBins(low=0, high=0.4, number=8),
        configuration={"epochs": 2, "hidden_layers": 1, "width": 8},
    )  # fmt: skip
    train_member(job, folder / "0000", folder / "running", lambda *_: None)
    return write_bundle(
        folder / "bundle", members=[BundleMember("0000", folder / "0000", 1.0)], target=job.target,
        bands=["u", "g", "r"], scores={}, provenance=how_it_was_read(catalogue_survey),
    )  # fmt: skip


def _bundle(survey: Survey, folder: Any, names: tuple[str, ...]) -> Bundle:
    candidates = [open_candidate(folder / name, name) for name in names]
    domain = training_domain(survey, open_split(survey, "half"))
    return write_ensemble(candidates, folder / "bundle", domain=domain, provenance={}, by="mean")[0]
