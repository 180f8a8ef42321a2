"""Notice that this process shall end: SIGTERM, as a preempted node or a batch system sends it.

Training looks here after every step: with notice it saves a checkpoint in the middle of its epoch and
ends with :class:`InterruptedTraining`, so that whoever takes the member up goes on from that very step.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

logger = logging.getLogger(__name__)
_noticed = threading.Event()
_training = threading.Lock()
EXIT_STATUS = 128 + signal.SIGTERM
"""What a worker ends with after its checkpoint."""


class InterruptedTraining(BaseException):
    """Training ended after a notice; its checkpoint is saved."""


def noticed() -> bool:
    """Whether this process was told to end."""
    return _noticed.is_set()


def forget() -> None:
    """Take the notice back: for tests, and for a process that goes on after all."""
    _noticed.clear()


def listen() -> None:
    """Take SIGTERM as notice from now on. Must be called in the main thread.

    While no training goes on the process ends at once; else the thread that trains ends it, by
    :func:`leave`, as soon as its checkpoint is saved.
    """
    signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    _noticed.set()
    if not _training.locked():
        raise SystemExit(EXIT_STATUS)


@contextmanager
def training() -> Iterator[None]:
    """Mark that this process trains, so that a notice waits for the checkpoint."""
    with _training:
        yield


def leave() -> None:
    """End this process at once, from whatever thread: its checkpoint is saved, nothing else matters."""
    logger.warning("told to end: the checkpoint is saved, this process ends")
    os._exit(EXIT_STATUS)
