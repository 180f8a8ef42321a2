"""Our families, by the suite that other packages' families are tested by, too."""

from rookery.testing.test_families import *  # noqa: F403
