"""Trials that train as packs: each is proposed, reported, stopped, told and taken up by itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from rookery.campaigns.plan import Folders, NetworkTask
from rookery.campaigns.train import NetworkQueue
from rookery.search.ask_tell import AskTell, open_ask_tell
from rookery.search.creation import create_or_open_study
from rookery.search.pack_worker import run_pack
from rookery.search.packs import PackedQueue, pack_size
from rookery.search.space import SearchSpace
from rookery.search.study import Study, open_study
from rookery.search.trial_plan import PARTS, TrialPlan
from rookery.search.trial_queue import MAX_ATTEMPTS
from rookery.surveys import Survey
from rookery.training.card import read_card
from rookery.training.job import TrainingJob
from rookery_ensembles import Classes

SEARCHED = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True},
    "features": {"type": "int", "low": 4, "high": 12, "step": 4},
}


class Keys:
    """Keys of trials that shall stop, in this process."""

    name = "here"

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def add(self, keys: list[str]) -> None:
        self.keys |= set(keys)


@pytest.fixture
def make_study(
    tmp_path: Path, tiny_survey: Survey, tiny_configuration: dict[str, Any], one_thread: None
) -> Callable[..., Study]:
    def make(split: str = "half", epochs: int = 2, published: Any = (), **options: Any) -> Study:
        values = {**tiny_configuration, "epochs": epochs}
        fixed = {name: {"value": value} for name, value in values.items() if name not in SEARCHED}
        document = {
            "family": "pelican",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": {**SEARCHED, **fixed},
            "published": published,
        }
        target = Classes(("Ia", "non-Ia"))
        made = {"sampler": "random", "pruner": "none", "execution": "pack", **options}
        space = SearchSpace.model_validate(document)
        return create_or_open_study(tmp_path / "study", space, tiny_survey, split, target=target, **made)

    return make


def packed(ask_tell: Any, size: int = 4) -> PackedQueue:
    return PackedQueue(ask_tell, size, Keys())  # type: ignore[arg-type]


def plan_of(queue: PackedQueue, key: str) -> TrialPlan | None:
    plan = queue.suggest(key)
    where = {"study": str(queue.folder), "in_worker_group": False, "cpus": 1, "gpus": 0}
    return None if plan is None else TrialPlan.model_validate({**plan, **where})


def run(queue: PackedQueue, key: str, plan: TrialPlan, most: int = 10**6) -> None:
    """Train a pack as its worker and Ray Tune would; its worker dies at the report after `most`."""
    left = most

    def send(row: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        queue.hear(key, json.loads(row[PARTS]))

    run_pack(plan, send, lambda: queue.stops.keys)  # type: ignore[attr-defined]
    queue.finish(key)


def run_all(queue: PackedQueue) -> list[TrialPlan]:
    plans: list[TrialPlan] = []
    while (plan := plan_of(queue, f"tune{len(plans)}")) is not None:
        run(queue, f"tune{len(plans)}", plan)
        plans.append(plan)
    return plans


def trials(study: Study) -> list[FrozenTrial]:
    return study.optuna_study().trials


def test_every_trial_of_a_pack_ends_with_its_own_value(make_study: Callable[..., Study]) -> None:
    study = make_study()
    plans = run_all(packed(open_ask_tell(study, 10)))
    assert [len(plan.pack) for plan in plans] == [4, 4, 2]
    for plan in plans:
        shapes = {trial.jobs[0].configuration["features"] for trial in plan.pack}
        rates = {trial.jobs[0].configuration["learning_rate"] for trial in plan.pack}
        assert (len(shapes), len(rates)) == (1, len(plan.pack)), "of one architecture, each its own rate"
    found = trials(study)
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 10
    for trial in found:
        card = read_card(study.members_folder / study.member_name(trial.number, None, 0))
        assert trial.value == pytest.approx(card.value)
        assert card.pack == (2 if trial.number > 7 else 4)
        assert sorted(trial.intermediate_values) == [1, 2]


def test_folds_of_a_pack_train_one_after_the_other(make_study: Callable[..., Study]) -> None:
    study = make_study("folds", epochs=1)
    run_all(packed(open_ask_tell(study, 3)))
    for trial in trials(study):
        assert trial.state is TrialState.COMPLETE
        assert sorted(trial.intermediate_values) == [1, 2, 3]


def test_published_points_of_other_architectures_get_packs_of_their_own(
    make_study: Callable[..., Study],
) -> None:
    points = [{"learning_rate": 0.02, "features": 8}, {"learning_rate": 0.01, "features": 4}]
    study = make_study(epochs=1, published=points)
    plans = run_all(packed(open_ask_tell(study, 6)))
    for plan in plans:
        assert len({trial.jobs[0].configuration["features"] for trial in plan.pack}) == 1
    found = trials(study)
    assert [trial.params for trial in found[:2]] == points
    assert len(found) == 6
    assert sum(len(plan.pack) for plan in plans) == 6


class Stopping(optuna.pruners.BasePruner):
    """Stops the trial of one number after its first epoch."""

    def __init__(self, number: int) -> None:
        self.number = number

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return trial.number == self.number


def test_a_pruned_trial_leaves_its_pack_and_the_others_go_on(make_study: Callable[..., Study]) -> None:
    study = make_study(epochs=3, pruner="median")
    ask_tell = open_ask_tell(study, 4)
    ask_tell.optuna.pruner = Stopping(2)
    run_all(packed(ask_tell))
    states = [trial.state for trial in trials(study)]
    assert states == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    assert sorted(trials(study)[2].intermediate_values) == [1]
    assert not (study.members_folder / study.member_name(2, None, 0)).exists()


def test_a_diverging_trial_fails_alone(
    make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(epochs=1)
    queue = packed(open_ask_tell(study, 3))
    plan = plan_of(queue, "tune")
    assert plan is not None
    broken = plan.pack[1]
    job = broken.jobs[0].model_copy(
        update={"configuration": {**broken.jobs[0].configuration, "learning_rate": 1e30}}
    )
    pack = [broken.model_copy(update={"jobs": (job,)}) if trial is broken else trial for trial in plan.pack]
    run(queue, "tune", plan.model_copy(update={"pack": tuple(pack)}))
    states = [trial.state for trial in trials(study)]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert "DivergedError" in trials(study)[1].user_attrs["error"]


def test_a_pack_whose_worker_died_is_taken_up_where_it_was(make_study: Callable[..., Study]) -> None:
    study = make_study("folds", epochs=2)
    queue = packed(open_ask_tell(study, 3))
    plan = plan_of(queue, "tune")
    assert plan is not None
    with pytest.raises(KeyboardInterrupt):
        run(queue, "tune", plan, most=3)  # in the second fold
    assert queue.note_death("tune", "it was killed")
    made = {path: path.stat().st_mtime_ns for path in study.members_folder.glob("*/card.json")}
    assert len(made) == 3
    run(queue, "tune", plan)
    assert all(path.stat().st_mtime_ns == when for path, when in made.items()), "none is trained again"
    for trial in trials(study):
        assert trial.state is TrialState.COMPLETE
        assert sorted(trial.intermediate_values) == [1, 2, 3, 4, 5, 6]


def test_a_pack_that_kills_its_workers_fails_with_all_its_trials(make_study: Callable[..., Study]) -> None:
    study = make_study()
    queue = packed(open_ask_tell(study, 3))
    assert plan_of(queue, "tune") is not None
    again = [queue.note_death("tune", "it was killed") for _ in range(MAX_ATTEMPTS)]
    assert again == [True] * (MAX_ATTEMPTS - 1) + [False]
    queue.give_up("tune")
    assert [trial.state for trial in trials(study)] == [TrialState.FAIL] * 3
    assert queue.nothing_left()


def test_trials_of_a_killed_driver_are_taken_up_by_the_next_one(make_study: Callable[..., Study]) -> None:
    study = make_study(epochs=1)
    assert plan_of(packed(open_ask_tell(study, 5)), "tune") is not None
    again: AskTell = open_ask_tell(open_study(study.path), 5)
    run_all(packed(again))
    assert [trial.state for trial in trials(study)] == [TrialState.COMPLETE] * 5


def test_a_pack_that_cannot_go_on_halts_the_study_and_leaves_its_trials(
    make_study: Callable[..., Study],
) -> None:
    study = make_study()
    queue = packed(open_ask_tell(study, 3))
    plan = plan_of(queue, "tune")
    assert plan is not None
    gone = [
        t.model_copy(update={"jobs": tuple(j.model_copy(update={"survey_checksum": "0"}) for j in t.jobs)})
        for t in plan.pack
    ]
    run(queue, "tune", plan.model_copy(update={"pack": tuple(gone)}))
    assert queue.halted is not None
    assert "is not the survey that the study was made for" in queue.halted
    assert [trial.state for trial in trials(study)] == [TrialState.RUNNING] * 3


def test_networks_of_a_campaign_join_by_architecture(
    make_job: Callable[..., TrainingJob], tmp_path: Path, one_thread: None
) -> None:
    def task(name: str, **values: Any) -> NetworkTask:
        job = make_job(member=name, seed=len(name), configuration={"epochs": 1, **values})
        return NetworkTask(job=job, surveys={}, size=1)

    tasks = [task("a"), task("wide", features=16), task("bb"), task("ccc"), task("wider", features=16)]
    said: list[tuple[str, str | None]] = []
    inner = NetworkQueue(tasks, Folders(tmp_path), lambda task, error: said.append((task.job.member, error)))
    plans = run_all(packed(inner))
    names = [[trial.jobs[0].member for trial in plan.pack] for plan in plans]
    assert names == [["a", "bb", "ccc"], ["wide", "wider"]]
    assert sorted(said) == sorted((task.job.member, None) for task in tasks)


@pytest.mark.parametrize(
    ("most", "left", "at_once", "size"), [(16, 64, 2, 16), (16, 20, 2, 10), (16, 1, 4, 1), (8, 0, 2, 1)]
)
def test_every_worker_gets_trials(most: int, left: int, at_once: int, size: int) -> None:
    assert pack_size(most, left, at_once) == size
