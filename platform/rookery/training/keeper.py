"""When a member's checkpoints are written: small ones at once, large ones by a thread beside the training."""

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from rookery.compute.interruption import noticed
from rookery.training.checkpoint import save_checkpoint
from rookery.training.job import TrainingJob
from rookery.training.progress import Progress

logger = logging.getLogger(__name__)
SMALL_BYTES = 2**24
"""A checkpoint of fewer bytes is written within a tenth of a second: no thread is worth its while."""
MOST_PART = 0.1
"""Part of the time that a thread may spend on writing ..."""
LONGEST_PAUSE = 60.0
"""... but no longer than this, in seconds, lies between two checkpoints."""


class Keeper:
    """Writes one member's checkpoints; a context, at whose end nothing is written any more.

    The newest progress that waits takes the place of an older one. An error of the thread is raised by the
    next call. Progress is not copied: its tensors must not change (those of
    :meth:`rookery.training.alone.Stepped.state` do not).
    """

    def __init__(self, path: Path, job: TrainingJob) -> None:
        self._path, self._job = path, job
        self._state = threading.Condition()
        self._waiting: Progress | None = None
        self._busy = self._hurry = self._closed = False
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits after an error; without one the member is written, and nothing waits for long."""
        self.close(discard=error is None)

    def keep(self, progress: Progress) -> None:
        """Let progress be written; at once where it is small, or where this process is told to end."""
        self._raise()
        if progress_bytes(progress) < SMALL_BYTES:
            save_checkpoint(self._path, self._job, progress)
            return
        with self._state:
            self._waiting = replace(progress, history=list(progress.history))
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="checkpoints", daemon=True)
                self._thread.start()
            self._state.notify_all()
        if noticed():
            self.flush()

    def flush(self) -> None:
        """Wait until all is written."""
        with self._state:
            self._hurry = True
            self._state.notify_all()
            self._state.wait_for(lambda: not self._busy and self._waiting is None)
            self._hurry = False
        self._raise()

    def close(self, *, discard: bool) -> None:
        """End the thread, which writes what waits, or with `discard` does not."""
        with self._state:
            if discard:
                self._waiting = None
            self._closed = True
            self._state.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            logger.warning("%s: not written (%s)", self._path, self._error)

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self) -> None:
        """Write whatever comes, with pauses; after an error nothing until that was raised."""
        pause_until = 0.0
        while True:
            with self._state:
                self._state.wait_for(lambda: self._closed or self._waiting is not None)
                left = pause_until - time.monotonic()
                if left > 0:
                    self._state.wait_for(lambda: self._closed or self._hurry, timeout=left)
                progress, self._waiting = self._waiting, None
                if progress is None:
                    return
                self._busy = True
            start = time.monotonic()
            try:
                save_checkpoint(self._path, self._job, progress)
            except Exception as error:  # noqa: BLE001  # raised in the thread that trains
                self._error = error
            finally:
                end = time.monotonic()
                pause_until = end + min(LONGEST_PAUSE, (end - start) * (1 / MOST_PART - 1))
                with self._state:
                    self._busy = False
                    self._state.notify_all()


def progress_bytes(progress: Progress) -> int:
    """Return the bytes of all its tensors."""
    parts = progress.network, progress.best, progress.optimizer
    return sum(value.numel() * value.element_size() for part in parts for value in part.values())
