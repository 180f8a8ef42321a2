"""What a search that goes on finds of what was done before, in words, for its first line."""

from collections.abc import Collection, Sequence

from optuna.trial import FrozenTrial, TrialState

from rookery.search.attributes import SECONDS


def found_again(
    trials: Sequence[FrozenTrial], orphans: Sequence[FrozenTrial], void: Collection[int], prunes: bool
) -> str | None:
    """Return what is kept of a study's trials, and what goes on; None where nothing was done.

    Parameters
    ----------
    trials
        All of the study.
    orphans
        Those that a driver which is gone left running: they go on from their checkpoints.
    void
        Numbers of failed trials that do not count, as their points are queued again.
    prunes
        Whether bad trials are stopped: by the values that earlier ones reported.
    """
    kept = [trial for trial in trials if trial.state.is_finished() and trial.number not in void]
    if not kept and not orphans and not void:
        return None
    states = (
        ("complete", TrialState.COMPLETE),
        ("stopped early", TrialState.PRUNED),
        ("failed", TrialState.FAIL),
    )
    numbers = {word: sum(trial.state is state for trial in kept) for word, state in states}
    told = ", ".join(f"{number} {word}" for word, number in numbers.items() if number)
    hours = sum(float(trial.user_attrs.get(SECONDS, 0.0)) for trial in kept) / 3600
    parts = [f"{_trials(len(kept))} kept" + (f" ({told}), {hours:.3g} device-hours saved" if kept else "")]
    if orphans:
        epochs = sum(len(trial.intermediate_values) for trial in orphans)
        parts.append(f"{_trials(len(orphans))} left running, taken up after {epochs} epochs in all")
    if void:
        parts.append(f"{_trials(len(void))} failed and queued again")
    curves = sum(bool(trial.intermediate_values) for trial in trials)
    if prunes:
        parts.append(f"the pruner knows {curves} curves")
    return f"goes on: {'; '.join(parts)}"


def _trials(number: int) -> str:
    return f"{number} trial{'' if number == 1 else 's'}"
