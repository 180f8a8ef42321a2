"""What pytest finds when it runs these suites from an installed Rookery."""

import pytest

from rookery.testing.family_case import case, number  # noqa: F401 - fixtures are found by their names
from rookery.testing.fixtures import *  # noqa: F403


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of the tests that take longer."""
    config.addinivalue_line("markers", "slow: takes more than about three seconds")
