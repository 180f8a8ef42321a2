"""Many parts of one work at once: in Ray tasks, or in plain processes of this machine.

Both yield ``function(part)`` of every part, in the order of the parts: what comes out does not depend on who
makes which. `function` must be one of a module, or a :func:`functools.partial` of one.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from rookery_ensembles.errors import InputError

Part = TypeVar("Part")
Result = TypeVar("Result")
_END: Any = object()


@dataclass(frozen=True)
class RayPool:
    """Ray tasks of one CPU each, on this machine or a cluster, or this process."""

    address: str | None = None
    """Of a cluster to join; by default a Ray of this machine's own, or the one that is connected."""
    processes: int | None = None
    """Parts that Ray works on at once; None: as many as the cluster has CPUs. 0: all in this process."""

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        if self.processes is not None and self.processes < 0:
            raise InputError(f"`processes` must be at least 0, but is {self.processes}")
        if self.address is not None and self.processes == 0:
            raise InputError("`processes` must be at least 1 with `address`, but is 0 (in this process)")

    def map(
        self, function: Callable[[Part], Result], parts: Iterable[Part], *, small: bool = False
    ) -> Iterator[Result]:
        """Yield every part's result. An InputError in a task is raised here.

        `small` work is done in this process, before Ray would have started, unless a cluster or a number
        of processes was given.
        """
        if self.processes == 0 or (small and self.processes is None and self.address is None):
            yield from map(function, parts)
            return
        from rookery.compute.session import ray_session

        with ray_session(self.address):
            yield from _ray_map(function, parts, self.processes)


@dataclass(frozen=True)
class ProcessPool:
    """Processes of this machine, without Ray.

    They are started as commands, not by multiprocessing: that would run a caller's script again in each of
    them, unless the script is guarded. Each is given its next part when its result is taken, so that it
    holds one at most.
    """

    processes: int
    """How many; 1: this process."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of theirs, where this process has no others."""

    @classmethod
    def for_parts(
        cls,
        parts: int,
        processes: int | None,
        *,
        most: int,
        worth: int,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a pool of the wanted number of processes, or of one a core, as far as parts suffice.

        By default no more than `most`, each with `worth` parts at least: a process takes a while to start.
        """
        if processes is None:
            processes = max(1, min(available_cores(), most, parts // worth))
        return cls(min(processes, parts), environment or {})

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """Yield every part's result.

        Raises
        ------
        RuntimeError
            When a process ends, with its last words.
        """
        if self.processes == 1:
            yield from map(function, parts)
            return
        source = iter(parts)
        asked: deque[_Process] = deque()

        def ask(process: _Process) -> None:
            if (part := next(source, _END)) is not _END:
                process.send(part)
                asked.append(process)

        with ExitStack() as stack:
            for _ in range(self.processes):
                process = _Process(function, self.environment)
                stack.callback(process.end)
                ask(process)
            while asked:
                process = asked.popleft()
                result = process.receive()
                ask(process)
                yield result


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ray_map(
    function: Callable[[Part], Result], parts: Iterable[Part], processes: int | None
) -> Iterator[Result]:
    """Run `function` in Ray tasks; few more parts are in the object store than are worked on."""
    import ray

    at_once = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
    task = ray.remote(num_cpus=1)(_call)
    # A few parts more than run, so that nobody waits; unless the user bounds what runs.
    window = at_once if processes else at_once + 2
    waiting: list[Any] = []
    running: set[Any] = set()
    source = iter(parts)
    exhausted = False
    while waiting or not exhausted:
        while not exhausted and len(running) < window and len(waiting) < 4 * window:
            if (part := next(source, _END)) is _END:
                exhausted = True
                break
            waiting.append(task.remote(function, part))
            running.add(waiting[-1])
        if running:
            done, _ = ray.wait(list(running), num_returns=1)
            running -= set(done)
        while waiting and waiting[0] not in running:
            yield _result(ray, waiting.pop(0))


def _call(function: Callable[[Part], Result], part: Part) -> Result:
    return function(part)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from None
        raise


class _Process:
    """One process of a :class:`ProcessPool`; values go to and fro through its standard input and output."""

    def __init__(self, function: Callable[[Any], Any], environment: Mapping[str, str]) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `end`
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**environment, **os.environ, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
        )
        self.send(function)

    def send(self, value: Any) -> None:
        """Give it a value; a process that has ended is found out when its answer is read."""
        assert self._process.stdin is not None
        try:
            pickle.dump(value, self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def receive(self) -> Any:
        """Wait for its answer."""
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            code = self._process.wait()
            self._messages.seek(0)
            lines = self._messages.read().decode(errors="replace").strip().splitlines() or [""]
            raise RuntimeError(f"a worker process ended with {code}: {lines[-1]}") from error

    def end(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.communicate()
        self._messages.close()


def _serve() -> None:
    """Answer every part on standard input until there is none; what is printed is a message."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        function = pickle.load(sys.stdin.buffer)
        while True:
            try:
                part = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            pickle.dump(function(part), answers)
            answers.flush()


if __name__ == "__main__":
    _serve()
