"""A study searched for the ensemble: what its trials are worth, and that a killed driver changes nothing."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from rookery import api
from rookery.cli import say_status
from rookery.cli.values import option_names
from rookery.search.ask_tell import AskTell, open_ask_tell
from rookery.search.attributes import ENSEMBLE, GAIN, SECONDS
from rookery.search.creation import create_or_open_study
from rookery.search.driver import run_search
from rookery.search.ensemble_gains import EnsembleGains, MemberLikelihoods
from rookery.search.limits import Limits
from rookery.search.space import SearchSpace
from rookery.search.sparing_pruner import SparingPruner
from rookery.search.study import Study, open_study
from rookery.search.trial_plan import FINISHED, SPENT, STEP, VALUE, TrialPlan
from rookery.search.visible_trials import VisibleTrials
from rookery.search.worker import run_plan
from rookery.signature import arguments
from rookery.surveys import Survey
from rookery_ensembles import Classes, InputError, read_predictions
from rookery_ensembles.marginal import contributions

Make = Callable[..., Study]
COMPLETE = (TrialState.COMPLETE,)


def space(**changes: Any) -> SearchSpace:
    small = {
        "window_days": 128, "days_per_column": 8, "temporal_filters": 2, "band_filters": 8,
        "merged_blocks": 1, "merged_filters": 2, "features": 8, "epochs": 1, "batch_size": 32,
    }  # fmt: skip
    document = {
        "family": "pelican",
        "objective": {"metric": "validation_log_loss", "direction": "minimize"},
        "parameters": {name: {"value": value} for name, value in small.items()}
        | {"learning_rate": {"type": "float", "low": 0.001, "high": 0.05}},
    }
    return SearchSpace.model_validate({**document, **changes})


@pytest.fixture(scope="module")
def make(tiny_survey: Survey, one_thread: None) -> Make:
    def made(folder: Path, split: str = "half", **terms: Any) -> Study:
        wanted = {"search_for": "ensemble", "sampler_options": {"n_startup_trials": 2}, "pruner": "none"}
        return create_or_open_study(
            folder, terms.pop("wanted", space()), tiny_survey, split,
            target=Classes(("Ia", "non-Ia")), **(wanted | terms),
        )  # fmt: skip

    return made


@pytest.fixture(scope="module")
def whole(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four finished trials."""
    study = make(tmp_path_factory.mktemp("study") / "study")
    ask_tell = open_ask_tell(study, 4)
    for number in range(4):
        train(study, ask_tell, str(number))
    return study.path


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Study:
    shutil.copytree(whole, tmp_path / "study")
    return open_study(tmp_path / "study")


def train(study: Study, ask_tell: AskTell, key: str, *, tell: bool = True) -> None:
    """Train the next trial as a worker does; without `tell` its driver dies before it hears of it."""
    plan = ask_tell.suggest(key)
    assert plan is not None
    sent: list[dict[str, Any]] = []
    place = {"study": str(study.path), "in_worker_group": False, "cpus": 1, "gpus": 0}
    run_plan(TrialPlan.model_validate({**plan, **place}), sent.append)
    for each in sent[:-1] if tell else ():
        spent = {column: each[name] for name, column in SPENT.items() if name in each}
        ask_tell.report(key, each[STEP], each[VALUE], spent)
    if tell:
        ask_tell.finish(key, value=sent[-1][FINISHED])


def told(study: Study) -> list[FrozenTrial]:
    return study.optuna_study().get_trials(deepcopy=False, states=COMPLETE)


def table(study: Study, n: int) -> np.ndarray:
    """The likelihoods of the first trials' members, from their files, object by object."""
    rows = []
    for number in range(n):
        folder = study.members_folder / study.member_name(number, None)
        found = read_predictions(folder / "predictions-validation.parquet")
        columns = [("Ia", "non-Ia").index(name) for name in found.truth]
        order = np.argsort(found.object_id)
        rows.append(found.values[np.arange(len(columns)), columns][order].astype(float))
    return np.array(rows)


def test_trials_say_what_they_added_and_what_the_ensemble_then_scored(study: Study) -> None:
    trials = told(study)
    losses = [contributions(table(study, n)).loss for n in (1, 2, 3, 4)]
    assert [trial.user_attrs[ENSEMBLE] for trial in trials] == pytest.approx(losses)
    assert GAIN not in trials[0].user_attrs
    gains = [before - after for before, after in itertools.pairwise(losses)]
    assert [trial.user_attrs[GAIN] for trial in trials[1:]] == pytest.approx(gains)


def test_sampler_sees_what_one_more_would_add_and_the_study_keeps_its_objective(study: Study) -> None:
    optuna_study = study.optuna_study()
    stored = [trial.value for trial in optuna_study.get_trials(states=COMPLETE)]
    view = VisibleTrials(optuna_study, None, 4, gains=EnsembleGains(study))
    seen = [trial.value for trial in view.get_trials(states=COMPLETE)]
    assert seen == pytest.approx((-contributions(table(study, 4)).another_m).tolist())
    assert [trial.value for trial in optuna_study.get_trials(states=COMPLETE)] == stored
    assert [trial.value for trial in view.get_trials(states=(TrialState.PRUNED,))] == []


def test_where_more_is_better_gains_are_seen_with_their_sign(
    make: Make, study: Study, tmp_path: Path
) -> None:
    objective = {"metric": "validation_accuracy", "direction": "maximize"}
    other = make(tmp_path / "other", wanted=space(objective=objective))
    gains = EnsembleGains(other, MemberLikelihoods(study))
    down = EnsembleGains(study).revalued(told(study))
    assert [t.value for t in gains.revalued(told(study))] == pytest.approx([-(t.value or 0) for t in down])


def test_a_trial_that_its_driver_never_heard_of_is_worth_what_it_would_have_been(
    whole: Path, make: Make, tmp_path: Path
) -> None:
    study = make(tmp_path / "killed")
    ask_tell = open_ask_tell(study, 4)
    for number in range(4):
        train(study, ask_tell, str(number), tell=number < 2)
    again = open_ask_tell(open_study(study.path), 4)
    assert again.nothing_left()
    assert [t.user_attrs[ENSEMBLE] for t in told(study)] == [
        contributions(table(study, n)).loss for n in (1, 2, 3, 4)
    ]


def test_a_new_driver_proposes_what_the_one_before_would_have(study: Study, tmp_path: Path) -> None:
    shutil.copytree(study.path, tmp_path / "twin")
    first, second = (open_ask_tell(open_study(path), 6) for path in (study.path, tmp_path / "twin"))
    plans = [each.suggest("next") for each in (first, second)]
    assert plans[0] is not None
    assert plans[0]["jobs"][0]["configuration"] == plans[1]["jobs"][0]["configuration"]  # type: ignore[index]


def test_a_trial_whose_members_are_gone_is_in_no_ensemble_and_teaches_nothing(
    study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    rows = table(study, 4)
    shutil.rmtree(study.members_folder / study.member_name(2, None))
    trials = told(study)
    seen = {trial.number: trial.value for trial in EnsembleGains(study).revalued(trials)}
    rest = contributions(rows[[0, 1, 3]]).another_m
    assert list(seen) == [0, 1, 3]
    assert list(seen.values()) == pytest.approx((-rest).tolist())
    assert "members of trial 2 are gone" in caplog.text


def test_altered_predictions_are_one_error(study: Study) -> None:
    file = study.members_folder / "0001" / "predictions-validation.parquet"
    file.write_bytes((study.members_folder / "0002" / file.name).read_bytes())
    with pytest.raises(InputError, match="it was altered"):
        EnsembleGains(study).revalued(told(study))


def test_a_deterministic_study_compares_with_the_trials_it_was_proposed_from(
    make: Make, tmp_path: Path
) -> None:
    study = make(tmp_path / "study", deterministic=2)
    ask_tell = open_ask_tell(study, 3)
    for number in range(3):
        train(study, ask_tell, str(number))
    rows = table(study, 3)
    wanted = [contributions(rows[:1]).loss, contributions(rows[1:2]).loss, contributions(rows[[0, 2]]).loss]
    assert [t.user_attrs[ENSEMBLE] for t in told(study)] == pytest.approx(wanted)


def test_a_study_stays_what_it_was_made_for(make: Make, study: Study) -> None:
    with pytest.raises(
        InputError, match="`search_for`: the study was made with 'ensemble', not with 'member'"
    ):
        make(study.path, search_for="member")


def test_several_objectives_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`beside` must be absent, but has device_seconds"):
        make(tmp_path / "study", wanted=space(beside=[{"quantity": "device_seconds"}]))


def test_the_option_is_called_for() -> None:
    options = {argument.name: option_names(argument.name) for argument in arguments(api.search)}
    assert options["search_for"] == ("--for",)


def ended(gains: list[float], seconds: float = 60.0) -> list[dict[str, float]]:
    return [{GAIN: gain, SECONDS: seconds} for gain in gains]


def test_a_search_ends_when_little_is_left_to_gain() -> None:
    limits = Limits(tolerance=0.01)
    assert limits.reached(ended([0.1] * 5 + [0.001] * 14)) is None  # too few to tell
    words = limits.reached(ended([0.1] * 11 + [0.001] * 10))
    assert words == "the last 10 trials added 0.001 each to the ensemble, less than 0.01"
    assert limits.reached(ended([0.1] * 11 + [0.02] * 10)) is None
    stopped = [{SECONDS: 5.0}] * 6  # pruned: they cost, and added nothing
    assert limits.reached(ended([0.1] * 11 + [0.02] * 4) + stopped) is not None


def test_a_search_ends_when_its_device_hours_are_used_up() -> None:
    limits = Limits(device_hours=1.0)
    assert limits.reached(ended([0.1] * 59)) is None
    assert limits.reached(ended([0.1] * 59), running_seconds=60.0) == "its trials took 1 device-hours of 1"


def test_limits_are_above_nothing() -> None:
    with pytest.raises(InputError, match="`device_hours` must be above 0, but is 0"):
        Limits(device_hours=0)
    with pytest.raises(InputError, match="`tolerance` must be above 0, but is nan"):
        Limits(tolerance=float("nan"))


def test_no_more_trials_are_begun_but_those_that_run_go_on(study: Study) -> None:
    spent = sum(trial.user_attrs[SECONDS] for trial in told(study)) / 3600
    ask_tell = open_ask_tell(study, 20, limits=Limits(device_hours=spent + 1.0))
    assert ask_tell.suggest("long") is not None
    assert ask_tell.suggest("other") is not None
    ask_tell.report("long", 1, 0.5, {"seconds": 3600.0})
    assert ask_tell.suggest("one more") is None
    assert (ask_tell.halted, ask_tell.n_running, ask_tell.left()) == (None, 2, 0)
    assert "device-hours" in (ask_tell.enough or "")
    again = open_ask_tell(open_study(study.path), 20, limits=Limits(device_hours=1e-9))
    assert again.left() == 2  # what its driver left is finished
    assert open_ask_tell(open_study(study.path), 20).left() == 16


def test_a_tolerance_needs_a_search_for_the_ensemble(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "study", search_for="member")
    with pytest.raises(InputError, match="`tolerance`: needs a search for the ensemble"):
        run_search(study, n_trials=1, limits=Limits(tolerance=0.1))


def test_status_shows_the_score_against_device_hours(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    found = api.status(study.path)
    scores = [trial.user_attrs[ENSEMBLE] for trial in told(study)]
    curve = found["ensemble"]["curve"]
    assert [point["score"] for point in curve] == scores
    assert (found["ensemble"]["score"], found["ensemble"]["expected_gain"]) == (scores[-1], None)
    assert curve[-1]["device_hours"] == pytest.approx(found["device_hours"])
    say_status.status(found, {"json": False})
    assert f"ensemble     log loss {scores[-1]:.5g} after" in capsys.readouterr().out


class Stops(optuna.pruners.BasePruner):
    """Would stop every trial."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return True


def test_a_network_is_spared_where_its_like_add_to_the_ensemble() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice([-2.0, 2.0], 2000, p=[0.6, 0.4]) + rng.normal(0, 1, 2000)
    means = (-2.6, -2.0, -1.4, 1.2, 2.0, 2.8, 9.0, 9.1, 9.2)

    class Rows:
        """Trials 0 to 2 see the greater peak of the truth, 3 to 5 the other and are worse, 6 to 8 none."""

        weight_n = None

        def of(self, trial: int) -> np.ndarray:
            return np.exp(-0.5 * (truth - means[trial]) ** 2) / np.sqrt(2 * np.pi)

    study = optuna.create_study()
    distribution = optuna.distributions.FloatDistribution(0.001, 0.05)
    for number in range(9):
        rate = 0.001 + 0.02 * (number // 3) + 0.001 * number
        study.add_trial(
            optuna.trial.create_trial(
                value=0.0, params={"learning_rate": rate}, distributions={"learning_rate": distribution}
            )
        )

    def asked(rate: float) -> FrozenTrial:
        return optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={"learning_rate": rate},
            distributions={"learning_rate": distribution},
        )

    terms = SimpleNamespace(space=space(), document=SimpleNamespace(deterministic=None))
    gains = EnsembleGains(terms, Rows())  # type: ignore[arg-type]
    pruner = SparingPruner(Stops(), gains, space())
    assert not pruner.prune(study, asked(0.025))
    assert pruner.prune(study, asked(0.049))
    assert not SparingPruner(optuna.pruners.NopPruner(), gains, space()).prune(study, asked(0.049))
