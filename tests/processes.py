"""What tests of several processes share: free ports, and waiting for what must come."""

import socket
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psutil

T = TypeVar("T")
LEAN_HEAD = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
"""For the head of a :class:`ray.cluster_utils.Cluster`: no process that a test does not need."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], T], seconds: float = 180) -> T:
    """Return what `condition` finds as soon as it finds something; fail when it never does."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def wait_until_gone(processes: Iterable[psutil.Process], seconds: float = 60) -> None:
    """Wait for the end of processes; Ray's agents may stay: they look for their dead head for a minute."""
    left = [process for process in processes if not _is_agent(command_of(process))]
    _, alive = psutil.wait_procs(left, timeout=seconds)
    assert alive == []


def _is_agent(command: list[str]) -> bool:
    """Whether a command is an agent of Ray's: by the title that it takes, or before by what Python runs."""
    titled = "Agent" in "".join(command[:1])
    return titled or any(word.endswith(("/agent.py", "/agent/main.py")) for word in command[:4])


def command_of(process: psutil.Process) -> list[str]:
    """Return the words by which a process was started; none of one that has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # zombies too
        return []
