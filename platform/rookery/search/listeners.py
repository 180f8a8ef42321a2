"""Who hears how a search goes: the display, Prometheus, the costs of trials, what stops a broken study."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

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


LABELS = ("study", "family")
GAUGES = {
    "rookery_trials": "Trials of the study by state.",
    "rookery_best_value": "Best value of the objective so far.",
    "rookery_trials_wanted": "Trials that the study shall have.",
}
COUNTERS = {
    "rookery_epochs_total": "Epochs that this driver's trials have finished.",
    "rookery_device_seconds_total": "Seconds of devices in those epochs.",
    "rookery_energy_joules_total": "Energy of devices in those epochs, where they tell.",
}
HISTOGRAMS = {"rookery_epoch_seconds": "Seconds of an epoch."}
BOUNDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
_STATES = ("complete", "pruned", "failed", "running")
_EVERY_SECONDS = 1.0
_LAST: "list[Telemetry]" = []
"""The last study's metrics: Ray forgets what it has not sent yet of one that nobody holds."""


class Telemetry(Listener):
    """The metrics of one study for Prometheus, which every Ray node serves at its metrics port.

    Needs a Ray that this process is connected to, which puts ``ray_`` before every name. The driver alone
    tells: all that a worker reports passes through it. Ray sends the values from time to time, so that
    nothing waits where nobody looks.
    """

    def __init__(self, study: str, family: str, n_trials: int) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        self._labels = {"study": study, "family": family}
        self._gauges: dict[str, Any] = {
            name: Gauge(name, text, (*LABELS, "state") if name == "rookery_trials" else LABELS)
            for name, text in GAUGES.items()
        }
        self._counters: dict[str, Any] = {
            name: Counter(name, text, LABELS) for name, text in COUNTERS.items()
        }
        self._epochs: Any = Histogram(
            "rookery_epoch_seconds", HISTOGRAMS["rookery_epoch_seconds"], list(BOUNDS), LABELS
        )
        self._n_trials = n_trials
        self._told = -1.0
        _LAST[:] = [self]

    def update(
        self, counts: TrialCounts, running: Sequence[RunningTrial] = (), *, last: bool = False
    ) -> None:
        """Tell how the study stands; at most once a second unless it is the last word."""
        now = time.monotonic()
        if now - self._told < _EVERY_SECONDS and not last:
            return
        self._told = now
        # Ray forgets a gauge that is not set again within some tens of seconds.
        self._gauges["rookery_trials_wanted"].set(self._n_trials, self._labels)
        for state in _STATES:
            self._gauges["rookery_trials"].set(getattr(counts, state), {**self._labels, "state": state})
        if counts.best is not None:
            self._gauges["rookery_best_value"].set(counts.best, self._labels)

    def epoch(self, spent: Mapping[str, float]) -> None:
        """Count an epoch and what it took."""
        self._counters["rookery_epochs_total"].inc(1, self._labels)
        if seconds := spent.get("seconds"):
            self._counters["rookery_device_seconds_total"].inc(seconds, self._labels)
            self._epochs.observe(seconds, self._labels)
        if joules := spent.get("joules"):
            self._counters["rookery_energy_joules_total"].inc(joules, self._labels)
