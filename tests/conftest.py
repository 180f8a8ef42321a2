"""Fixtures that every test folder shares. Heavy libraries are imported by the fixture that needs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from rookery.surveys import Survey
    from rookery.training import TrainingJob

# Ray's workers would otherwise starve beside the tests of the other process.
os.environ.setdefault("RAY_worker_niceness", "0")
# A busy machine must not fail a test: only pytest's timeout judges time.
hypothesis.settings.register_profile("rookery", deadline=None)
hypothesis.settings.load_profile("rookery")

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
def project_root() -> Path:
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data(project_root: Path) -> Path:
    """The real data that lie beside the project on some machines."""
    folder = project_root.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are absent: there is no {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """200 simulated supernovae with a hold-out split `half` and a split of three folds, `folds`."""
    from rookery.surveys import simulate_supernovae, split_survey

    survey = simulate_supernovae(tmp_path_factory.mktemp("surveys") / "tiny", n=200, seed=1)
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    split_survey(survey, "folds", train_fraction=0.5, folds=3, seed=1)
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
def make_job(tiny_survey: Survey, one_thread: None) -> Callable[..., TrainingJob]:
    """Return a function that makes a training job on `tiny_survey`; its arguments replace fields."""
    from rookery.training import TrainingJob

    def make(**changes: Any) -> TrainingJob:
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
