"""Our readers and baselines, by the suite that those of other packages are tested by, too."""

from rookery.testing.test_readers_and_baselines import *  # noqa: F403
