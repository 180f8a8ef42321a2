import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.engine import Engine

from rookery.networks.family import load_family
from rookery.search.ask_tell import AskTell, open_ask_tell
from rookery.search.attributes import INFEASIBLE
from rookery.search.constraints import Constraints
from rookery.search.creation import create_or_open_study
from rookery.search.listeners import FAILURES_ALIKE
from rookery.search.space import SearchSpace
from rookery.search.study import Study, open_study
from rookery.search.study import checkpoint as checkpoint_path
from rookery.search.trial_queue import MAX_ATTEMPTS
from rookery.search.trials_table import pareto_front
from rookery.surveys import Survey, open_survey
from rookery.surveys.equal_bins import EqualBins
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import Classes, InputError

MakeStudy = Callable[..., Study]
SEARCHED = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True},
    "features": {"type": "int", "low": 4, "high": 12, "step": 4},
}
PUBLISHED = [{"learning_rate": 0.02, "features": 8}, {"learning_rate": 0.01, "features": 4}]
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def space(configuration: dict[str, Any], **changes: Any) -> SearchSpace:
    fixed = {name: {"value": value} for name, value in configuration.items() if name not in SEARCHED}
    document = {
        "family": "pelican",
        "objective": {"metric": "validation_log_loss", "direction": "minimize"},
        "parameters": {**SEARCHED, **fixed},
    }
    return SearchSpace.model_validate({**document, **changes})


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Let SQLite hand its writes to the operating system: a killed program loses nothing by it."""

    def hurry(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", hurry)
    yield
    event.remove(Engine, "connect", hurry)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory, tiny_survey: Survey) -> Path:
    """A database with a study to minimise and no trial; to copy one is faster than to make one."""
    folder = tmp_path_factory.mktemp("template") / "study"
    study = create_or_open_study(
        folder, space({"epochs": 1}), tiny_survey, "half", target=Classes(("Ia", "non-Ia"))
    )
    study.optuna_study()
    return folder / "study.db"


@pytest.fixture
def make_study(
    tmp_path: Path,
    tiny_survey: Survey,
    tiny_configuration: dict[str, Any],
    empty_database: Path,
    one_thread: None,
) -> MakeStudy:
    def make(split: str = "half", sampler: str = "random", pruner: str = "none", **changes: Any) -> Study:
        study = create_or_open_study(
            tmp_path / "study",
            space(tiny_configuration, **changes),
            tiny_survey,
            split,
            target=Classes(("Ia", "non-Ia")),
            sampler=sampler,
            pruner=pruner,
        )
        if study.space.objective.direction == "minimize":
            shutil.copy(empty_database, study.path / "study.db")
        return study

    return make


def trials(study: Study) -> list[optuna.trial.FrozenTrial]:
    """Read the trials as another program would."""
    return study.optuna_study().trials


def after_kill(study: Study, n_trials: int) -> AskTell:
    """Return what a new driver has when the one before was killed: the folder and nothing else."""
    return open_ask_tell(open_study(study.path), n_trials)


def run_all(ask_tell: AskTell, value: float = 0.5) -> list[dict[str, Any]]:
    """Finish trials one after the other until none is left; return their plans."""
    plans = []
    while (plan := ask_tell.suggest(f"key{len(plans)}")) is not None:
        ask_tell.finish(f"key{len(plans)}", value=value)
        plans.append(plan)
    return plans


def searched(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the searched values of a plan's first job."""
    return {name: plan["jobs"][0]["configuration"][name] for name in SEARCHED}


def train_jobs(study: Study, plan: dict[str, Any], folds: slice = slice(None)) -> list[float]:
    """Train members of a plan as a worker would; return their values."""
    jobs = [TrainingJob.model_validate(job) for job in plan["jobs"]][folds]
    return [
        train_member(
            job, study.members_folder / job.member, checkpoint_path(study.path, job.member), lambda *_: None
        ).value
        for job in jobs
    ]


def test_exactly_the_asked_number_of_trials_runs_and_published_points_come_first(
    make_study: MakeStudy,
) -> None:
    study = make_study(published=PUBLISHED)
    ask_tell = open_ask_tell(study, 4)
    assert not ask_tell.nothing_left()
    plans = run_all(ask_tell)
    assert [plan["trial"] for plan in plans] == [0, 1, 2, 3]
    assert [searched(plan) for plan in plans[:2]] == PUBLISHED
    assert ask_tell.nothing_left()
    assert ask_tell.suggest("more") is None
    assert [trial.state for trial in trials(study)] == [TrialState.COMPLETE] * 4


def test_published_point_not_reached_yet_comes_first_after_a_restart_and_none_comes_twice(
    make_study: MakeStudy,
) -> None:
    study = make_study(published=[*PUBLISHED, PUBLISHED[0]])
    first = run_all(open_ask_tell(study, 1))
    later = run_all(after_kill(study, 4))
    assert [searched(plan) for plan in first + later[:1]] == PUBLISHED
    assert [plan["trial"] for plan in later] == [1, 2, 3]
    assert all(searched(plan) not in PUBLISHED for plan in later[1:])


def test_jobs_hold_all_that_training_needs(make_study: MakeStudy, tiny_survey: Survey) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 2)
    jobs = [TrainingJob.model_validate(job) for key in "ab" for job in ask_tell.suggest(key)["jobs"]]
    first, second = jobs
    assert (first.member, second.member) == ("0000", "0001")
    assert first.seed != second.seed
    assert (first.survey, first.survey_checksum) == (str(tiny_survey.path), tiny_survey.checksum)
    assert (first.split, first.fold, first.metric) == ("half", None, "validation_log_loss")
    assert set(first.configuration) == set(study.space.parameters)
    assert ask_tell.family.configure(first.configuration).batch_size == 32


def test_trial_of_a_split_with_folds_has_a_job_per_fold_each_with_its_own_seed(make_study: MakeStudy) -> None:
    jobs = open_ask_tell(make_study(split="folds"), 1).suggest("a")["jobs"]
    assert [(job["member"], job["fold"]) for job in jobs] == [("0000-f0", 0), ("0000-f1", 1), ("0000-f2", 2)]
    assert len({job["seed"] for job in jobs}) == 3
    assert jobs[0]["configuration"] == jobs[1]["configuration"] == jobs[2]["configuration"]


def test_ends_of_trials_are_told_with_value_intermediate_values_and_error(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 3)
    for key in "abc":
        ask_tell.suggest(key)
    assert ask_tell.counts.running == 3
    for step, value in ((1, 0.7), (2, 0.6)):
        assert not ask_tell.report("a", step, value)
    ask_tell.finish("c", error="ValueError: no\nTraceback ...")
    ask_tell.finish("a", value=0.6)
    ask_tell.finish("b")
    complete, silent, failed = trials(study)
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 0.6)
    assert complete.intermediate_values == {1: 0.7, 2: 0.6}
    assert (failed.state, failed.user_attrs["error"]) == (TrialState.FAIL, "ValueError: no\nTraceback ...")
    assert (silent.state, silent.user_attrs["error"]) == (TrialState.FAIL, "the trial ended without a result")


def test_only_the_first_end_of_a_trial_counts(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 1)
    ask_tell.suggest("a")
    ask_tell.finish("a", value=0.4)
    ask_tell.finish("a", error="its actor died when it was no longer needed")
    (trial,) = trials(study)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.4)
    assert (ask_tell.counts.complete, ask_tell.counts.failed) == (1, 0)


def test_hopeless_trial_is_pruned_and_keeps_its_intermediate_values(make_study: MakeStudy) -> None:
    study = make_study(pruner="median")
    ask_tell = open_ask_tell(study, 6)
    for key, value in zip("abcde", (0.5, 0.5, 0.5, 0.5, 0.4), strict=True):
        ask_tell.suggest(key)
        assert not ask_tell.report(key, 8, value)
        ask_tell.finish(key, value=value)
    ask_tell.suggest("bad")
    answers = [ask_tell.report("bad", step, 0.9) for step in range(1, 9)]
    assert answers == [False] * 7 + [True], "epoch 8 is the first that may stop a trial"
    ask_tell.finish("bad")
    trial = trials(study)[5]
    assert trial.state is TrialState.PRUNED
    assert trial.intermediate_values == dict.fromkeys(range(1, 9), 0.9)
    assert (ask_tell.counts.complete, ask_tell.counts.pruned) == (5, 1)


def test_trial_that_fails_after_the_pruner_stopped_it_counts_as_failed(make_study: MakeStudy) -> None:
    study = make_study(pruner="median")
    ask_tell = open_ask_tell(study, 5)
    for key in "abcd":
        ask_tell.suggest(key)
        ask_tell.report(key, 9, 0.5)
        ask_tell.finish(key, value=0.5)
    ask_tell.suggest("bad")
    assert ask_tell.report("bad", 9, 0.9)
    ask_tell.finish("bad", error="out of memory")
    assert trials(study)[4].state is TrialState.FAIL


def test_trial_of_a_killed_driver_is_taken_up_with_its_number_parameters_and_seed(
    make_study: MakeStudy,
) -> None:
    study = make_study()
    first = open_ask_tell(study, 3)
    plans = [first.suggest(key) for key in "ab"]
    first.report("a", 1, 0.7)
    first.report("a", 2, 0.6)

    second = after_kill(study, 3)
    assert not second.nothing_left()
    assert [second.suggest(key) for key in "xy"] == plans
    # The member resumes from its checkpoint and tells its last epoch again.
    second.report("x", 2, 123.0)
    second.report("x", 3, 0.5)
    second.finish("x", value=0.5)
    assert trials(study)[0].intermediate_values == {1: 0.7, 2: 0.6, 3: 0.5}
    assert second.suggest("z")["trial"] == 2


def test_a_driver_that_goes_on_says_what_it_found(make_study: MakeStudy) -> None:
    study = make_study()
    before = open_ask_tell(study, 3)
    assert before.found_again() is None
    for key in ("a", "b"):
        before.suggest(key)
    before.finish("a", value=0.5)
    found = after_kill(study, 3).found_again()
    assert found is not None
    assert found.startswith("goes on: 1 trial kept (1 complete)")
    assert "1 trial left running, taken up after 0 epochs in all" in found


def test_trial_whose_driver_died_before_it_had_parameters_is_taken_up(make_study: MakeStudy) -> None:
    study = make_study(published=PUBLISHED)
    open_ask_tell(study, 1)
    study.optuna_study().ask()
    plans = run_all(after_kill(study, 2))
    assert [plan["trial"] for plan in plans] == [0, 1]
    assert [searched(plan) for plan in plans] == PUBLISHED


@pytest.mark.parametrize("split", ["half", "folds"])
def test_trial_whose_members_are_all_finished_is_told_complete_with_their_mean(
    make_study: MakeStudy, split: str
) -> None:
    study = make_study(split=split)
    values = train_jobs(study, open_ask_tell(study, 1).suggest("a"))
    ask_tell = after_kill(study, 1)
    assert ask_tell.nothing_left()
    assert ask_tell.suggest("b") is None
    (trial,) = trials(study)
    assert trial.state is TrialState.COMPLETE
    assert trial.value == pytest.approx(sum(values) / len(values))
    assert ask_tell.counts.best == trial.value


def test_trial_with_one_fold_left_to_train_is_taken_up(make_study: MakeStudy) -> None:
    study = make_study(split="folds")
    plan = open_ask_tell(study, 1).suggest("a")
    train_jobs(study, plan, slice(0, 2))
    assert after_kill(study, 1).suggest("b") == plan
    assert trials(study)[0].state is TrialState.RUNNING


def test_trial_that_kills_its_driver_again_and_again_is_told_failed(make_study: MakeStudy) -> None:
    study = make_study()
    for _ in range(MAX_ATTEMPTS):
        assert after_kill(study, 1).suggest("a")["trial"] == 0
    ask_tell = after_kill(study, 1)
    assert ask_tell.nothing_left()
    assert ask_tell.counts.failed == 1
    (trial,) = trials(study)
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["error"] == f"its driver or worker died {MAX_ATTEMPTS} times while it ran"


def test_members_finished_at_the_last_attempt_still_count(make_study: MakeStudy) -> None:
    study = make_study()
    for _ in range(MAX_ATTEMPTS):
        plan = after_kill(study, 1).suggest("a")
    train_jobs(study, plan)
    assert after_kill(study, 1).counts.complete == 1


def test_nothing_is_left_only_when_every_asked_trial_has_ended(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 1)
    ask_tell.suggest("a")
    assert ask_tell.suggest("b") is None, "no trial to give"
    assert not ask_tell.nothing_left(), "but one to wait for"
    ask_tell.finish("a", value=1.0)
    assert ask_tell.nothing_left()
    assert after_kill(study, 1).nothing_left()
    assert not after_kill(study, 2).nothing_left()


def test_finished_study_goes_on_when_more_trials_are_asked_for(make_study: MakeStudy) -> None:
    study = make_study()
    run_all(open_ask_tell(study, 2))
    assert [plan["trial"] for plan in run_all(after_kill(study, 5))] == [2, 3, 4]
    assert run_all(after_kill(study, 3)) == []
    assert len(trials(study)) == 5


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_suggestions_after_a_restart_do_not_repeat_earlier_ones(make_study: MakeStudy, sampler: str) -> None:
    study = make_study(sampler=sampler)
    plans = [plan for n in range(1, 5) for plan in run_all(after_kill(study, n))]
    assert len(plans) == 4
    assert len({plan["jobs"][0]["configuration"]["learning_rate"] for plan in plans}) == 4


def test_two_studies_with_the_same_seed_ask_the_same(make_study: MakeStudy) -> None:
    study = make_study()
    first = run_all(open_ask_tell(study, 3))
    shutil.rmtree(study.path)
    assert run_all(open_ask_tell(make_study(), 3)) == first


@pytest.mark.parametrize(("direction", "best", "best_trial"), [("minimize", 0.2, 1), ("maximize", 0.9, 2)])
def test_counts_know_every_end_and_knows_the_best_also_after_a_restart(
    make_study: MakeStudy, direction: str, best: float, best_trial: int
) -> None:
    metric = "validation_log_loss" if direction == "minimize" else "validation_accuracy"
    study = make_study(objective={"metric": metric, "direction": direction})
    ask_tell = open_ask_tell(study, 6)
    for key, value in zip("abcd", (0.5, 0.2, 0.9, 0.2), strict=True):
        ask_tell.suggest(key)
        ask_tell.finish(key, value=value)
    ask_tell.suggest("e")
    ask_tell.finish("e", error="ValueError: too bad\nTraceback")
    ask_tell.suggest("f")
    assert ask_tell.counts.running == 1
    for counts in (ask_tell.counts, after_kill(study, 6).counts):
        assert (counts.complete, counts.pruned, counts.failed, counts.finished) == (4, 0, 1, 5)
        assert (counts.best, counts.best_trial) == (best, best_trial)
        assert counts.first_error == "trial 4: ValueError: too bad"


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["suggest", "suggest", "report", "finish", "fail", "kill"]), st.integers(0, 9)),
    max_size=14,
)


@settings(max_examples=6, deadline=None)
@given(actions=ACTIONS)
def test_any_order_of_events_and_kills_ends_with_every_trial_finished_once(
    actions: list[tuple[str, int]], empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    n_trials = 3
    path = Path(shutil.copytree(empty_database.parent, tmp_path_factory.mktemp("runs") / "study"))
    ask_tell, live, jobs, ended = open_ask_tell(open_study(path), n_trials), {}, {}, []
    reported: dict[int, dict[int, float]] = {}

    def suggest(key: str) -> bool:
        plan = ask_tell.suggest(key)
        if plan is None:
            return False
        number = plan["trial"]
        assert number not in ended, "a finished trial must never run again"
        assert number not in live.values(), "no trial may run twice at once"
        assert jobs.setdefault(number, plan["jobs"]) == plan["jobs"], "a trial must keep its jobs"
        live[key] = number
        return True

    def finish(key: str, **end: Any) -> None:
        ask_tell.finish(key, **end)
        ended.append(live.pop(key))

    for turn, (action, choice) in enumerate(actions):
        key = sorted(live)[choice % len(live)] if live else None
        if action == "suggest":
            suggest(f"key{turn}")
        elif action == "kill":
            ask_tell, live = open_ask_tell(open_study(path), n_trials), {}
        elif key is not None and action == "report":
            # The value tells when it was reported: only the first one for a step may stand.
            reported.setdefault(live[key], {}).setdefault(choice, turn)
            ask_tell.report(key, choice, turn)
        elif key is not None:
            finish(key, **({"value": 0.5} if action == "finish" else {"error": "bad luck"}))
    for key in sorted(live):
        finish(key, value=0.5)
    while suggest("last"):
        finish("last", value=0.5)

    assert ask_tell.nothing_left()
    assert sorted(ended) == list(range(n_trials))
    kept = trials(open_study(path))
    assert [trial.number for trial in kept] == list(range(n_trials))
    assert all(trial.state in FINISHED for trial in kept)
    assert {t.number: t.intermediate_values for t in kept if t.intermediate_values} == reported
    counts = open_ask_tell(open_study(path), n_trials).counts
    assert (counts.complete, counts.failed) == (
        sum(trial.state is TrialState.COMPLETE for trial in kept),
        sum(trial.state is TrialState.FAIL for trial in kept),
    )


def test_only_members_of_complete_trials_are_candidates_for_an_ensemble(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 3)
    for key, outcome in (("a", {"value": 0.4}), ("b", {"error": "late"}), ("c", {"value": 0.5})):
        plan = ask_tell.suggest(key)
        assert plan is not None
        if key != "c":  # as when the files of a complete trial were deleted by hand
            train_jobs(study, plan)
        ask_tell.finish(key, **outcome)
    (study.members_folder / ".0007.partial-0123abcd").mkdir()
    (study.members_folder / ".0007.partial-0123abcd" / "card.json").write_text("{}")
    assert list(study.complete_trials()) == [0]


def test_trial_that_goes_on_is_taken_up_as_often_as_its_drivers_die(make_study: MakeStudy) -> None:
    study = make_study()
    for step in range(1, MAX_ATTEMPTS + 3):
        ask_tell = after_kill(study, 1)
        assert ask_tell.suggest("again") is not None
        ask_tell.report("again", step, 0.5)
    assert trials(study)[0].state is TrialState.RUNNING


def test_halted_study_asks_no_more_and_its_trial_is_taken_up_later(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 2)
    ask_tell.suggest("a")
    ask_tell.halt("a", "disk full")
    ask_tell.finish("a")
    assert ask_tell.suggest("b") is None
    assert ask_tell.halted == "disk full"
    plan = after_kill(study, 2).suggest("c")
    assert plan is not None
    assert plan["trial"] == 0


def test_value_that_is_no_number_fails_its_trial(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 1)
    ask_tell.suggest("a")
    ask_tell.finish("a", value=float("nan"))
    assert trials(study)[0].state is TrialState.FAIL
    assert "without a result" in trials(study)[0].user_attrs["error"]


def test_trial_whose_worker_died_goes_on_until_it_is_given_up(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 2)
    ask_tell.suggest("replaced")
    ask_tell.note_death("replaced", "killed once")
    ask_tell.report("replaced", 1, 0.5)
    ask_tell.finish("replaced", value=0.4)
    ask_tell.suggest("lost")
    may_go_on = [ask_tell.note_death("lost", "killed for good") for _ in range(MAX_ATTEMPTS)]
    assert may_go_on == [True] * (MAX_ATTEMPTS - 1) + [False]
    ask_tell.give_up("lost")
    first, second = trials(study)
    assert (first.state, first.value) == (TrialState.COMPLETE, 0.4)
    assert second.state is TrialState.FAIL
    assert second.user_attrs["error"] == f"its worker or driver died {MAX_ATTEMPTS} times (killed for good)"


def test_trial_that_lost_its_place_is_taken_up_again_under_its_number(make_study: MakeStudy) -> None:
    study = make_study()
    ask_tell = open_ask_tell(study, 1)
    plan = ask_tell.suggest("a")
    assert plan is not None
    ask_tell.give_up("a")  # its node went before it began
    assert not ask_tell.nothing_left()
    assert ask_tell.counts.running == 0
    again = ask_tell.suggest("b")
    assert again == plan
    ask_tell.finish("b", value=0.3)
    assert ask_tell.nothing_left()
    assert [(t.state, t.value) for t in trials(study)] == [(TrialState.COMPLETE, 0.3)]


def test_trial_that_never_finds_a_place_fails_in_the_end(make_study: MakeStudy) -> None:
    ask_tell = open_ask_tell(study := make_study(), 1)
    for number in range(MAX_ATTEMPTS):
        assert ask_tell.suggest(str(number)) is not None
        ask_tell.give_up(str(number))
    assert ask_tell.nothing_left()
    assert [t.state for t in trials(study)] == [TrialState.FAIL]


def fail_alike(ask_tell: AskTell, number: int, kind: str = "ValueError in a.py, line 3") -> None:
    for key in map(str, range(number)):
        assert ask_tell.suggest(key) is not None
        ask_tell.finish(key, error=f"ValueError: object {key}", kind=kind)


def test_first_trials_that_fail_alike_stop_the_study_and_are_tried_again(make_study: MakeStudy) -> None:
    study = make_study(published=PUBLISHED)
    ask_tell = open_ask_tell(study, 9)
    fail_alike(ask_tell, FAILURES_ALIKE)
    assert ask_tell.halted is not None
    assert "first 5 trials failed alike" in ask_tell.halted
    assert "trial 0: ValueError: object 0" in ask_tell.halted
    assert ask_tell.suggest("more") is None
    failed = [t.params for t in trials(study) if t.state is TrialState.FAIL]

    later = open_ask_tell(study, 9)  # the cause is mended
    assert later.halted is None
    assert later.counts.failed == 0
    for number in range(9):
        assert later.suggest(str(number)) is not None
        later.finish(str(number), value=0.1 * number)
    assert later.nothing_left()
    complete = [t.params for t in trials(study) if t.state is TrialState.COMPLETE]
    assert complete[:FAILURES_ALIKE] == failed
    assert len(complete) == 9


def test_a_grid_that_failed_alike_is_tried_again_from_its_first_point(make_study: MakeStudy) -> None:
    features = {"type": "int", "low": 4, "high": 12}
    study = make_study(sampler="grid", parameters={"features": features, "epochs": {"value": 1}})
    fail_alike(open_ask_tell(study, 9), FAILURES_ALIKE)
    later = open_ask_tell(study, 9)
    for number in range(9):
        assert later.suggest(str(number)) is not None
        later.finish(str(number), value=0.5)
    assert later.nothing_left()
    complete = [t.params["features"] for t in trials(study) if t.state is TrialState.COMPLETE]
    assert complete == list(range(4, 13))


@pytest.mark.parametrize("ends", ["another error", "a value", "a stopped trial"])
def test_trials_that_do_not_fail_alike_stop_nothing(make_study: MakeStudy, ends: str) -> None:
    ask_tell = open_ask_tell(make_study(), 20)
    fail_alike(ask_tell, FAILURES_ALIKE - 1)
    ask_tell.suggest("other")
    if ends == "a value":
        ask_tell.finish("other", value=0.5)
    elif ends == "another error":
        ask_tell.finish("other", error="KeyError: x", kind="KeyError in b.py, line 1")
    else:
        ask_tell._live["other"].pruned = True
        ask_tell.finish("other")
    fail_alike(ask_tell, FAILURES_ALIKE)
    assert ask_tell.halted is None


def replay(
    study: Study, order: Callable[[list[int]], int], at_once: int, stop_after: int | None = None
) -> None:
    """Run a study of ten trials whose ends come in the order that `order` chooses; maybe kill the driver."""
    ask_tell = open_ask_tell(study, 10)
    running: dict[int, float] = {}
    ended = 0
    while not ask_tell.nothing_left():
        while len(running) < at_once and not ask_tell.waits():
            plan = ask_tell.suggest(f"t{len(running)}-{ended}-{sorted(running)}")
            if plan is None:
                break
            values = plan["jobs"][0]["configuration"]
            running[plan["trial"]] = abs(values["learning_rate"] - 0.02) + abs(values["features"] - 8)
        number = order(sorted(running))
        key = next(k for k, live in ask_tell._live.items() if live.trial.number == number)
        value = running.pop(number)
        if not ask_tell.report(key, 1, value):
            ask_tell.finish(key, value=value)
        else:
            ask_tell.finish(key)
        ended += 1
        if ended == stop_after:
            return


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii"])
@pytest.mark.parametrize("pruner", ["none", "percentile"])
@pytest.mark.slow
def test_a_deterministic_study_does_not_depend_on_who_is_faster(
    make_study: MakeStudy, sampler: str, pruner: str
) -> None:
    options: dict[str, Any] = {"n_startup_trials": 2} if sampler == "tpe" else {}
    found = []
    for order in (min, max, "killed"):
        study = make_study(sampler=sampler, pruner=pruner, published=PUBLISHED)
        document = study.document.model_copy(update={"deterministic": 2, "sampler_options": options})
        if pruner == "percentile":
            document = document.model_copy(
                update={"pruner_options": {"n_startup_trials": 2, "n_warmup_steps": 1}}
            )
        study = Study(study.path, document)
        if order == "killed":
            replay(study, max, 2, stop_after=3)
            order = min
        replay(study, order, 2)
        found.append([(t.number, t.state, t.params, t.values) for t in trials(study)])
        shutil.rmtree(study.path)
    assert found[0] == found[1]
    assert found[0] == found[2]
    assert len(found[0]) == 10


BESIDE = [{"quantity": "parameters"}, {"quantity": "validation_accuracy", "direction": "maximize"}]


def test_several_objectives_are_told_and_their_front_found(make_study: MakeStudy) -> None:
    study = make_study(sampler="nsgaii", beside=BESIDE)
    (study.path / "study.db").unlink()  # the template has one objective
    ask_tell = open_ask_tell(study, 4)
    told = [(0.5, 100.0, 0.8), (0.4, 200.0, 0.7), (0.6, 300.0, 0.6), (0.7, 50.0, 0.5)]
    for number, values in enumerate(told):
        plan = ask_tell.suggest(str(number))
        assert plan is not None
        assert plan["beside"] == ["parameters", "validation_accuracy"]
        assert ask_tell.report(str(number), 1, values[0]) is False
        ask_tell.finish(str(number), value=list(values))
    assert ask_tell.nothing_left()
    assert (ask_tell.counts.best, ask_tell.counts.best_trial) == (0.4, 1)
    front = pareto_front(study)
    assert [trial["trial"] for trial in front] == [1, 0, 3]
    assert front[0]["values"] == {
        "validation_log_loss": 0.4, "parameters": 200.0, "validation_accuracy": 0.7,
    }  # fmt: skip
    assert open_ask_tell(study, 4).counts.complete == 4


def test_a_trial_with_several_objectives_that_was_finished_is_told_from_its_cards(
    make_study: MakeStudy,
) -> None:
    study = make_study(sampler="nsgaii", beside=[*BESIDE, {"quantity": "device_seconds"}])
    (study.path / "study.db").unlink()
    plan = open_ask_tell(study, 1).suggest("lost")
    assert plan is not None
    job = TrainingJob.model_validate(plan["jobs"][0])
    card = train_member(job, study.members_folder / job.member, study.path / "c", lambda *_: None)
    assert open_ask_tell(study, 1).nothing_left()
    accuracy = card.metrics["validation_accuracy"]
    assert trials(study)[0].values == [card.value, card.parameters, accuracy, card.device_seconds]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"beside": [{"quantity": "validation_eta"}]},
            "`beside.quantity` of class_probability must be one of",
        ),
        ({"beside": [{"quantity": "validation_log_loss"}]}, "objectives must differ"),
        ({"beside": BESIDE, "pruner": "median"}, "`pruner` must be none, but is median"),
        ({"beside": BESIDE, "sampler": "cmaes"}, "cmaes knows one objective alone"),
    ],
)
def test_objectives_that_cannot_be_searched_are_refused(
    make_study: MakeStudy, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**changes)


def limited(study: Study, at_most: float, quantity: str = "parameters", **changes: Any) -> Study:
    """The same study with another space: one size to choose, and a limit on it."""
    space = SearchSpace.model_validate(
        {
            "family": "pelican",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": {"features": {"type": "int", "low": 4, "high": 64}, "epochs": {"value": 1}},
            "constraints": [{"quantity": quantity, "at_most": at_most}],
        }
    )
    return Study(study.path, study.document.model_copy(update={"space": space, **changes}))


def parameters_of(study: Study, features: int) -> int:
    """The size of a network, by building it in full."""
    family = load_family("pelican")
    bands, outputs = len(open_survey(study.document.survey.path).bands), study.document.target.n_columns
    network = family.build(family.configure({"features": features, "epochs": 1}), bands, outputs)
    return sum(parameter.numel() for parameter in network.parameters())


def test_what_breaks_a_constraint_is_not_trained_and_is_no_trial(make_study: MakeStudy) -> None:
    made = make_study()
    study = limited(made, parameters_of(made, 14))
    ask_tell = open_ask_tell(study, 6)
    for number in range(6):
        plan = ask_tell.suggest(str(number))
        assert plan is not None
        assert plan["jobs"][0]["configuration"]["features"] <= 14
        ask_tell.finish(str(number), value=0.5)
    assert ask_tell.nothing_left()
    infeasible = [t for t in trials(study) if INFEASIBLE in t.user_attrs]
    assert infeasible
    assert {t.state for t in infeasible} == {TrialState.PRUNED}
    assert all(t.params["features"] > 14 and t.constraints["parameters"] > 0 for t in infeasible)
    again = open_ask_tell(study, 6)
    assert again.nothing_left()
    assert (again.counts.complete, again.counts.pruned) == (6, 0)


def test_the_sampler_learns_where_the_constraints_hold(make_study: MakeStudy) -> None:
    made = make_study()
    study = limited(made, parameters_of(made, 10), sampler="tpe")
    ask_tell = open_ask_tell(study, 30)
    for number in range(30):
        plan = ask_tell.suggest(str(number))
        assert plan is not None
        ask_tell.finish(str(number), value=0.1 * plan["jobs"][0]["configuration"]["features"])
    kept = [INFEASIBLE not in t.user_attrs for t in trials(study)]
    assert sum(kept[-20:]) / 20 > 2 * 7 / 61  # 7 of 61 values keep it


def test_constraints_that_nothing_keeps_stop_the_study(make_study: MakeStudy) -> None:
    ask_tell = open_ask_tell(limited(make_study(), 1), 3)
    assert ask_tell.suggest("a") is None
    assert ask_tell.halted is not None
    assert "200 configurations in a row break the constraints" in ask_tell.halted


def test_a_grid_has_only_the_points_that_keep_the_constraints(make_study: MakeStudy) -> None:
    made = make_study()
    study = limited(made, parameters_of(made, 6), sampler="grid")
    assert open_ask_tell(study, 100).n_trials == 3


def test_a_trial_of_a_constrained_study_is_taken_up_again(make_study: MakeStudy) -> None:
    made = make_study()
    study = limited(made, parameters_of(made, 64))
    plan = open_ask_tell(study, 1).suggest("killed")
    again = open_ask_tell(study, 1)
    assert again.suggest("later") == plan
    again.finish("later", value=0.1)
    assert again.nothing_left()


def test_memory_is_limited_too(make_study: MakeStudy) -> None:
    study = limited(make_study(), 1.0, "memory_gib")

    def gib(**values: Any) -> float:
        return 1 + Constraints(study.document).broken({"features": 8, "epochs": 1, **values})["memory_gib"]

    assert 0 < gib(batch_size=2) < gib(batch_size=4) < 1
    assert gib(batch_size=2050) - gib(batch_size=1026) == pytest.approx(
        gib(batch_size=1026) - gib(batch_size=2), rel=1e-6
    )
    assert gib(features=64) > gib()
    plan = open_ask_tell(limited(study, gib(features=10) + 1e-9, "memory_gib"), 3).suggest("a")
    assert plan is not None
    assert plan["jobs"][0]["configuration"]["features"] <= 10


def test_memory_of_images_is_measured_without_reading_them_all(tiny_galaxies: Survey, tmp_path: Path) -> None:
    found = SearchSpace.model_validate(
        {
            "family": "photoz_cnn",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": {"width": {"type": "float", "low": 0.05, "high": 0.1}, "image_size": {"value": 16}},
            "constraints": [{"quantity": "memory_gib", "at_most": 1.0}],
        }
    )
    study = create_or_open_study(tmp_path / "s", found, tiny_galaxies, "half", target=EqualBins().target)
    constraints = Constraints(study.document)
    small, large = (constraints.broken({"width": w, "image_size": 16})["memory_gib"] for w in (0.05, 0.1))
    assert -1 < small < large
    assert len(constraints._few) < len(tiny_galaxies)
