"""A campaign's queue of networks: in order, failures recorded, deaths counted, nothing lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rookery.campaigns.plan import Folders, NetworkTask
from rookery.campaigns.train import NetworkQueue
from rookery.search.trial_plan import FAILED, FINISHED, HALTED, TrialPlan
from rookery.search.trial_queue import MAX_ATTEMPTS
from rookery.search.worker import run_plan
from rookery.surveys import Survey
from rookery.training.job import TrainingJob
from rookery_ensembles import read_predictions

MakeJob = Callable[..., TrainingJob]
Said = list[tuple[str, str | None]]


@pytest.fixture
def said() -> Said:
    """Which networks ended, and how."""
    return []


@pytest.fixture
def queue(make_job: MakeJob, tmp_path: Path, said: Said) -> NetworkQueue:
    tasks = [
        NetworkTask(job=make_job(member=name, configuration={"epochs": 1}), surveys={}, size=1)
        for name in ("one", "two", "three")
    ]
    return NetworkQueue(tasks, Folders(tmp_path), lambda task, error: said.append((task.job.member, error)))


def member(plan: dict[str, Any] | None) -> str:
    assert plan is not None
    return str(plan["jobs"][0]["member"])


def run(queue: NetworkQueue, plan: dict[str, Any] | None) -> dict[str, Any]:
    """The last report of a plan's worker."""
    assert plan is not None
    sent: list[dict[str, Any]] = []
    resources = {"study": str(queue.folder), "in_worker_group": False, "cpus": 1, "gpus": 0}
    run_plan(TrialPlan.model_validate({**plan, **resources}), sent.append)
    return sent[-1]


def test_networks_come_in_their_order_and_failures_are_recorded(queue: NetworkQueue, said: Said) -> None:
    assert [member(queue.suggest(key)) for key in "abc"] == ["one", "two", "three"]
    assert (queue.n_running, queue.suggest("d"), queue.nothing_left()) == (3, None, False)
    queue.finish("b", error="it broke\nin many lines")
    queue.finish("a", value=0.5)
    queue.finish("a", error="too late to count")
    assert queue.interrupted()
    queue.finish("c")
    assert said == [("two", "it broke\nin many lines"), ("one", None), ("three", "it ended without a result")]
    assert set(queue.errors) == {"two", "three"}
    assert (queue.folder / "failed" / "two.txt").read_text() == "it broke\nin many lines\n"
    assert (queue.nothing_left(), queue.interrupted()) == (True, False)


def test_a_network_that_succeeds_has_its_old_error_removed(queue: NetworkQueue) -> None:
    record = queue.folder / "failed" / "one.txt"
    record.parent.mkdir()
    record.write_text("of an earlier run")
    queue.suggest("a")
    queue.finish("a", value=0.5)
    assert not record.exists()


def test_a_network_whose_workers_die_fails_unless_it_goes_on(queue: NetworkQueue, said: Said) -> None:
    queue.suggest("a")
    for step in (1, 2, 2):
        queue.report("a", step, 0.5, {})
        assert queue.note_death("a", "killed") is True
    queue.give_up("a")
    assert member(queue.suggest("b")) == "one", "it waits to be taken up again"
    may_go_on = [queue.note_death("b", "killed for good") for _ in range(MAX_ATTEMPTS - 2)]
    assert may_go_on == [True] * (MAX_ATTEMPTS - 3) + [False]
    queue.give_up("b")
    assert said == [("one", f"its worker or driver died {MAX_ATTEMPTS} times (killed for good)")]


def test_a_survey_that_is_gone_fails_its_networks_alone_and_a_full_disk_all(
    queue: NetworkQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rookery.training import member as module

    plan = queue.suggest("a")
    assert plan is not None
    gone = run(queue, {**plan, "jobs": [{**plan["jobs"][0], "survey": str(tmp_path / "gone")}]})
    assert str(tmp_path / "gone") in gone[FAILED]
    assert "\n" not in gone[FAILED]

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "load_data", full)
    assert run(queue, plan)[HALTED] == f"{tmp_path}: cannot be written (No space left on device)"
    queue.halt("a", "no space")
    assert (queue.halted, queue.suggest("b"), queue.nothing_left()) == ("no space", None, False)


def test_a_member_that_lost_files_is_trained_again_and_predicts_other_surveys(
    make_job: MakeJob, tmp_path: Path, tiny_survey: Survey
) -> None:
    out = tmp_path / "predictions" / "one.parquet"
    out.parent.mkdir()
    task = NetworkTask(
        job=make_job(member="one", configuration={"epochs": 1}),
        surveys={"predictions/one.parquet": str(tiny_survey.path)},
        size=1,
    )
    (tmp_path / "members" / "one").mkdir(parents=True)
    queue = NetworkQueue([task], Folders(tmp_path), lambda task, error: None)
    assert FINISHED in run(queue, queue.suggest("a"))
    found = read_predictions(out)
    assert (found.info.member, found.info.survey) == ("one", tiny_survey.checksum)
    assert len(found.object_id) == len(tiny_survey)
    assert task.is_finished(Folders(tmp_path))
