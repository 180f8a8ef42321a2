"""How many networks of a pack a CPU steps at once: all, some, or one after the other, what is fastest there.

At once, what a step costs beside arithmetic is paid once. But the activations of all networks must pass
through the processor's caches with every operation, which those of a few fit into; and convolutions of
several networks are one grouped convolution, which is slow. The first steps are timed; the numbers that come
out are the same, to rounding.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WARM_UP, _TIMED = 1, 3
"""Steps of each way: those that do not count, and those that do."""
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
    """

    def __init__(self, networks: int, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        ways = list(_ways(networks))
        self._left = [size for size in ways for _ in range(_WARM_UP + _TIMED)]
        self._times: dict[int, list[float]] = {size: [] for size in ways}

    @property
    def decided(self) -> bool:
        """Whether all steps were timed."""
        return not self._left

    @property
    def best(self) -> int:
        """The number at once whose shortest step was the shortest."""
        return min(self._times, key=lambda size: min(self._times[size][_WARM_UP:]))

    @contextmanager
    def timed(self) -> Iterator[int]:
        """Yield how many shall step at once, for a step that counts when it ends."""
        size, start = self._left[0], self._clock()
        yield size
        self._left.pop(0)
        self._times[size].append(self._clock() - start)


def _ways(networks: int) -> Iterator[int]:
    """Yield numbers of networks at once, from all to one."""
    while networks > 1:
        yield networks
        networks = -(-networks // _PARTS)
    yield 1
