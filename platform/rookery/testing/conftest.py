"""What pytest finds when it runs these suites from an installed Rookery."""

from rookery.testing.family_case import case, number  # noqa: F401 - fixtures are found by their names
from rookery.testing.fixtures import *  # noqa: F403
