"""What a running search tells Prometheus, through Ray: every Ray node serves it at its metrics port.

The driver alone tells: all that a worker reports passes through it. Ray sends the values from time to time,
so that nothing waits where nobody looks.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rookery.search.listeners import Listener
from rookery.search.trial_counts import RunningTrial, TrialCounts

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
    """The metrics of one study. Needs a Ray that this process is connected to.

    Ray puts ``ray_`` before every name that it exports.
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
