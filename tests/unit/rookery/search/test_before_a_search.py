"""Before a search begins: what it finds, what it is expected to take, and whether the survey fits."""

from dataclasses import replace

import optuna
import pandas as pd
import pytest
from optuna.trial import FrozenTrial, TrialState

from rookery.networks.family import load_family
from rookery.search.attributes import SECONDS
from rookery.search.creation import create_or_open_study
from rookery.search.driver import expected
from rookery.search.reconcile import found_again
from rookery.search.space import find_space, load_space
from rookery.surveys import open_survey
from rookery_ensembles import RedshiftBins
from rookery_ensembles.errors import InputError

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


START = pd.Timestamp("2026-01-01", tz="UTC")


def costs(*rows: tuple[str, float | None, float, float]) -> pd.DataFrame:
    """Trials of a state, minutes, device-seconds and joules."""
    made = [
        (state, START, pd.NaT if minutes is None else START + pd.Timedelta(minutes=minutes), device, joules)
        for state, minutes, device, joules in rows
    ]
    return pd.DataFrame(made, columns=["state", "started", "ended", "device_seconds", "energy_joules"])


def test_time_is_by_rounds_and_device_hours_by_trials():
    table = costs(("COMPLETE", 8, 600, 3.6e6), ("PRUNED", 4, 120, 1.8e6), ("RUNNING", None, 9999, 9e9))
    told = expected(table, left=10, concurrent=4)
    assert told == "10 trials to go: about 18 min, 1 device-hours, 7.5 kWh (by 2 ended trials of this study)"


def test_no_energy_where_no_device_told_and_nothing_where_nothing_has_ended():
    assert "kWh" not in expected(costs(("COMPLETE", 1, 60, float("nan"))), 3, 1)
    assert "unknown before one has ended" in expected(costs(("FAIL", 1, 60, 1.0)), 3, 1)


TARGET = RedshiftBins.equal(0.0, 0.4, 8)


@pytest.mark.parametrize(
    ("drop", "fixed", "rule"),
    [
        ("mwebv", {"image_size": 20}, r"need the covariate 'mwebv' \(`mwebv: True`\).*--set mwebv=false"),
        ("", {"image_size": 32}, r"need cutouts of 32 pixels.*but its have 20: --set image_size=20"),
    ],
)
def test_a_covariate_or_pixels_that_are_not_there(tiny_galaxies, tmp_path, drop, fixed, rule):
    path = find_space("photoz_cnn_small")
    family = load_family(load_space(path).family)
    space = load_space(path, family.configuration).fix(fixed, family.configuration)
    survey = open_survey(tiny_galaxies.path)
    survey = replace(survey, objects=survey.objects.drop(columns=[drop] if drop else []))
    with pytest.raises(InputError, match=rule):
        create_or_open_study(tmp_path / "s", space, survey, "half", target=TARGET)
    assert not (tmp_path / "s").exists()
