"""How a study stands while it is searched: how many trials are in which state, and how far they are."""

from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState


@dataclass
class TrialCounts:
    """How many trials are in which state, and the best value so far."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    best: float | None = None
    best_trial: int | None = None
    first_error: str | None = None
    """First line of the error of the first failed trial."""

    @property
    def finished(self) -> int:
        """Trials that need no more work."""
        return self.complete + self.pruned + self.failed

    def count(self, trial: FrozenTrial, direction: str) -> None:
        """Count a trial that has ended; `direction` is that of its first value."""
        if trial.state is TrialState.COMPLETE:
            self.complete += 1
            value = trial.values[0]
            minimize = direction == "minimize"
            if self.best is None or (value < self.best if minimize else value > self.best):
                self.best, self.best_trial = value, trial.number
        elif trial.state is TrialState.PRUNED:
            self.pruned += 1
        elif trial.state is TrialState.FAIL:
            self.failed += 1
            error = str(trial.user_attrs.get("error") or "failed without a word").strip()
            self.first_error = self.first_error or f"trial {trial.number}: {error.splitlines()[0]}"


@dataclass(frozen=True)
class RunningTrial:
    """How far a running trial is."""

    trial: int
    step: int
    """Epochs that count as done, of all its networks."""
    epochs: int
    """Of each of its networks."""
    networks: int
    """How many it has."""

    @property
    def fraction(self) -> float:
        """What is done of it, from 0 to 1: a network may end before its last epoch."""
        return min(1.0, self.step / (self.epochs * self.networks))

    def place(self) -> str:
        """Return where it is, in words."""
        if not self.step:
            return "no epoch yet"
        number, before = divmod(self.step - 1, self.epochs)
        several = f"network {number + 1} of {self.networks}, " if self.networks > 1 else ""
        return f"{several}epoch {before + 1} of {self.epochs}"
