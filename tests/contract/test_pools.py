"""Our pools, by the suite that those of other packages are tested by, too."""

from rookery.testing.test_pools import *  # noqa: F403
