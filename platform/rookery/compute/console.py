"""Where progress is shown: standard error, unless the command line was told to be quiet."""

import os
import sys

from rich.console import Console

QUIET = "ROOKERY_QUIET"
"""Environment variable that ends all progress; `rookery --quiet` sets it."""


def progress_console() -> Console:
    """Return the console for progress and plans; results are another matter.

    Ray's workers are quiet: whoever gave them work tells how far it is.
    """
    return Console(stderr=True, quiet=bool(os.environ.get(QUIET)) or _is_ray_worker())


def _is_ray_worker() -> bool:
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    return bool(ray.get_runtime_context().worker.mode == ray.WORKER_MODE)
