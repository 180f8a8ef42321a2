"""Our families, by the suites that other packages' families are tested by, too."""

from rookery.testing.family_case import case, number  # noqa: F401
from rookery.testing.test_family_losses import *  # noqa: F403
from rookery.testing.test_family_networks import *  # noqa: F403
from rookery.testing.test_family_spaces import *  # noqa: F403
from rookery.testing.test_family_training import *  # noqa: F403
