"""A driver watches the two Ray processes that it cannot do without: the head (GCS) and its node's raylet.

Ray itself waits for ever when the raylet is gone, and for a minute when the head is, before it ends the
process from within with pages of text. What was trained is safe: members and checkpoints lie in the study,
and the Optuna storage is durable. Both processes are asked for at the ports that they listen on, so that it
does not matter who started them, or where.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rookery_ensembles.errors import InputError

REFUSED_SECONDS = 5.0
"""A process is given up when its machine has said for so long that nobody listens there."""
SILENT_SECONDS = 12.0
"""A process is given up when its machine has not answered at all for so long."""
END_SECONDS = 18.0
"""So long after the last answer this process is ended, if it could not be ended in order."""
_AGAIN_SECONDS = 3.0
_TIMEOUT = 3.0


@dataclass
class Watched:
    """A process that listens on a port."""

    name: str
    host: str
    port: int
    """What messages call it, and where it listens."""
    answered: float = field(default_factory=time.monotonic)
    """When it last did, by the monotonic clock."""

    def silence(self) -> OSError | None:
        """Ask whether it is there; return the error when nobody answers."""
        try:
            socket.create_connection((self.host, self.port), timeout=_TIMEOUT).close()
        except OSError as error:
            return error
        self.answered = time.monotonic()
        return None

    def verdict(self) -> str | None:
        """Ask whether it is there; return why it is given up, or None."""
        error = self.silence()
        silent = time.monotonic() - self.answered
        patience = REFUSED_SECONDS if isinstance(error, ConnectionRefusedError) else SILENT_SECONDS
        if error is None or silent <= patience:
            return None
        return f"{self.name} has not answered for {silent:.0f} s ({error})"


def watch_ray(address: str | None) -> "Watchdog":
    """Watch the head, and this node's raylet, of the Ray that this process is connected to."""
    import ray

    context = ray.get_runtime_context()
    here = next(node for node in ray.nodes() if node["NodeID"] == context.get_node_id())
    host, _, port = context.gcs_address.rpartition(":")
    whose = "of this machine's own Ray" if address is None else "of the Ray cluster"
    raylet = Watched("the raylet of this node", str(here["NodeManagerAddress"]), int(here["NodeManagerPort"]))
    head = Watched(f"the head {whose}", host.strip("[]"), int(port))
    return Watchdog("" if address is None else f"--address {address}: ", (head, raylet))


class Watchdog:
    """Ends the work on a Ray whose head or raylet is gone, with one error.

    The main thread is interrupted as by Ctrl-C, so that it may end in order and its caller gets an
    :class:`InputError`. Where that cannot be, since the work is in another thread or does not end within
    `END_SECONDS` of the last answer, the process ends with exit status 2: nothing else stops a call into Ray.
    """

    def __init__(self, where: str, watched: Sequence[Watched]) -> None:
        self._where, self._watched = where, watched
        self._in_main = threading.current_thread() is threading.main_thread()
        self._left, self._stopped = threading.Event(), threading.Event()
        self._judged = threading.Event()
        self._lost: str | None = None
        threading.Thread(target=self._watch, name="rookery-watchdog", daemon=True).start()

    def judge(self) -> None:
        """Say that the work has ended, by whatever error; raise that of Ray's loss when it is behind it."""
        self._left.set()
        # Calls into Ray may fail before its loss is certain.
        if any(watched.silence() for watched in self._watched):
            self._judged.wait(SILENT_SECONDS + _TIMEOUT)
        if self._lost is not None:
            raise InputError(self._lost)

    def stop(self) -> None:
        """Watch no longer."""
        self._left.set()
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(1.0):
            for watched in self._watched:
                verdict = watched.verdict()
                if verdict is not None and not self._stopped.is_set():
                    what = "it may have been killed for want of memory"
                    then = "nothing finished is lost; the same command goes on, here or on another cluster"
                    self._lost = f"{self._where}{verdict}; {what}; {then}"
                    self._judged.set()
                    self._end(watched.answered + END_SECONDS)
                    return

    def _end(self, deadline: float) -> None:
        """Interrupt the work; end the process when that does not help in time."""
        # Ray Tune takes the first Ctrl-C as a wish, the second one as an order.
        while self._may_interrupt() and time.monotonic() < deadline:
            signal.pthread_kill(_main_thread(), signal.SIGINT)
            self._left.wait(min(_AGAIN_SECONDS, max(0.0, deadline - time.monotonic())))
        if self._in_main and self._stopped.wait(max(0.0, deadline - time.monotonic())):
            return
        sys.stderr.write(f"\nerror: {self._lost}\n")
        sys.stderr.flush()
        os._exit(2)

    def _may_interrupt(self) -> bool:
        """Whether the work still goes on, in the main thread, and Ctrl-C means something there."""
        return self._in_main and not self._left.is_set() and callable(signal.getsignal(signal.SIGINT))


def _main_thread() -> int:
    identity = threading.main_thread().ident
    assert identity is not None
    return identity
