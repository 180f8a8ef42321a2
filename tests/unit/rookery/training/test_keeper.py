"""Large checkpoints are written beside the training: none is lost that was promised, none is torn."""

import errno
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rookery.compute.interruption import forget
from rookery.training import keeper
from rookery.training.checkpoint import load_checkpoint, save_checkpoint
from rookery.training.job import TrainingJob
from rookery.training.keeper import Keeper
from rookery.training.member import train_member
from rookery.training.progress import Progress

MakeJob = Callable[..., TrainingJob]


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the thread write every checkpoint; at the end no thread is left."""
    monkeypatch.setattr(keeper, "SMALL_BYTES", 0)
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "checkpoints"]


def progress(epoch: int) -> Progress:
    history = [{"epoch": float(number)} for number in range(1, epoch + 1)]
    weights = {"w": torch.full((5, 3), float(epoch)), "none": torch.zeros(0), "n": torch.tensor(epoch)}
    return Progress(history, epoch, 0.5, weights, weights, {"0.step": torch.tensor(1.0)})


class Slow:
    """Writes checkpoints when it is let."""

    def __init__(self) -> None:
        self.began, self.go, self.written = threading.Event(), threading.Event(), list[int]()

    def __call__(self, path: Path, job: TrainingJob, progress: Progress) -> None:
        self.began.set()
        assert self.go.wait(20)
        save_checkpoint(path, job, progress)
        self.written.append(progress.epoch)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow()
    monkeypatch.setattr(keeper, "save_checkpoint", made)
    return made


def test_training_goes_on_while_it_writes_and_the_newest_is_the_next(
    make_job: MakeJob, tmp_path: Path, slow: Slow
) -> None:
    job = make_job()
    with Keeper(tmp_path / "c", job) as keeps:
        keeps.keep(progress(1))
        assert slow.began.wait(20)
        for epoch in (2, 3, 4):
            keeps.keep(progress(epoch))
        assert slow.written == []
        slow.go.set()
        keeps.flush()
        assert slow.written == [1, 4]
    saved = load_checkpoint(tmp_path / "c", job)
    assert saved is not None
    assert saved.network["w"].equal(torch.full((5, 3), 4.0))
    assert saved.network["none"].shape == (0,)
    assert saved.network["n"].item() == 4
    assert saved.best_epoch == saved.epoch == 4


def test_history_that_goes_on_is_not_that_of_the_checkpoint(
    make_job: MakeJob, tmp_path: Path, slow: Slow
) -> None:
    job, now = make_job(), progress(1)
    with Keeper(tmp_path / "c", job) as keeps:
        keeps.keep(now)
        now.history.append({"epoch": 2.0})
        slow.go.set()
        keeps.flush()
    saved = load_checkpoint(tmp_path / "c", job)
    assert saved is not None
    assert saved.epoch == 1


def test_writing_takes_a_part_of_the_time(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[tuple[float, float]] = []

    def save(*_: Any) -> None:
        start = time.monotonic()
        time.sleep(0.02)
        times.append((start, time.monotonic()))

    monkeypatch.setattr(keeper, "save_checkpoint", save)
    with Keeper(tmp_path / "c", make_job()) as keeps:
        end = time.monotonic() + 20
        while len(times) < 3 and time.monotonic() < end:
            keeps.keep(progress(1))
            time.sleep(0.001)
    for (begun, ended), (later, _) in itertools.pairwise(times[:3]):
        assert later - ended >= 9 * (ended - begun) - 0.01


def test_after_an_error_of_the_training_what_waits_is_written(
    make_job: MakeJob, tmp_path: Path, slow: Slow
) -> None:
    job = make_job()
    slow.go.set()

    def train() -> None:
        with Keeper(tmp_path / "c", job) as keeps:
            keeps.keep(progress(1))
            keeps.keep(progress(2))
            raise ValueError("of the training")

    with pytest.raises(ValueError, match="of the training"):
        train()
    saved = load_checkpoint(tmp_path / "c", job)
    assert saved is not None
    assert saved.epoch == 2


def test_an_error_of_the_thread_is_raised_by_the_next_call(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keeper, "save_checkpoint", full)
    with Keeper(tmp_path / "c", make_job()) as keeps:
        keeps.keep(progress(1))
        with pytest.raises(OSError, match="No space left"):
            keeps.flush()


def test_who_is_told_to_end_waits_for_the_file(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "noticed", lambda: True)
    job = make_job()
    with Keeper(tmp_path / "c", job) as keeps:
        for epoch in (1, 2):
            keeps.keep(progress(epoch))
            saved = load_checkpoint(tmp_path / "c", job)
            assert saved is not None
            assert saved.epoch == epoch, "without the pause that lies between two"
    forget()


def test_a_member_trained_so_is_the_same_and_leaves_no_checkpoint(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    beside = train_member(job, tmp_path / "beside", tmp_path / "c", lambda *_: None)
    monkeypatch.setattr(keeper, "SMALL_BYTES", 2**24)
    at_once = train_member(job, tmp_path / "at once", tmp_path / "c", lambda *_: None)
    assert not (tmp_path / "c").exists()
    assert beside.value == at_once.value
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("beside", "at once")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_the_published_networks_checkpoint_lets_the_training_go_on(make_job: MakeJob, tmp_path: Path) -> None:
    part = 27_600_000 // 60
    weights = {f"{number}": torch.ones(part) for number in range(60)}
    moments = {f"{n}.{name}": torch.ones(part) for n in range(60) for name in ("exp_avg", "exp_avg_sq")}
    now = Progress([{"epoch": 1.0}], 1, 0.5, weights, dict(weights), moments)
    with Keeper(tmp_path / "c", make_job()) as keeps:
        start = time.thread_time()
        keeps.keep(now)
        assert time.thread_time() - start < 0.1
        waited = []
        while keeps._busy or keeps._waiting is not None:
            begun = time.perf_counter()
            time.sleep(0.001)
            waited.append(time.perf_counter() - begun)
    assert (tmp_path / "c").stat().st_size > 4 * 4 * 27_500_000
    assert sorted(waited)[-max(1, len(waited) // 100)] < 0.1, "Python's lock is not held meanwhile"
