"""Epochs of running networks, told beside their checkpoints."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from rookery.training.epochs_file import Epochs, Head, epochs_file, read_epochs, running_epochs, stop_epochs
from rookery.training.epochs_writer import EpochsWriter
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery.training.members import MemberTask, train_members
from rookery.training.progress import Progress

MakeJob = Callable[..., TrainingJob]
CPU = torch.device("cpu")
HEAD = {
    "member": "0000", "family": "pelican", "fold": None, "seed": 1, "metric": "validation_log_loss",
    "direction": "minimize", "epochs": 9, "device": "cpu", "host": "here", "process": 1, "began": 1000.0,
}  # fmt: skip


def row(epoch: int, value: float = 1.0, **more: float) -> dict[str, float]:
    return {"epoch": epoch, "train_loss": 2.0, "validation_log_loss": value, "seconds": 3.0, **more}


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in rows).encode()


def known(path: Path, before: Epochs | None = None) -> Epochs:
    found = read_epochs(path, before)
    assert found is not None
    return found


def test_every_epoch_is_told_while_the_network_trains_and_the_file_goes_at_its_end(
    make_job: MakeJob, tmp_path: Path
) -> None:
    job, path, seen = make_job(split="folds", fold=1), tmp_path / "running" / "0000-f1.safetensors", []

    def report(metrics: dict[str, float], _: Progress) -> None:
        told = running_epochs(tmp_path)[job.member]
        assert (told.head.fold, told.head.epochs, told.epoch) == (1, 4, metrics["epoch"])
        assert metrics.items() <= told.rows[-1].items(), "all loss terms and metrics, the rate, the seconds"
        assert told.silent() < 60
        assert not told.stalled()
        seen.append(told)

    job = job.model_copy(update={"member": "0000-f1"})
    train_member(job, tmp_path / "members" / job.member, path, report)
    assert [told.epoch for told in seen] == [1, 2, 3, 4]
    history = pd.read_parquet(tmp_path / "members" / job.member / "history.parquet")
    assert [told["validation_log_loss"] for told in seen[-1].rows] == history["validation_log_loss"].tolist()
    assert list((tmp_path / "running").iterdir()) == []


def test_a_network_that_resumes_repeats_no_epoch(make_job: MakeJob, tmp_path: Path) -> None:
    job, path, told = make_job(), tmp_path / "running" / "0000.safetensors", []

    def report(metrics: dict[str, float], _: Progress) -> None:
        told.append([line["epoch"] for line in known(epochs_file(path)).rows])
        if len(told) == 2:
            with epochs_file(path).open("a") as stream:
                stream.write('{"epoch": 3, "train_lo')  # it died within a line
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_member(job, tmp_path / "0000", path, report)
    times = [line["time"] for line in known(epochs_file(path)).rows]
    assert len(times) == 2
    train_member(job, tmp_path / "0000", path, report)
    assert told == [[1], [1, 2], [1, 2], [1, 2], [1, 2, 3], [1, 2, 3, 4]]


def test_epochs_after_the_last_checkpoint_are_forgotten_as_they_are_trained_again(
    make_job: MakeJob, tmp_path: Path
) -> None:
    path = tmp_path / "0000.safetensors"
    writer = EpochsWriter(path, make_job(), 9, CPU, [])
    for epoch in (1, 2, 3):
        writer.add(row(epoch, float("nan")))
    first = known(epochs_file(path))
    EpochsWriter(path, make_job(), 9, CPU, [row(1), row(2)]).add(row(3, 0.5))
    again = known(epochs_file(path), first)
    assert [line["epoch"] for line in again.rows] == [1, 2, 3]
    assert [line["time"] for line in again.rows[:2]] == [line["time"] for line in first.rows[:2]]
    assert again.best == 0.5
    assert first.rows[0]["validation_log_loss"] is None


def test_members_of_a_pack_have_a_file_each(make_job: MakeJob, tmp_path: Path) -> None:
    seen: list[dict[str, tuple[int, int | None]]] = []

    def report(*_: Any) -> None:
        seen.append({m: (told.epoch, told.head.fold) for m, told in running_epochs(tmp_path).items()})

    tasks = []
    for number in range(2):
        job = make_job(member=f"{number:04d}-f{number}", split="folds", fold=number)
        place = tmp_path / "running" / f"{job.member}.safetensors"
        tasks.append(MemberTask(job, tmp_path / "members" / job.member, place, report, lambda found: None))
    train_members(tasks)
    assert {"0000-f0": (4, 0), "0001-f1": (4, 1)} in seen
    assert list((tmp_path / "running").iterdir()) == []


@pytest.mark.parametrize("torn", [b'{"epoch": 2, "train', b'{"epoch": 2}', b"\0\0\0", b'"\n[1]\n{"epoch":\n'])
def test_a_line_that_is_not_whole_counts_as_not_written(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "0000.epochs.jsonl"
    path.write_bytes(lines(HEAD, row(1)) + torn)
    assert known(path).epoch == 1


@pytest.mark.parametrize(
    "wrong",
    [
        b'{"epoch": 2, "validation_log_loss": "a", "seconds": 1.0}',
        b'{"epoch": 2, "seconds": []}',
        b'{"epoch": 2, "seconds": true}',
        b'{"epoch": 2, "time": "x"}',
        b'{"epoch": 2, "time": 1' + b"0" * 400 + b"}",
        b'{"epoch": [2]}',
        b"[" * 100_000,
    ],
)
def test_a_line_of_wrong_values_counts_as_not_written(wrong: bytes, tmp_path: Path) -> None:
    path = tmp_path / "0000.epochs.jsonl"
    path.write_bytes(lines(HEAD, row(1)) + wrong + b"\n" + lines(row(2)))
    assert known(path).summary()["epoch"] == 2
    assert known(path).best == 1.0


def test_only_what_was_added_is_read_and_a_new_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "0000.epochs.jsonl"
    path.write_bytes(lines(HEAD, row(1))[:-5])
    first = known(path)
    assert first.epoch == 0
    path.write_bytes(lines(HEAD, row(1), row(2)))
    second = known(path, first)
    assert (second.epoch, second.end) == (2, path.stat().st_size)
    with path.open("ab") as stream:
        stream.write(lines(row(2, 7.0), row(3)))  # a worker that was given up still writes
    third = known(path, second)
    assert [line["validation_log_loss"] for line in third.rows] == [1.0, 1.0, 1.0]
    other = tmp_path / "other"
    other.write_bytes(lines(HEAD | {"seed": 2}, row(1)))
    other.replace(path)
    assert (known(path, third).epoch, known(path, third).head.seed) == (1, 2)


def test_what_is_no_file_of_epochs_is_none(tmp_path: Path) -> None:
    path = tmp_path / "running" / "0000.epochs.jsonl"
    assert read_epochs(path) is None
    path.parent.mkdir()
    for content in (b"", b"{", lines({"member": "0000"}), lines(row(1))):
        path.write_bytes(content)
        assert read_epochs(path) is None
        assert running_epochs(tmp_path) == {}


def test_a_network_stands_still_when_an_epoch_is_late_by_those_before() -> None:
    head = Head.model_validate(HEAD)
    told = Epochs(Path("x"), head, [row(1, time=1100.0) | {"seconds": 300.0}])
    assert (told.silent(1130.0), told.stalled(1100.0 + 1499), told.stalled(1100.0 + 1501)) == (
        30,
        False,
        True,
    )
    fresh = Epochs(Path("x"), head, [])
    assert (fresh.stalled(1599.0), fresh.stalled(1601.0)) == (False, True)


def test_epochs_of_a_stopped_network_stay_and_its_worker_writes_no_more(
    make_job: MakeJob, tmp_path: Path
) -> None:
    path = tmp_path / "running" / "0000.safetensors"
    writer = EpochsWriter(path, make_job(), 9, CPU, [])
    writer.add(row(1))
    stop_epochs(path)
    writer.add(row(2))
    assert list((tmp_path / "running").iterdir()) == []
    assert known(tmp_path / "stopped" / "0000.epochs.jsonl").epoch == 1


def test_a_file_that_cannot_be_written_costs_its_lines_alone(
    make_job: MakeJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    epochs_file(tmp_path / "0000.safetensors").mkdir()
    writer = EpochsWriter(tmp_path / "0000.safetensors", make_job(), 9, CPU, [])
    writer.add(row(1))
    writer.add(row(2))
    assert len(caplog.records) == 1
    assert "epochs of a running network are not shown" in caplog.text


def test_reading_needs_neither_torch_nor_ray_nor_optuna() -> None:
    heavy = "print({'torch', 'ray', 'optuna', 'pandas'} & set(sys.modules))"
    code = f"import sys, rookery.training.epochs_file; {heavy}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
