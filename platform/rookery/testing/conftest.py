"""What pytest finds when it runs these suites from an installed Rookery."""

from rookery.testing.fixtures import *  # noqa: F403 - fixtures are found by their names
