"""How many networks of a pack step at once: all, some, or one after the other, what is fastest there.

On a CPU: at once, what a step costs beside arithmetic is paid once. But the activations of all networks must
pass through the processor's caches with every operation, which those of a few fit into; and convolutions of
several networks are one grouped convolution, which is slow. On a GPU a graph of each network is a third way
(:mod:`rookery.training.graphs`). The first steps are timed; the numbers that come out are the same, to
rounding.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_WARM_UP, _TIMED = 1, 3
"""Steps of each way: those that do not count, and those that do."""
_MORE = 2
"""Where ways are given, so many times as many: 8 steps of each."""
GRAPHS = 0
"""The way that steps each network by a graph of its own, among those that are numbers at once."""
_PARTS = 4
"""Each way steps so many times fewer networks at once than the one before."""


class AtOnce:
    """Times steps of each way until it knows the fastest one.

    Parameters
    ----------
    networks
        Of the pack.
    clock
        Tells the time.
    ways
        To time; by default those of a CPU.
    """

    def __init__(
        self,
        networks: int,
        clock: Callable[[], float] = time.process_time,
        ways: Sequence[int] | None = None,
    ) -> None:
        self._clock, self._networks = clock, networks
        self._warm_up, steps = (_WARM_UP, _WARM_UP + _TIMED) if ways is None else (_MORE, 4 * _MORE)
        ways = list(_ways(networks)) if ways is None else list(dict.fromkeys(ways))
        self._left = [size for size in ways for _ in range(steps)]
        self._times: dict[int, list[float]] = {size: [] for size in ways}

    @property
    def decided(self) -> bool:
        """Whether all steps were timed."""
        return not self._left

    @property
    def best(self) -> int:
        """The number at once whose shortest step was the shortest."""
        return min(self._times, key=self._shortest)

    @property
    def milliseconds(self) -> dict[str, float]:
        """The shortest step of each way, by its name."""
        return {name_of(way, self._networks): round(1e3 * self._shortest(way), 4) for way in self._times}

    def _shortest(self, way: int) -> float:
        return min(self._times[way][self._warm_up :])

    def drop(self, way: int) -> None:
        """Time this way no more, nor take it: it failed."""
        self._left = [other for other in self._left if other != way]
        del self._times[way]

    @contextmanager
    def timed(self) -> Iterator[int]:
        """Yield how many shall step at once, for a step that counts when it ends."""
        size, start = self._left[0], self._clock()
        yield size
        self._left.pop(0)
        self._times[size].append(self._clock() - start)


def name_of(way: int, networks: int) -> str:
    """Return what a card calls a way: `fused` is all networks at once."""
    if way == GRAPHS:
        return "graphs"
    return "loop" if way == 1 else "fused" if way >= networks else f"fused {way}"


def _ways(networks: int) -> Iterator[int]:
    """Yield numbers of networks at once, from all to one."""
    while networks > 1:
        yield networks
        networks = -(-networks // _PARTS)
    yield 1
