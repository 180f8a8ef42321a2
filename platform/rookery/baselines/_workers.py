"""Who fits light curves: Ray tasks on this machine or a cluster, or this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from rookery_ensembles.errors import InputError

Block = TypeVar("Block")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """Where the fits of a baseline run; the fits are the same wherever they do.

    Attributes
    ----------
    session
        Connects to Ray while it is entered; None: everything runs in this process.
    processes
        Blocks of objects that Ray fits at once; None: as many as the cluster has CPUs, or, where
        `alone_below` objects or fewer are to be fitted and no cluster was named, in this process,
        since that is done before Ray has started. 0: in this process.
    cluster
        Whether `session` joins a cluster that the user named.
    """

    session: Callable[[], AbstractContextManager[Any]] | None = None
    processes: int | None = None
    cluster: bool = False

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        if self.processes is not None and self.processes < 0:
            raise InputError(f"`processes` must be at least 0, but is {self.processes}")
        if self.cluster and self.processes == 0:
            raise InputError("`processes` must be at least 1 with `address`, but is 0 (in this process)")

    def map(
        self,
        function: Callable[[Block], Result],
        blocks: Iterable[Block],
        *,
        n_objects: int,
        alone_below: int,
    ) -> Iterator[Result]:
        """Yield ``function(block)`` of every block, in their order.

        `function` must be picklable and `n_objects` is how many objects all blocks hold. An
        InputError in a worker is raised here.
        """
        few = self.processes is None and not self.cluster and n_objects < alone_below
        if self.session is None or self.processes == 0 or few:
            yield from map(function, blocks)
            return
        with self.session():
            yield from _ray_map(function, blocks, self.processes)


def _ray_map(
    function: Callable[[Block], Result], blocks: Iterable[Block], processes: int | None
) -> Iterator[Result]:
    """Run `function` in Ray tasks; never are many more blocks in the object store than are fitted at once."""
    import ray

    at_once = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
    task = ray.remote(num_cpus=1)(_call)
    # A few blocks more than run, so that nobody waits; unless the user bounds what runs.
    window = at_once if processes else at_once + 2
    waiting: list[Any] = []
    running: set[Any] = set()
    source = iter(blocks)
    exhausted = False
    while waiting or not exhausted:
        while not exhausted and len(running) < window and len(waiting) < 4 * window:
            block = next(source, None)
            if block is None:
                exhausted = True
                break
            waiting.append(task.remote(function, block))
            running.add(waiting[-1])
        if running:
            done, _ = ray.wait(list(running), num_returns=1)
            running -= set(done)
        while waiting and waiting[0] not in running:
            yield _result(ray, waiting.pop(0))


def _call(function: Callable[[Block], Result], block: Block) -> Result:
    return function(block)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from None
        raise
