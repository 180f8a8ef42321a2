"""Our calibrations, by the suite that those of other packages are tested by, too."""

from rookery.testing.test_calibrations import *  # noqa: F403
