import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rookery import api
from rookery.search.coordinator import Coordinator
from rookery.search.creation import create_or_open_study
from rookery.search.ledger import ledger
from rookery.search.space import SearchSpace
from rookery.search.study import Study, driver_lock
from rookery.surveys import Survey
from rookery.training import TrainingJob, train_member
from rookery.training.energy import EnergyMeter
from rookery_ensembles import InputError


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
        tmp_path / "study", space, tiny_survey, "half", class_names=names, pruner="none"
    )
    coordinator = Coordinator(made, 4)
    plan = coordinator.suggest("complete")
    assert plan is not None
    job = TrainingJob.model_validate(plan["jobs"][0])
    card = train_member(job, made.members_folder / job.member, made.path / "checkpoint", lambda *_: None)
    coordinator.report("complete", 1, card.value, {"seconds": 10.0, "joules": 100.0})
    coordinator.finish("complete", value=card.value)
    coordinator.suggest("stopped")
    coordinator.report("stopped", 1, 0.9, {"seconds": 2.0})
    coordinator._live["stopped"].pruned = True
    coordinator.finish("stopped")
    coordinator.suggest("failed")
    coordinator.report("failed", 1, 0.8, {"seconds": 3.0})
    coordinator.report("failed", 1, 0.8, {"seconds": 3.0})  # its worker died, and another one resumed
    coordinator.finish("failed", error="ValueError: too bad\nand more")
    coordinator.suggest("running")
    coordinator.report("running", 1, 0.7, {"seconds": 5.0})
    return made


def test_status_tells_what_there_is(study: Study) -> None:
    found = api.status(study.path)
    assert found["trials"] == {"complete": 1, "pruned": 1, "failed": 1, "running": 1, "waiting": 0}
    assert found["best"]["trial"] == 0
    assert [(trial["trial"], trial["step"], trial["value"]) for trial in found["running"]] == [(3, 1, 0.7)]
    assert found["pruned_at"] == [1]
    assert found["first_error"] == "ValueError: too bad"
    assert found["networks"] == 1
    assert found["device_hours"] == pytest.approx(15.0 / 3600)  # the running one's come when it ends
    assert (found["energy_kilowatt_hours"], found["energy_known_of"]) == (100 / 3.6e6, 1)


def test_ledger_has_a_row_for_every_begun_trial(study: Study) -> None:
    table = ledger(study).set_index("trial")
    assert table["state"].tolist() == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert table["device_seconds"].tolist() == [10.0, 2.0, 3.0, 0.0]
    assert table["energy_joules"].isna().tolist() == [False, True, True, True]
    assert table.loc[0, "device"].startswith("cpu")


def test_status_disturbs_no_driver_and_sees_that_one_is_there(study: Study) -> None:
    assert api.status(study.path)["driver_alive"] is False
    with driver_lock(study):
        assert api.status(study.path)["driver_alive"] is True
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
    assert "1 complete, 1 pruned, 1 failed, 1 running, 0 waiting" in shown.stdout


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
