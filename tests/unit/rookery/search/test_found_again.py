"""The first line of a search that goes on: what is kept, what is taken up, what that saves."""

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from rookery.search.attributes import SECONDS
from rookery.search.found_again import found_again

DISTRIBUTIONS = {"x": optuna.distributions.FloatDistribution(0, 1)}


def trial(number: int, state: TrialState, epochs: int = 0, seconds: float | None = None) -> FrozenTrial:
    made = optuna.trial.create_trial(
        state=state,
        value=0.5 if state is TrialState.COMPLETE else None,
        params={"x": 0.5},
        distributions=DISTRIBUTIONS,
        user_attrs={} if seconds is None else {SECONDS: seconds},
        intermediate_values=dict.fromkeys(range(1, epochs + 1), 0.5),
    )
    made.number = number
    return made


def test_nothing_is_said_of_a_study_without_trials() -> None:
    assert found_again([], [], [], prunes=True) is None
    assert found_again([trial(0, TrialState.WAITING)], [], [], prunes=True) is None


def test_what_is_kept_and_taken_up_is_counted() -> None:
    running = trial(3, TrialState.RUNNING, epochs=4)
    trials = [
        trial(0, TrialState.COMPLETE, epochs=5, seconds=5400),
        trial(1, TrialState.PRUNED, epochs=2, seconds=1800),
        trial(2, TrialState.FAIL, seconds=36),
        running,
        trial(4, TrialState.FAIL, seconds=3600),
        trial(5, TrialState.WAITING),
    ]
    assert found_again(trials, [running], [4], prunes=True) == (
        "goes on: 3 trials kept (1 complete, 1 stopped early, 1 failed), 2.01 device-hours saved; "
        "1 trial left running, taken up after 4 epochs in all; 1 trial failed and queued again; "
        "the pruner knows 3 curves"
    )


@pytest.mark.parametrize("prunes", [True, False])
def test_only_who_prunes_has_curves(prunes: bool) -> None:
    found = found_again([trial(0, TrialState.COMPLETE, 1, 1.0)], [], [], prunes=prunes)
    assert found is not None
    assert ("pruner" in found) is prunes
