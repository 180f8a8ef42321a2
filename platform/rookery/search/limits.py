"""What ends a search before it has its number of trials: device time, or that little is left to gain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rookery.search.attributes import GAIN, SECONDS
from rookery_ensembles.errors import InputError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Attributes = Mapping[str, Any]
RECENT = 10
"""So many trials that ended last tell what the next one is expected to add to the ensemble."""


@dataclass(frozen=True)
class Limits:
    """When no more trials are asked for; those that run go on to their end.

    Raises
    ------
    InputError
        When a limit is not positive.
    """

    device_hours: float | None = None
    """Hours of devices that all trials took, those of earlier drivers counted."""
    tolerance: float | None = None
    """Expected gain of the next trial, in nats of the ensemble's cross-fitted log loss."""

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.device_hours is not None or self.tolerance is not None

    def __post_init__(self) -> None:
        for name, value in (("device_hours", self.device_hours), ("tolerance", self.tolerance)):
            if value is not None and not value > 0:
                raise InputError(f"`{name}` must be above 0, but is {value}")

    def reached(self, ended: Sequence[Attributes], running_seconds: float = 0.0) -> str | None:
        """Return in words which limit is reached, or None.

        Parameters
        ----------
        ended
            User attributes of the trials that have ended and count, in the order in which they did.
        running_seconds
            Device-seconds of those that run.
        """
        if self.device_hours is not None:
            hours = (running_seconds + sum(float(trial.get(SECONDS, 0.0)) for trial in ended)) / 3600
            if hours >= self.device_hours:
                return f"its trials took {hours:.3g} device-hours of {self.device_hours:g}"
        gain = expected_gain(ended)
        if self.tolerance is not None and gain is not None and gain < self.tolerance:
            rule = f"less than {self.tolerance:g}"
            return f"the last {RECENT} trials added {gain:.2g} each to the ensemble, {rule}"
        return None


def ended_trials(trials: "Iterable[FrozenTrial]", last: int | None = None) -> list[Attributes]:
    """Return the user attributes of trials that have ended, in that order.

    With `last`, those up to this number alone, in the order of their numbers: a deterministic study does not
    depend on who was faster.
    """
    ended = [trial for trial in trials if trial.state.is_finished()]
    if last is not None:
        chosen = sorted((t for t in ended if t.number <= last), key=lambda trial: trial.number)
    else:
        chosen = sorted(ended, key=lambda trial: (trial.datetime_complete, trial.number))
    return [trial.user_attrs for trial in chosen]


def expected_gain(ended: Sequence[Attributes]) -> float | None:
    """Return what the next trial is expected to add to the ensemble; None before twice `RECENT` have ended.

    The mean of what the last ones added, where what was stopped or failed added nothing.
    """
    if len(ended) < 2 * RECENT:
        return None
    return sum(float(trial.get(GAIN, 0.0)) for trial in ended[-RECENT:]) / RECENT
