"""Fixtures that every test folder shares. Heavy libraries are imported by the fixture that needs them."""

import os
from pathlib import Path

import hypothesis
import pytest

# Two processes whose linear algebra spins on both cores take ten times as long as one after the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray's workers would otherwise starve beside the tests of the other process.
os.environ.setdefault("RAY_worker_niceness", "0")
# A busy machine must not fail a test: only pytest's timeout judges time.
hypothesis.settings.register_profile("rookery", deadline=None)
hypothesis.settings.load_profile("rookery")

pytest_plugins = ["rookery.testing.fixtures"]


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
