"""TF32 is off unless a configuration asks for it, and the card tells what was in force."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rookery.networks.configuration import configuration_hash
from rookery.networks.family import load_family
from rookery.search.space import find_space, load_space
from rookery.testing.fake_device import pretended_device
from rookery.training.arithmetic import arithmetic, arithmetic_now
from rookery.training.card import Card
from rookery.training.job import TrainingJob
from rookery.training.member import train_member

MakeJob = Callable[..., TrainingJob]
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def switches_as_they_were() -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    yield
    matmul.allow_tf32, cudnn.allow_tf32 = before


def switches() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_a_member_trains_without_tf32_and_its_card_says_so(make_job: MakeJob, tmp_path: Path) -> None:
    torch.backends.cudnn.allow_tf32 = True  # torch's default
    seen = []
    job = make_job(configuration={"epochs": 2})
    card = train_member(job, tmp_path / "m", tmp_path / "c", lambda *_: seen.append(switches()))
    assert seen == [(False, False)] * 2
    assert card.arithmetic is not None
    assert card.arithmetic.model_dump() == {
        "float32_matmul": "highest",
        "tf32_matmul": False,
        "tf32_convolution": False,
        "autocast": None,
    }
    assert switches() == (False, True), "what others of this process compute is theirs"


def test_a_card_from_before_says_nothing_of_it(make_job: MakeJob, tmp_path: Path) -> None:
    train_member(make_job(configuration={"epochs": 1}), tmp_path / "m", tmp_path / "c", lambda *_: None)
    found = json.loads((tmp_path / "m" / "card.json").read_text())
    del found["arithmetic"]
    assert Card.model_validate(found).arithmetic is None


@pytest.mark.parametrize(
    ("precision", "device", "tf32"),
    [("float32", GPU, False), ("tf32", GPU, True), ("float32", CPU, False), ("tf32", CPU, False)],
)
def test_tf32_is_for_gpus_and_for_those_that_ask(precision: str, device: torch.device, tf32: bool) -> None:
    before = switches()
    with arithmetic(precision, device):
        assert switches() == (tf32, tf32)
    assert switches() == before


def test_autocast_is_told() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert arithmetic_now(CPU).autocast == "bfloat16"
    assert arithmetic_now(CPU).autocast is None


def test_single_precision_leaves_the_hash_of_a_configuration_as_it_was() -> None:
    family = load_family("photoz_mlp")
    plain, single, tf32 = (
        configuration_hash(family.name, family.configure(values))
        for values in ({}, {"precision": "float32"}, {"precision": "tf32"})
    )
    assert plain == single != tf32


def test_precision_can_be_fixed_for_a_space_that_does_not_name_it() -> None:
    family = load_family("pelican")
    space = load_space(find_space("pelican"), family.configuration)
    assert "precision" not in space.parameters
    fixed = space.fix({"precision": "tf32"}, family.configuration)
    assert fixed.parameters["precision"].value == "tf32"


def test_bfloat16_is_for_gpus_and_keeps_no_rounded_weights() -> None:
    with arithmetic("bf16", CPU):
        assert arithmetic_now(CPU).autocast is None
    with pretended_device() as device:
        with arithmetic("bf16", device):
            assert arithmetic_now(device).autocast == "bfloat16"
            assert not torch.is_autocast_cache_enabled()
        assert arithmetic_now(device).autocast is None
