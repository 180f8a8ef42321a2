"""Our weights, by the suite that those of other packages are tested by, too."""

from rookery.testing.test_weights import *  # noqa: F403
