"""When work that others do will be done: by what ended lately, and steadily, however often one asks."""

import math
import time
from collections.abc import Callable, Sequence

_LATELY = 30
_SLOWEST = 20.0


def time_left(done: int, wanted: int | None, ends: Sequence[float], now: float) -> float | None:
    """Return the seconds that are left; None where nothing tells.

    Parameters
    ----------
    done, wanted
        Of trials or networks.
    ends
        When those that are done ended (Unix time); the last 30 tell the rate.
    """
    if wanted is None:
        return None
    if done >= wanted:
        return 0.0
    last = sorted(ends)[-_LATELY:]
    if len(last) < 2 or last[-1] <= last[0]:
        return None
    each = (last[-1] - last[0]) / (len(last) - 1)
    return max(0.0, (wanted - done) * each - max(0.0, now - last[-1]))


class Arrival:
    """The end that estimates point to: it follows them slowly, so that the time left does not jump."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end, self._at = clock, math.nan, 0.0

    def left(self, estimate: float | None) -> float | None:
        """Return the seconds left, given a new estimate of them; None where there is none."""
        if estimate is None:
            return None
        now = self._clock()
        if math.isnan(self._end):
            self._end = now + estimate
        else:  # what is far away may be known late
            weight = -math.expm1(-(now - self._at) / max(_SLOWEST, 0.1 * estimate))
            self._end += weight * (now + estimate - self._end)
        self._at = now
        return max(0.0, self._end - now)
