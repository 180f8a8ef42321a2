"""A Ray of this process's own, with no more processes than its work needs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)
STARTS = 3
"""How often a Ray is started before it counts as one that does not come up."""
UNUSED = ("start_monitor", "start_log_monitor", "start_api_server")
"""What Ray's node starts at a head that nobody here asks, a Python process each."""


def start_own_ray(**options: Any) -> None:
    """Start a Ray of this process's own and connect to it; again where its raylet does not come up.

    A Ray of one machine does not grow (the autoscaler's monitor), its workers' output stays in their
    files (the log monitor), and with its dashboard left out Ray 2.60 still starts the server of it, for
    statistics of use alone. Each of them imports Ray, and they take half of what a start takes.

    Parameters
    ----------
    options
        Those of :func:`ray.init`.

    Raises
    ------
    InputError
        When it does not come up in `STARTS` tries.
    """
    import ray

    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    for start in range(1, STARTS + 1):
        try:
            with _without(UNUSED):
                ray.init(address="local", **quiet, **options)
            return
        except Exception as error:
            # Ray 2.60 raises a bare Exception where its raylet does not answer within 30 s.
            if type(error) is not Exception:
                raise
            ray.shutdown()
            if start == STARTS:
                rule = f"did not come up in {STARTS} tries; this machine may be overloaded"
                raise InputError(f"Ray: {rule} ({error}); the same command tries again") from error
            logger.warning("Ray did not come up on this machine (%s); starting it again", error)


@contextmanager
def _without(methods: tuple[str, ...]) -> Iterator[None]:
    """Let Ray's node leave these out: `ray start` has options for some of them, `ray.init` for none."""
    from ray._private import node

    def start_nothing(self: Any, **_: Any) -> None:
        """Leave the process out."""

    whole = node.Node
    node.Node = type("LeanNode", (whole,), dict.fromkeys(methods, start_nothing))
    try:
        yield
    finally:
        node.Node = whole
