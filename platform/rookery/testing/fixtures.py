"""Fixtures of the contract suites: small surveys of every kind, and jobs on them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rookery.surveys import Survey
    from rookery.training.job import TrainingJob

CLASSES = ("Ia", "non-Ia")
_TINY = {
    "window_days": 128,
    "days_per_column": 8,
    "temporal_filters": 2,
    "band_filters": 8,
    "merged_blocks": 1,
    "merged_filters": 2,
    "features": 8,
    "epochs": 4,
    "batch_size": 32,
    "learning_rate": 0.01,
}


@pytest.fixture(scope="session")
def tiny_survey(tmp_path_factory: pytest.TempPathFactory) -> "Survey":
    """200 simulated supernovae with a hold-out split `half` and a split of three folds, `folds`."""
    from rookery.surveys import simulate_supernovae, split_survey

    survey = simulate_supernovae(tmp_path_factory.mktemp("surveys") / "tiny", n=200, seed=1)
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    split_survey(survey, "folds", train_fraction=0.5, folds=3, seed=1)
    return survey


@pytest.fixture(scope="session")
def tiny_galaxies(tmp_path_factory: pytest.TempPathFactory) -> "Survey":
    """120 round galaxies in ugriz, 20 x 20 pixels, whose colours tell the redshift; a hold-out split `half`.

    One magnitude and one E(B-V) are unknown.
    """
    import numpy as np
    import pandas as pd

    from rookery.surveys import new_galaxy_survey, open_survey, split_survey

    n, size, bands = 120, 20, "ugriz"
    rng = np.random.default_rng(5)
    redshift = rng.uniform(0.01, 0.39, n)
    brightness = rng.normal(17.3, 0.2, n)
    magnitude = brightness[:, None] + redshift[:, None] * np.array([6.0, 3.0, 0.0, -1.0, -2.0])
    flux = 10 ** (-0.4 * (magnitude - 22.5))
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    profile = np.exp(-0.5 * (x**2 + y**2) / 2.5**2) / (2 * np.pi * 2.5**2)
    images = flux[:, :, None, None] * profile + rng.normal(0, 0.03, (n, len(bands), size, size))
    objects = pd.DataFrame({"object_id": [f"g{i:03d}" for i in range(n)], "redshift": redshift})
    for band, values in zip(bands, magnitude.T, strict=True):
        objects[f"mag_{band}"] = values + rng.normal(0, 0.02, n)
        objects[f"mag_err_{band}"] = 0.02
    objects["mwebv"] = rng.uniform(0, 0.1, n)
    objects["psf_fwhm"] = rng.normal(1.3, 0.1, n)
    objects.loc[3, "mag_u"] = objects.loc[4, "mwebv"] = np.nan
    path = tmp_path_factory.mktemp("surveys") / "galaxies"
    with new_galaxy_survey(path, name="tiny galaxies", bands=tuple(bands)) as writer:
        writer.open_images(size=size, pixel_scale=0.396)
        writer.add_images(images.astype(np.float32))
        writer.finish(objects=objects)
    split_survey(open_survey(path), "half", train_fraction=0.5, seed=1)
    return open_survey(path)


@pytest.fixture(scope="session")
def survey_of_kind(request: pytest.FixtureRequest) -> "Callable[[str], Survey]":
    """Return a function that gives a tiny survey of a kind; images come with magnitudes."""
    fixtures = {"light_curves": "tiny_survey", "images": "tiny_galaxies", "catalogue": "tiny_galaxies"}

    def survey(kind: str) -> "Survey":
        assert kind in fixtures, f"name a fixture that makes a survey of {kind}"
        found: Survey = request.getfixturevalue(fixtures[kind])
        return found

    return survey


@pytest.fixture
def tiny_configuration() -> dict[str, Any]:
    """A point of the `pelican` family that trains on `tiny_survey` in a fifth of a second."""
    return dict(_TINY)


@pytest.fixture(scope="session")
def one_thread() -> None:
    """Keep torch on one thread: small networks are fastest so, and sums keep their order."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_job(tiny_survey: "Survey", one_thread: None) -> "Callable[..., TrainingJob]":
    """Return a function that makes a training job on `tiny_survey`; its arguments replace fields."""
    from rookery.training.job import TrainingJob

    def make(**changes: Any) -> "TrainingJob":
        fields = {
            "member": "0000",
            "family": "pelican",
            "survey": str(tiny_survey.path),
            "survey_checksum": tiny_survey.checksum,
            "split": "half",
            "class_names": CLASSES,
            "seed": 3,
        }
        configuration = {**_TINY, **changes.pop("configuration", {})}
        return TrainingJob(**{**fields, **changes, "configuration": configuration})

    return make
