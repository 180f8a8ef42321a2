"""Who hears how a search goes: the display, Prometheus, the costs of trials, what stops a broken study."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from optuna.trial import FrozenTrial, TrialState

from rookery.search.costs import write_costs
from rookery.search.trial_counts import RunningTrial, TrialCounts

if TYPE_CHECKING:
    import optuna


FAILURES_ALIKE = 5
"""So many first trials that fail alike stop a study: no configuration explains it."""


class Search(Protocol):
    """What a listener may do to the search that it hears."""

    counts: TrialCounts

    def stop(self, reason: str) -> None:
        """Stop asking for trials."""

    def try_again(self, failed: Sequence[FrozenTrial]) -> None:
        """Let failed trials count no more, and have their configurations tried by a later run."""


class Listener:
    """Hears what becomes of trials. A listener overrides what it wants to hear."""

    def update(self, counts: TrialCounts, running: Sequence[RunningTrial]) -> None:
        """Hear how the study stands; called whenever that may have changed, and often."""

    def epoch(self, spent: Mapping[str, float]) -> None:
        """Hear that a network ended an epoch, and what it took: `seconds` of a device, and `joules`."""

    def ending(self, trial: "optuna.Trial", steps: Sequence[Mapping[str, float]]) -> None:
        """Hear that a trial is about to be told, and what its epochs took; writes are told with it."""

    def ended(self, search: Search, trial: FrozenTrial, kind: str | None) -> None:
        """Hear how a trial ended; `kind` is alike in errors of one cause."""


class CostsOfTrials(Listener):
    """Keeps what a trial took among its attributes."""

    def ending(self, trial: "optuna.Trial", steps: Sequence[Mapping[str, float]]) -> None:
        """Write it down."""
        write_costs(trial, steps)


class FirstFailures(Listener):
    """Stops a study whose first trials all fail alike, and has their configurations tried again later.

    It watches how the trials of a driver fail until one of them comes to anything, or fails otherwise.
    """

    def __init__(self) -> None:
        self._alike: list[FrozenTrial] = []
        self._kind: str | None = None

    def ended(self, search: Search, trial: FrozenTrial, kind: str | None) -> None:
        """Note a failure."""
        if trial.state is not TrialState.FAIL:
            return
        counts = search.counts
        if counts.complete or counts.pruned or kind is None or self._kind not in (None, kind):
            self._kind = ""  # what follows is no longer alike
            return
        self._kind = kind
        self._alike.append(trial)
        if len(self._alike) < FAILURES_ALIKE:
            return
        rule = f"the first {FAILURES_ALIKE} trials failed alike, which no configuration explains"
        search.stop(f"{rule} ({counts.first_error})")
        search.try_again(self._alike if len(self._alike) == FAILURES_ALIKE else [trial])
