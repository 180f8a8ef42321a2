import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from rookery import api, cli, words
from rookery.cli import say_status
from rookery.compute.energy import EnergyMeter
from rookery.search.ask_tell import open_ask_tell
from rookery.search.costs import trial_costs
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace
from rookery.search.status import _running
from rookery.search.storage import census
from rookery.search.storage.census import TrialRecord, read_census
from rookery.search.study import Study, driver_lock
from rookery.search.study_facts import StudyFacts
from rookery.surveys import Survey
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import Classes, InputError


@pytest.fixture
def study(tmp_path: Path, tiny_survey: Survey, tiny_configuration: dict[str, Any]) -> Study:
    """A study of four begun trials: complete, stopped, failed, running."""
    fixed = {name: {"value": value} for name, value in (tiny_configuration | {"epochs": 1}).items()}
    document = {
        "family": "pelican",
        "objective": {"metric": "validation_log_loss", "direction": "minimize"},
        "parameters": {**fixed, "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}},
    }
    space = SearchSpace.model_validate(document)
    names = ("Ia", "non-Ia")
    made = create_or_open_study(
        tmp_path / "study", space, tiny_survey, "half", target=Classes(names), pruner="none"
    )
    ask_tell = open_ask_tell(made, 4)
    plan = ask_tell.suggest("complete")
    assert plan is not None
    job = TrainingJob.model_validate(plan["jobs"][0])
    card = train_member(job, made.members_folder / job.member, made.path / "checkpoint", lambda *_: None)
    ask_tell.report("complete", 1, card.value, {"seconds": 10.0, "joules": 100.0})
    ask_tell.finish("complete", value=card.value)
    ask_tell.suggest("stopped")
    ask_tell.report("stopped", 1, 0.9, {"seconds": 2.0})
    ask_tell._live["stopped"].pruned = True
    ask_tell.finish("stopped")
    ask_tell.suggest("failed")
    ask_tell.report("failed", 1, 0.8, {"seconds": 3.0})
    ask_tell.report("failed", 1, 0.8, {"seconds": 3.0})  # its worker died, and another one resumed
    ask_tell.finish("failed", error="ValueError: too bad\nand more")
    ask_tell.suggest("running")
    ask_tell.report("running", 1, 0.7, {"seconds": 5.0})
    return made


def test_status_tells_what_there_is(study: Study) -> None:
    found = api.status(study.path)
    assert found["trials"] == {
        "complete": 1, "pruned": 1, "failed": 1, "waiting": 0, "running": 0, "interrupted": 1,
    }  # fmt: skip
    assert found["best"]["trial"] == 0
    assert [(trial["trial"], trial["step"], trial["value"]) for trial in found["running"]] == [(3, 1, 0.7)]
    assert found["pruned_at"] == {1: 1}
    assert found["first_error"] == "ValueError: too bad"
    assert found["networks"] == 1
    assert found["device_hours"] == pytest.approx(15.0 / 3600)  # the running one's come when it ends
    assert (found["energy_kilowatt_hours"], found["energy_known_of"]) == (100 / 3.6e6, 1)


def test_status_tells_how_networks_in_training_stand(study: Study) -> None:
    head = {
        "member": "0003", "family": "pelican", "seed": 1, "metric": "validation_log_loss",
        "direction": "minimize", "epochs": 9, "device": "cpu", "host": "a", "process": 1, "began": 1000.0,
    }  # fmt: skip
    rows = [{"epoch": 1, "validation_log_loss": 0.7}, {"epoch": 2, "validation_log_loss": 0.8}]
    for member in ("0003", "0002"):  # of the other one the trial has ended
        file = study.path / "running" / f"{member}.epochs.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(json.dumps(line) for line in [head | {"member": member}, *rows]) + "\n")
    (told,) = api.status(study.path)["running_networks"]
    assert {name: told[name] for name in ("member", "epoch", "epochs", "value", "best", "stalled")} == {
        "member": "0003", "epoch": 2, "epochs": 9, "value": 0.8, "best": 0.7, "stalled": True,
    }  # fmt: skip


def test_table_of_costs_has_a_row_for_every_begun_trial(study: Study) -> None:
    table = trial_costs(study).set_index("trial")
    assert table["state"].tolist() == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert table["device_seconds"].tolist() == [10.0, 2.0, 3.0, 0.0]
    assert table["energy_joules"].isna().tolist() == [False, True, True, True]
    assert table.loc[0, "device"].startswith("cpu")


def test_status_disturbs_no_driver_and_sees_that_one_is_there(study: Study) -> None:
    assert api.status(study.path)["driver_alive"] is False
    with driver_lock(study):
        found = api.status(study.path)
        assert found["driver_alive"] is True
        assert (found["trials"]["running"], found["trials"]["interrupted"]) == (1, 0)
        api.status(study.path)


def test_status_changes_nothing_and_reads_from_a_folder_that_cannot_be_written(study: Study) -> None:
    def facts() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in study.path.rglob("*")}

    before = facts()
    expected = api.status(study.path)["trials"]
    assert facts() == before
    study.path.chmod(0o555)
    try:
        assert api.status(study.path)["trials"] == expected
    finally:
        study.path.chmod(0o755)


def test_a_study_that_has_just_been_made_has_no_trial(study: Study) -> None:
    (study.path / "study.db").unlink()
    shutil.rmtree(study.members_folder)
    found = api.status(study.path)
    assert sum(found["trials"].values()) == 0
    assert (found["best"], found["last_change"]) == (None, None)


def test_what_is_no_study_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a study nor a campaign"):
        api.status(tmp_path)
    (tmp_path / "study.yaml").write_text("{a: 1}\n")
    with pytest.raises(InputError, match=r"study\.yaml, line 1: `family` is required"):
        api.status(tmp_path)


def test_the_command_answers_without_torch_and_ray(study: Study) -> None:
    code = (
        "import sys; from rookery import api; api.status(sys.argv[1]);"
        "print({'torch', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(study.path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert done.stdout.strip() == "set()"
    shown = subprocess.run(
        [sys.executable, "-m", "rookery", "status", str(study.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 complete, 1 pruned, 1 failed, 1 interrupted" in shown.stdout


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: Path) -> str:
    monkeypatch.setattr(sys, "argv", ["rookery", "status", str(path)])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    return capsys.readouterr().out


def test_what_was_stopped_waits_to_be_resumed_and_what_is_queued_is_no_trial(
    study: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study.optuna_study().enqueue_trial({"learning_rate": 0.01})
    printed = shown(capsys, monkeypatch, study.path)
    assert "1 interrupted" in printed
    assert "running" not in printed
    assert "to be resumed  trial 3: 0.7 at epoch 1 of 1, since" in printed
    assert "waiting" not in printed
    assert "1 configuration, which further trials try first" in printed
    assert "device time    15 s" in printed
    assert str(study.path) in printed  # whole, however long
    with driver_lock(study):
        printed = shown(capsys, monkeypatch, study.path)
    assert "1 running" in printed
    assert "interrupted" not in printed


@pytest.fixture
def many(tmp_path: Path, project_root: Path) -> Path:
    spec = importlib.util.spec_from_file_location("speed", project_root / "benchmarks" / "status_speed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make_study(tmp_path / "study", 3000)
    return tmp_path / "study"


@pytest.mark.slow
def test_three_thousand_trials_are_a_summary_in_two_seconds(many: Path) -> None:
    def used() -> float:
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN)
        return seconds.ru_utime + seconds.ru_stime

    took = []
    for _ in range(3):  # processor time, the best of three: other tests may run on the same cores
        before = used()
        done = subprocess.run(
            [sys.executable, "-m", "rookery", "status", str(many)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "80"},
        )
        took.append(used() - before)
    assert "1,500 complete, 1,200 pruned, 300 failed" in done.stdout
    assert "1,200 trials, after 1 to 59 epochs of 3 x 20, half of them by" in done.stdout
    assert "300 trials, first trial 9: ValueError: object 9 is bad" in done.stdout
    assert len(done.stdout.splitlines()) < 20
    assert min(took) < 2.0


def test_the_census_is_what_optuna_tells(study: Study) -> None:
    own = read_census(study.path, None, "rookery", ("device_seconds", "error"), "epochs")
    theirs = study.optuna_study().get_trials(deepcopy=False)
    assert [(t.number, t.state, t.started, t.ended) for t in own] == [
        (t.number, t.state.name.lower(), t.datetime_start, t.datetime_complete) for t in theirs
    ]
    assert [t.value for t in own] == [theirs[0].value, None, None, None]  # of complete trials
    assert [t.attributes.get("device_seconds") for t in own] == [10.0, 2.0, 3.0, None]
    assert [t.last_step for t in own] == [None, 1, None, 1]  # where it is asked for


@pytest.mark.parametrize(
    ("step", "place"),
    [
        (1, "fold 1, epoch 1 of 20"),
        (20, "fold 1, epoch 20 of 20"),
        (59, "fold 3, epoch 19 of 20"),
        (61, "fold 1, start 2, epoch 1 of 20"),
    ],
)
def test_a_step_is_told_as_fold_and_epoch(step: int, place: str) -> None:
    told = StudyFacts.model_validate(
        {
            "family": "pelican", "split": {"folds": 3}, "starts": 2,
            "space": {
                "objective": {"metric": "m", "direction": "minimize"},
                "parameters": {"epochs": {"value": 20}},
            },
        }
    )  # fmt: skip
    trial = TrialRecord(7, "running", None, None, last_step=step, last_value=0.5)
    line = say_status._place(_running(trial, told.epochs, told.trainings))
    assert line.startswith(f"0.5 at {place}, since")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (words.count(1, "row"), "1 row"),
        (words.count(3000, "row"), "3,000 rows"),
        (words.amount(1260.4), "1,260"),
        (words.amount(12.34), "12.3"),
        (words.amount(0.5), "0.5"),
        (words.amount(1e-5), "0.00001"),
        (words.amount(0), "0"),
        (words.duration(0.4), "0 s"),
        (words.duration(59.7), "1 min"),
        (words.duration(200), "3 min 20 s"),
        (words.duration(4 * 3600 + 300), "4 h 5 min"),
        (words.duration(1.26e3 * 3600), "1,260 h"),
        (words.energy(0.0123), "12.3 Wh"),
        (words.energy(1234), "1,234 kWh"),
        (words.energy(1e-6), "3.6 J"),
    ],
)
def test_numbers_are_told_as_people_read_them(found: str, said: str) -> None:
    assert found == said


def package(folder: Path, name: str, energy: int, most: int = 1_000_000) -> Path:
    made = folder / name
    made.mkdir()
    (made / "max_energy_range_uj").write_text(f"{most}\n")
    (made / "energy_uj").write_text(f"{energy}\n")
    return made


def test_energy_is_that_of_all_packages_and_survives_a_counter_that_begins_anew(tmp_path: Path) -> None:
    first, second = (package(tmp_path, f"intel-rapl:{n}", 900_000) for n in (0, 1))
    package(tmp_path, "intel-rapl:0:0", 5)  # a part of the first package: counted there
    meter = EnergyMeter(torch.device("cpu"), powercap=tmp_path)
    (first / "energy_uj").write_text("950000\n")
    (second / "energy_uj").write_text("100000\n")  # past its range of 1 J
    assert meter.joules() == pytest.approx(0.05 + 0.2)
    assert meter.joules() == 0


def test_a_part_of_a_device_is_charged_a_part_of_its_energy(tmp_path: Path) -> None:
    folder = package(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter(torch.device("cpu"), 0.25, tmp_path)
    (folder / "energy_uj").write_text("800000\n")
    assert meter.joules() == pytest.approx(0.2)


@pytest.mark.parametrize("state", ["no counter", "no number"])
def test_energy_that_nothing_tells_is_unknown(tmp_path: Path, state: str) -> None:
    if state == "no number":
        (package(tmp_path, "intel-rapl:0", 0) / "energy_uj").write_text("?\n")
    assert EnergyMeter(torch.device("cpu"), powercap=tmp_path).joules() is None


def test_a_counter_that_goes_away_leaves_energy_unknown(tmp_path: Path, make_job: Callable[..., Any]) -> None:
    folder = package(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter(torch.device("cpu"), powercap=tmp_path)
    (folder / "energy_uj").unlink()
    assert meter.joules() is None
    assert meter.joules() is None


def test_no_attributes_make_no_empty_list(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite takes ``IN ()``; PostgreSQL and MySQL, where a study may lie, call it an error of syntax."""
    asked: list[str] = []
    asking = census.asking

    @contextmanager
    def listening(folder: Path, storage: str | None) -> Iterator[Any]:
        with asking(folder, storage) as ask:
            assert ask is not None

            def heard(statement: str, **parameters: str) -> Any:
                asked.append(statement)
                return ask(statement, **parameters)

            yield heard

    monkeypatch.setattr(census, "asking", listening)
    found = read_census(study.path, None, "rookery", (), "epochs")
    assert [each.number for each in found] == [0, 1, 2, 3]
    assert asked
    assert not [statement for statement in asked if "IN ()" in statement]
