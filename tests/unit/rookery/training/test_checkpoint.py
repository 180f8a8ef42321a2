"""Damaged checkpoints: training starts again, with one warning, whatever the damage is."""

import json
import logging
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from rookery.compute.interruption import InterruptedTraining
from rookery.networks.cost import blueprint
from rookery.networks.family import load_family
from rookery.training import loop
from rookery.training.checkpoint import load_checkpoint
from rookery.training.job import TrainingJob
from rookery.training.member import train_member

Tensors = dict[str, torch.Tensor]


class NoticedAfter:
    """Reads as a process that is told to end once so many steps have asked."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture(scope="module")
def job(make_job: Callable[..., TrainingJob]) -> TrainingJob:
    return make_job(configuration={"epochs": 3, "batch_size": 16})


@pytest.fixture(scope="module")
def saved(job: TrainingJob, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint in the middle of the second epoch."""
    path = tmp_path_factory.mktemp("running") / "0000.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "noticed", NoticedAfter(6))
        with pytest.raises(InterruptedTraining):
            train_member(job, path.parent / "member", path, lambda *_: None)
    return path.read_bytes()


@pytest.fixture
def load(job: TrainingJob, tiny_survey: Any) -> Callable[[Path], Any]:
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    shape = blueprint(family, configuration, len(tiny_survey.bands), 2)
    return lambda path: load_checkpoint(path, job, shape, n_train=80)


@pytest.fixture
def parts(saved: bytes, tmp_path: Path) -> tuple[Path, dict[str, Any], Tensors]:
    path = tmp_path / "old.safetensors"
    path.write_bytes(saved)
    with safe_open(path, framework="pt") as stream:
        facts = json.loads(stream.metadata()["rookery"])
        return path, facts, {name: stream.get_tensor(name) for name in list(stream.keys())}


def write(path: Path, facts: Any, tensors: Tensors) -> None:
    """Write a checkpoint as it was before there were checksums."""
    save_file(tensors, path, metadata={"rookery": facts if isinstance(facts, str) else json.dumps(facts)})


def test_a_checkpoint_without_checksum_still_loads(load: Any, parts: Any) -> None:
    path, facts, tensors = parts
    write(path, facts, tensors)
    found = load(path)
    assert (found.epoch, found.partial.step) == (1, facts["partial"]["step"])
    assert found.history == facts["history"]


def test_an_epoch_that_rookery_0_1_left_in_the_middle_goes_on(load: Any, parts: Any) -> None:
    path, facts, tensors = parts
    facts.pop("draws")
    write(path, facts, {**tensors, "generators/epoch": torch.get_rng_state()})
    found = load(path)
    assert (found.draws, found.partial.step) == ("mixed", facts["partial"]["step"])


DAMAGES: dict[str, Callable[[Any, Any], Any]] = {
    "no digest of a job": lambda facts, _: facts.pop("job"),
    "no history": lambda facts, _: facts.pop("history"),
    "history is text": lambda facts, _: facts.update(history="long"),
    "rows of text": lambda facts, _: facts["history"][0].update(train_loss="low"),
    "loss is NaN": lambda facts, _: facts["history"][0].update(train_loss=math.nan),
    "time is infinite": lambda facts, _: facts["history"][0].update(seconds=math.inf),
    "an epoch is lost": lambda facts, _: facts["history"][0].update(epoch=2),
    "best epoch to come": lambda facts, _: facts.update(best_epoch=9),
    "best value is NaN": lambda facts, _: facts.update(best_value=math.nan),
    "batch of none": lambda facts, _: facts.update(batch_size=0),
    "unknown fact": lambda facts, _: facts.update(surprise=1),
    "step beyond the epoch": lambda facts, _: facts["partial"].update(step=10**9),
    "negative step": lambda facts, _: facts["partial"].update(step=-1),
    "step of text": lambda facts, _: facts["partial"].update(step="far"),
    "tensors of no partial epoch": lambda facts, _: facts.pop("partial"),
    "a weight is missing": lambda _, tensors: tensors.pop(first(tensors, "network/")),
    "a best weight is missing": lambda _, tensors: tensors.pop(first(tensors, "best/")),
    "a weight too many": lambda _, tensors: tensors.update({"network/more": torch.ones(1)}),
    "another shape": lambda _, tensors: tensors.update({first(tensors, "network/"): torch.ones(3, 5)}),
    "another type": lambda _, tensors: retype(tensors, first(tensors, "network/")),
    "moment of another shape": lambda _, tensors: tensors.update(
        {first(tensors, "optimizer/0.exp_avg"): torch.ones(3)}
    ),
    "moment of no parameter": lambda _, tensors: tensors.update(
        {"optimizer/999999999999.step": torch.ones(())}
    ),
    "moment without a number": lambda _, tensors: tensors.update({"optimizer/first.step": torch.ones(())}),
    "a moment is missing": lambda _, tensors: tensors.pop("optimizer/0.exp_avg_sq"),
    "a part without a name": lambda _, tensors: tensors.update({"network": torch.ones(1)}),
    "a part of another kind": lambda _, tensors: tensors.update({"__class__/x": torch.ones(1)}),
    "a generator, where none draws": lambda _, tensors: tensors.update(
        {"generators/epoch": torch.ones(2, dtype=torch.uint8)}
    ),
    "draws of another kind": lambda facts, _: facts.update(draws="dice"),
    "sums of a shape": lambda _, tensors: tensors.update({first(tensors, "sums/"): torch.ones(2)}),
}


def first(tensors: Tensors, prefix: str) -> str:
    return next(name for name in sorted(tensors) if name.startswith(prefix))


def retype(tensors: Tensors, name: str) -> None:
    tensors[name] = tensors[name].double()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_ignored_with_one_warning(
    load: Any, parts: Any, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, facts, tensors = parts
    DAMAGES[damage](facts, tensors)
    write(path, facts, tensors)
    check_ignored(load, path, caplog)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"job": 1, "job": 2}'])
def test_facts_that_are_none_are_ignored(
    load: Any, parts: Any, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, _, tensors = parts
    write(path, text, tensors)
    check_ignored(load, path, caplog)


def check_ignored(load: Any, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert load(path) is None
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith(str(path))
    assert message.endswith("training starts again")
    assert len(message.splitlines()) == 1


def test_every_altered_byte_is_found(load: Any, saved: bytes, tmp_path: Path) -> None:
    random_numbers, path = random.Random(5), tmp_path / "c.safetensors"
    path.write_bytes(saved)
    assert load(path) is not None
    for _ in range(300):
        content = bytearray(saved)
        content[random_numbers.randrange(len(content))] ^= 1 << random_numbers.randrange(8)
        path.write_bytes(content)
        assert load(path) is None


def test_training_over_a_checkpoint_that_fits_no_network_starts_again(
    job: TrainingJob, parts: Any, tmp_path: Path
) -> None:
    path, facts, tensors = parts
    DAMAGES["moment of another shape"](facts, tensors)
    write(path, facts, tensors)
    told: list[float] = []
    again = train_member(job, tmp_path / "again", path, lambda metrics, _: told.append(metrics["epoch"]))
    clean = train_member(job, tmp_path / "clean", tmp_path / "none", lambda *_: None)
    assert told == [1, 2, 3], "nothing of the damaged file is told"
    assert (again.weights, again.value) == (clean.weights, clean.value)
