"""Where progress is shown: standard error, unless the command line was told to be quiet."""

import os

from rich.console import Console

QUIET = "ROOKERY_QUIET"
"""Environment variable that ends all progress; `rookery --quiet` sets it."""


def progress_console() -> Console:
    """Return the console for progress and plans; results are another matter."""
    return Console(stderr=True, quiet=bool(os.environ.get(QUIET)))
