"""Ray actors that each open what they work with once, and then make one numbered part after the other.

A worker that dies loses the part that it was at, which another one makes; a new worker takes its place.
Parts must therefore be safe to make twice. Each worker is given runs of parts that follow each other, so that
what it reads as a stream is read once.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
Work = Callable[[int], Result]
_TRIES = 3
"""How often a part is begun by workers that die of it."""
_RUNS = 4
"""Runs of parts for each worker, so that the last ones end together."""


@dataclass(frozen=True)
class ActorPool:
    """Workers on a Ray cluster, or on a Ray of this process's own."""

    workers: int | None = None
    """How many; None: one for each GPU of the cluster, or for each CPU where there is none."""
    address: str | None = None
    """Of a cluster to join; by default a Ray of this machine's own, or the one that is connected."""

    def __post_init__(self) -> None:
        """Refuse a number of workers below 1."""
        if self.workers is not None and self.workers < 1:
            raise InputError(f"`workers` must be at least 1, but is {self.workers}")

    def map(self, begin: Callable[[], Work[Result]], parts: Sequence[int]) -> Iterator[tuple[int, Result]]:
        """Yield every part and its result, in the order in which they are done.

        Parameters
        ----------
        begin
            Called once in each worker; what it returns makes the parts. It must be one of a module, or a
            :func:`functools.partial` of one.
        parts
            Numbers, in rising order.

        Raises
        ------
        InputError
            What a worker raises as such; when a part's workers died three times; or as
            :func:`rookery.compute.session.ray_session` does.
        """
        if not parts:
            return
        from rookery.compute.session import ray_session

        with ray_session(self.address) as nodes:
            gpus = int(sum(node.get("GPU", 0) for node in nodes))
            cpus = int(sum(node.get("CPU", 0) for node in nodes))
            wanted = self.workers or gpus or max(1, cpus)
            yield from _Crew(begin, Runs(parts, wanted), min(wanted, len(parts)), bool(gpus)).results()


class Runs:
    """Numbers, cut into runs that follow each other; whoever has none left takes half of the longest."""

    def __init__(self, parts: Sequence[int], workers: int) -> None:
        size = max(1, -(-len(parts) // (_RUNS * workers)))
        self._free = deque(deque(parts[at : at + size]) for at in range(0, len(parts), size))
        self._of: dict[Any, deque[int]] = {}

    def next(self, worker: Any) -> int | None:
        """Return the next part of a worker, or None where none is left."""
        own = self._of.setdefault(worker, deque())
        if not own:
            if self._free:
                own = self._of[worker] = self._free.popleft()
            else:
                longest = max(self._of.values(), key=len)
                for _ in range(-(-len(longest) // 2)):
                    own.appendleft(longest.pop())
        return own.popleft() if own else None

    def give_back(self, worker: Any, part: int | None) -> None:
        """Take the parts of a worker that is gone, and the one that it was at."""
        left = self._of.pop(worker, deque())
        if part is not None:
            left.appendleft(part)
        if left:
            self._free.appendleft(left)


class _Crew:
    """The workers of a map."""

    def __init__(self, begin: Callable[[], Work[Any]], runs: Runs, size: int, gpu: bool) -> None:
        import ray

        self._ray, self._begin, self._runs = ray, begin, runs
        self._hire = ray.remote(num_cpus=1, num_gpus=int(gpu), scheduling_strategy="SPREAD", max_restarts=0)(
            _Worker
        )
        self._asked: dict[Any, tuple[Any, int | None]] = {}  # what is awaited -> worker, part
        self._deaths: Counter[int | None] = Counter()
        for _ in range(size):
            self._open()

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield parts and results until all are done."""
        while self._asked:
            (done,), _ = self._ray.wait(list(self._asked), num_returns=1)
            worker, part = self._asked.pop(done)
            try:
                found = self._ray.get(done)
            except self._ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, InputError):
                    raise error.cause from None
                raise
            except self._ray.exceptions.RayActorError as error:
                self._replace(worker, part, error)
                continue
            self._ask(worker)
            if part is not None:
                yield part, found

    def _open(self) -> None:
        worker = self._hire.remote()
        self._asked[worker.open.remote(self._begin)] = worker, None

    def _ask(self, worker: Any) -> None:
        """Give a worker its next part; without one it ends."""
        if (part := self._runs.next(worker)) is not None:
            self._asked[worker.make.remote(part)] = worker, part

    def _replace(self, worker: Any, part: int | None, error: Exception) -> None:
        self._deaths[part] += 1
        reason = str(error).strip().splitlines()[0]
        if self._deaths[part] >= _TRIES:
            what = "before it began" if part is None else f"at part {part}"
            raise InputError(f"workers died {_TRIES} times {what}: {reason}") from error
        logger.warning("a worker died (%s); another one takes its place", reason)
        self._runs.give_back(worker, part)
        self._open()


class _Worker:
    """A process of the crew."""

    def open(self, begin: Callable[[], Work[Any]]) -> None:
        """Open what it works with; an error is told like any other."""
        self._work = begin()

    def make(self, part: int) -> Any:
        """Make a part."""
        return self._work(part)
