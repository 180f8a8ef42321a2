"""When somebody is told of a search or campaign: it finished, stopped, fails too often, or stands still."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from rookery.compute.messenger import Messenger
from rookery.search.listeners import Listener, Search
from rookery.search.trial_counts import RunningTrial, TrialCounts
from rookery.words import count, duration

FAILING_SHARE, FEWEST_FAILURES = 0.2, 3
"""Trials of this run that failed, of those that ended; and so many at least."""
STILL_SECONDS, STILL_EPOCHS = 600.0, 5.0
"""No epoch for so long, and for so many of the longest epoch, while something runs."""


class Sender(Protocol):
    """Whoever passes messages on; see :class:`rookery.compute.messenger.Messenger`."""

    def send(self, text: str, facts: Mapping[str, Any]) -> None:
        """Send a message soon."""

    def close(self) -> None:
        """Wait for what is under way, but not for long."""


class Notices(Listener):
    """Hears how the trials of a search, or the networks of a campaign, go, and tells what matters, once."""

    def __init__(
        self,
        sender: Sender,
        name: str,
        things: str,
        metric: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender, self._name, self._things, self._clock = sender, name, things, clock
        self._metric = metric
        self._best: float | None = None
        self._ended = self._failed = 0
        self._last, self._longest = clock(), 0.0
        self._failing = self._still = False

    def update(self, counts: TrialCounts, running: Sequence[RunningTrial] = ()) -> None:
        """Hear how a study stands."""
        self._best = counts.best
        self.look(len(running))

    def epoch(self, spent: Mapping[str, float]) -> None:
        """Hear that a network ended an epoch."""
        self._last, self._still = self._clock(), False
        self._longest = max(self._longest, spent.get("seconds", 0.0))

    def ended(self, search: Search, trial: FrozenTrial, kind: str | None) -> None:
        """Hear how a trial ended."""
        error = str(trial.user_attrs.get("error") or "failed without a word").splitlines()[0]
        self.count(error if trial.state is TrialState.FAIL else None)

    def count(self, error: str | None) -> None:
        """Hear that one ended, with its error if it failed."""
        self._last = self._clock()
        self._ended, self._failed = self._ended + 1, self._failed + (error is not None)
        often = self._failed >= FEWEST_FAILURES and self._failed > FAILING_SHARE * self._ended
        if error is not None and often and not self._failing:
            self._failing = True
            share = f"{self._failed} of {self._ended} {self._things} of this run failed"
            self._tell("failing", f"fails too often: {share}, the last one: {error}")

    def look(self, running: int) -> None:
        """Hear how many run; to be called often."""
        if not running:
            self._last = self._clock()
        silent = self._clock() - self._last
        if not self._still and silent > max(STILL_SECONDS, STILL_EPOCHS * self._longest):
            self._still = True
            what = f"no epoch ended for {duration(silent)} while {running} {self._things} run"
            self._tell("standing still", f"stands still: {what}")

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell how the work within ends, and wait a moment until that is said."""
        try:
            yield
        except BaseException as error:
            why = "it was told to" if isinstance(error, KeyboardInterrupt) else type(error).__name__
            text = str(error).splitlines()[0] if str(error) else why
            self._tell("stopped", f"stopped: {text}; the same command goes on with it")
            raise
        else:
            self._tell("finished", f"finished: {self._words()}")
        finally:
            self._sender.close()

    def _words(self) -> str:
        done = f"{count(self._ended, self._things.removesuffix('s'))} in this run, {self._failed} failed"
        return done if self._best is None else f"{done}; best {self._metric} {self._best:.5g}"

    def _tell(self, event: str, text: str) -> None:
        facts = {"event": event, "name": self._name, "ended": self._ended, "failed": self._failed}
        self._sender.send(f"{self._name} {text}", {**facts, "best": self._best, "metric": self._metric})


@contextmanager
def telling(target: str | None, name: str, things: str, metric: str | None = None) -> Iterator[list[Notices]]:
    """Yield who tells a webhook or command of the work within; none without a target."""
    if target is None:
        yield []
        return
    notices = Notices(Messenger(target), name, things, metric)
    with notices.told():
        yield [notices]
