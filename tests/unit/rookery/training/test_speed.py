"""What is measured when networks are: the epochs that training takes, on surveys of random numbers."""

from pathlib import Path

import pytest
import torch

from rookery.networks.family import load_family
from rookery.surveys import open_survey
from rookery.training import plain_loop, speed
from rookery.training.speed import Bench, Case, turns

CPU = torch.device("cpu")
CASES = [
    Case("mlp", "photoz_mlp", {"width": 8, "batch_size": 32}, objects=96),
    Case("cnn", "photoz_cnn", {"image_size": 8, "width": 0.05, "blocks": 1, "units": 4}, objects=96, size=8),
    Case("pelican", "pelican", {"days_per_column": 16, "temporal_filters": 2, "features": 4}, objects=96),
]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_family_is_measured_by_every_way(case: Case, tmp_path: Path) -> None:
    bench = Bench(case, tmp_path, CPU)
    assert len(bench.data.rows["train"]) == case.objects
    found = turns({"plain": bench.plain, "loop": bench.loop, "pack": lambda: bench.pack(2)}, rounds=1)
    assert all(0 < seconds < 10 for seconds in found.values())
    (survey,) = tmp_path.iterdir()
    assert open_survey(survey).info.kind in load_family(case.family).survey_kinds


def test_the_first_epoch_does_not_count() -> None:
    times = iter([0.0, 9.0, 10.0, 12.0])
    report = speed._Epochs(lambda: next(times), 3)
    for _ in range(3):
        report({}, speed.Progress())
    with pytest.raises(speed._EnoughError):
        report({}, speed.Progress())
    assert report.seconds() == 1.0, "the shortest of those between reports; warm-up ended with the first"


def test_ways_are_measured_by_turns() -> None:
    order: list[str] = []
    values = {"a": iter([1.0, 9.0, 2.0]), "b": iter([4.0, 5.0, 6.0])}

    def way(name: str) -> float:
        order.append(name)
        return next(values[name])

    assert turns({"a": lambda: way("a"), "b": lambda: way("b")}) == {"a": 2.0, "b": 5.0}
    assert order == ["a", "b"] * 3


def test_the_plain_loop_drops_by_torch_itself() -> None:
    family = load_family("photoz_mlp")
    network = family.build(family.configure({"hidden_layers": 2, "width": 4, "dropout": 0.25}), 5, 10)
    plain_loop._with_torch_dropout(network)
    parts = [module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)]
    assert parts == [0.25, 0.25]
    assert not any(isinstance(module, plain_loop.Dropout) for module in network.modules())
