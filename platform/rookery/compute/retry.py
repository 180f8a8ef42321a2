"""Calls to a server that may be away for a while."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE_SECONDS = 300.0
"""So long is a server that cannot be reached tried again."""
FOLDER_SECONDS = 60.0
"""So long is a folder that cannot be reached, such as one on NFS, tried again."""


def keep_trying(
    call: Callable[[], T],
    may_pass: Callable[[Exception], bool],
    what: str,
    seconds: float = PATIENCE_SECONDS,
) -> T:
    """Call again while it fails in a way that may pass, with growing pauses; the last error is raised.

    Parameters
    ----------
    call
        Idempotent: the answer to a call that was heard may be lost.
    what
        What cannot be reached, for the log.
    seconds
        No call is begun later than this after the first.
    """
    end, pause = time.monotonic() + seconds, 0.5
    while True:
        try:
            return call()
        except Exception as error:
            if not may_pass(error) or time.monotonic() + pause > end:
                raise
            logger.warning("%s cannot be reached (%s); tried again in %.1f s", what, reason(error), pause)
        time.sleep(pause)
        pause = min(2 * pause, 15.0)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, what caused that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def reason(error: BaseException) -> str:
    """Return the first line of what lies behind an error."""
    cause = error.__cause__ or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
