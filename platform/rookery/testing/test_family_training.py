"""What training keeps with every family: it learns, waits for nothing, streams, and members open again."""

import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rookery.networks.draws import Draws
from rookery.networks.family import Inputs
from rookery.networks.layout import asking_for
from rookery.surveys import open_split
from rookery.testing.fake_device import Spy, pretended_device
from rookery.testing.family_case import Case, draws_of
from rookery.training.card import read_card
from rookery.training.data import load_data, predict_rows
from rookery.training.job import StartFrom, TrainingJob
from rookery.training.loop import train
from rookery.training.member import open_member, train_member
from rookery.training.trainee import Trainee
from rookery_ensembles.predictions import read_predictions


def test_a_tiny_fit_lowers_the_loss(case: Case, make_job: Callable[..., TrainingJob]) -> None:
    values = {"epochs": 12, "learning_rate": 3e-3, "batch_size": 32}
    configuration = case.unsmoothed(0).model_copy(update=values)
    job = case.job(make_job, configuration)
    data = load_data(job, case.family, configuration, torch.device("cpu"))
    _, progress = train(job, case.family, configuration, data, lambda metrics, progress: None)
    losses = [row["train_loss"] for row in progress.history]
    assert min(losses[3:]) < losses[0]
    assert progress.best_value < math.log(job.target.n_columns), "better than giving all outputs the same"


EACH_EPOCH = {"sync": 5, "host": 1}
"""What an epoch waits for at most: its losses, their sums, the predictions of validation and their truth."""


@pytest.mark.parametrize("number", range(3))
def test_a_step_waits_for_nothing_of_the_host(
    case: Case, number: int, make_job: Callable[..., TrainingJob]
) -> None:
    """Of two trainings, one with an epoch and several steps more, only the epoch is seen."""
    spies = []
    with pretended_device() as device:
        for epochs, batch_size in ((1, 24), (2, 12)):
            values = {"epochs": epochs, "batch_size": batch_size}
            configuration = case.point(number).model_copy(update=values)
            job = case.job(make_job, configuration)
            data = load_data(job, case.family, configuration, device)
            with Spy() as spy:
                train(job, case.family, configuration, data, lambda metrics, progress: None)
            spies.append(spy)
    short, long = spies
    assert long.steps >= short.steps + 4
    more = long.seen - short.seen
    found: Counter[str] = Counter()
    for (kind, _), times in more.items():
        found[kind] += times
    assert all(found[kind] <= EACH_EPOCH.get(kind, 0) for kind in found), dict(more)


@pytest.mark.slow
@pytest.mark.parametrize("multiple", [None, 8], ids=["as they are", "laid out"])
def test_what_a_step_computes_is_one_graph(case: Case, multiple: int | None) -> None:
    """torch.compile finds no place at which it must go back to Python, with weights as on a GPU either."""
    configuration = case.point(0)
    network, inputs = case.network(configuration).train(), case.batch(configuration)
    target = torch.tensor([0, 1, 2] * 2)

    def loss(inputs: Inputs, target: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        draws = Draws(key)
        varied = case.family.augment(inputs, configuration, draws)
        terms = case.family.loss_terms(network, varied, target, configuration, draws)
        return torch.stack([term.mean() for term in terms.values()]).sum()

    torch._dynamo.reset()
    with asking_for(multiple):
        found = torch._dynamo.explain(loss)(inputs, target, draws_of(inputs).key_b)
    assert found.graph_count == 1
    assert found.break_reasons == []


@pytest.fixture
def double() -> Iterator[None]:
    """Compute in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU by g++")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of torch's own code
@pytest.mark.usefixtures("double")
def test_compiled_steps_train_the_same_network(case: Case, make_job: Callable[..., TrainingJob]) -> None:
    """In single precision a bias before batch norm, with a gradient of mere rounding, goes its own way."""
    configuration = case.point(0).model_copy(update={"epochs": 3, "batch_size": 24})
    found = []
    for asked in ("never", "always"):
        job = case.job(make_job, configuration).model_copy(update={"compile": asked})
        data = load_data(job, case.family, configuration, torch.device("cpu"))
        wide = {n: v.double() if v.is_floating_point() else v for n, v in data.inputs.items()}
        data = replace(data, inputs=wide)
        network, progress = train(job, case.family, configuration, data, lambda *_: None)
        values = predict_rows(network, case.family, data.inputs, data.rows["test"])
        found.append((progress, values))
    (plain, wanted), (compiled, values) = found
    assert plain.steps is None
    assert compiled.steps is not None
    assert compiled.steps.way == "compiled"
    assert compiled.steps.milliseconds.keys() == {"plain", "compiled"}
    for row, other in zip(compiled.history, plain.history, strict=True):
        timeless = {name: value for name, value in row.items() if name != "seconds"}
        assert timeless == pytest.approx({name: other[name] for name in timeless}, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(values, wanted, rtol=1e-5, atol=1e-5)


def test_a_survey_that_streams_from_the_host_trains_the_same_weights(
    case: Case, make_job: Callable[..., TrainingJob]
) -> None:
    configuration = case.point(0).model_copy(update={"epochs": 1, "batch_size": 24})
    job = case.job(make_job, configuration)
    found = []
    with pretended_device() as device:
        for room, place in ((math.inf, device), (1000, torch.device("cpu"))):
            data = load_data(job, case.family, configuration, device, room)
            assert {values.device for values in data.inputs.values()} == {place}
            with Spy() as spy:
                network, progress = train(job, case.family, configuration, data, lambda *_: None)
            values = predict_rows(network, case.family, data.inputs, data.rows["test"])
            found.append(({n: v.cpu() for n, v in network.state_dict().items()}, values, progress, spy))
    (weights, values, progress, _), (streamed, other_values, other_progress, spy) = found
    assert all(torch.equal(weights[name], streamed[name]) for name in weights)
    np.testing.assert_array_equal(values, other_values)
    assert progress.best_value == other_progress.best_value
    copies = [times for place, times in spy.of("copy").items() if place.startswith("resident.py")]
    assert sum(copies) >= spy.steps * len(data.inputs)


def test_member_opened_again_predicts_as_it_did_when_it_was_trained(
    case: Case, make_job: Callable[..., TrainingJob], tmp_path: Path
) -> None:
    configuration = case.point(1).model_copy(update={"epochs": 1})
    job = case.job(make_job, configuration)
    train_member(job, tmp_path / "member", tmp_path / "running", lambda metrics, progress: None, device="cpu")
    written = read_predictions(tmp_path / "member" / "predictions-test.parquet")
    member = open_member(tmp_path / "member")
    inputs = member.family.encode(case.survey, member.configuration, member.card.bands)
    rows = torch.from_numpy(open_split(case.survey, "half").indices("test"))
    values = job.target.from_probabilities(predict_rows(member.network, member.family, inputs, rows))
    np.testing.assert_array_equal(values, written.values)


def test_a_network_that_starts_from_a_member_predicts_as_that_does(
    case: Case, make_job: Callable[..., TrainingJob], tmp_path: Path
) -> None:
    configuration = case.point(1).model_copy(update={"epochs": 1})
    job, folder = case.job(make_job, configuration), tmp_path / "member"
    train_member(job, folder, tmp_path / "running", lambda metrics, progress: None, device="cpu")
    card = read_card(folder)
    start = StartFrom(folder=str(folder), weights=card.weights)
    later = job.model_copy(update={"start": start, "seed": job.seed + 1})
    data = load_data(later, case.family, configuration, torch.device("cpu"))
    begun = Trainee.begin(later, case.family, configuration, data, lambda *_: None)
    values = predict_rows(begun.network, case.family, data.inputs, data.rows["test"])
    written = read_predictions(folder / "predictions-test.parquet")
    np.testing.assert_array_equal(job.target.from_probabilities(values), written.values)
