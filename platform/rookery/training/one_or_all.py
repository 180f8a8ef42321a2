"""Whether a CPU steps the networks of a pack all at once or one after the other: what is faster there.

Small dense layers are faster at once, convolutions one by one: those of several networks are one grouped
convolution, which is slow. The first steps are timed; the numbers that come out are the same, to rounding.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WARM_UP, _TIMED = 1, 3
"""Steps of each way: those that do not count, and those that do."""


class OneOrAll:
    """Times steps of both ways until it knows the faster one.

    Parameters
    ----------
    networks
        Of the pack.
    clock
        Tells the time.
    """

    def __init__(self, networks: int, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._left = [size for size in (networks, 1) for _ in range(_WARM_UP + _TIMED)]
        self._times: dict[int, list[float]] = {networks: [], 1: []}

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
