"""What every family of networks keeps. A new family is covered by being found, without a line here."""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from rookery.networks.configuration import LATER, TrainingConfiguration, configuration_hash
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs, family_names, load_family
from rookery.search.space import SearchSpace, find_space, load_space
from rookery.surveys import Survey, open_split
from rookery.surveys.equal_bins import EqualBins
from rookery.testing.fake_device import Spy, pretended_device
from rookery.training.card import read_card
from rookery.training.data import load_data, predict_rows
from rookery.training.job import StartFrom, TrainingJob
from rookery.training.loop import train
from rookery.training.member import open_member, train_member
from rookery.training.trainee import Trainee
from rookery_ensembles.predictions import read_predictions

optuna.logging.set_verbosity(optuna.logging.WARNING)
N_OUTPUTS = 3
POINTS = range(5)
BATCH = slice(0, 6)
CHEAP = {"images": {"image_size": 16, "width": 0.1, "units": 32}}
"""Values, by kind of survey, that make networks small; those that a family does not have do not count."""


def draws_of(inputs: Inputs, seed: int = 1) -> Draws:
    return Draws.of(seed, 0, torch.arange(len(next(iter(inputs.values())))))


@dataclass
class Case:
    """A family with its search space, and inputs of a survey that it can learn from."""

    family: Family[Any]
    space: SearchSpace
    survey: Survey

    def sampled(self, n: int) -> list[dict[str, Any]]:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        return [self.space.suggest(study.ask()) for _ in range(n)]

    def point(self, number: int) -> TrainingConfiguration:
        """Return the `number`-th random configuration of the space."""
        configuration: TrainingConfiguration = self.family.configure(self.sampled(number + 1)[number])
        return configuration

    def unsmoothed(self, number: int) -> TrainingConfiguration:
        """Return the `number`-th configuration, its cross-entropy that of the targets themselves."""
        found = self.point(number)
        off = {"label_smoothing": 0.0}
        return found.model_copy(update=off) if off.keys() <= type(found).model_fields.keys() else found

    def network(self, configuration: TrainingConfiguration, seed: int = 0) -> nn.Module:
        """Return a network with random weights whose scales are those of the whole survey."""
        torch.manual_seed(seed)
        network = self.family.build(configuration, len(self.survey.bands), N_OUTPUTS)
        self.family.fit_scale(network, self.inputs(configuration), torch.arange(len(self.survey)))
        return network

    def inputs(self, configuration: TrainingConfiguration) -> Inputs:
        return self.family.encode(self.survey, configuration, self.survey.bands)

    def batch(self, configuration: TrainingConfiguration, rows: slice = BATCH) -> Inputs:
        return {name: values[rows] for name, values in self.inputs(configuration).items()}

    def job(self, make_job: Callable[..., TrainingJob], configuration: TrainingConfiguration) -> TrainingJob:
        """Return a job on the survey: two types, or three bins of redshift."""
        of_redshifts = self.family.prediction_kind == "redshift_pdf"
        job = make_job(
            family=self.family.name,
            survey=str(self.survey.path),
            survey_checksum=self.survey.checksum,
            class_names=None if of_redshifts else ("Ia", "non-Ia"),
            redshift_bins=EqualBins(low=0, high=0.4, number=3) if of_redshifts else None,
        )
        return job.model_copy(update={"configuration": configuration.model_dump()})

    def predict(self, network: nn.Module, inputs: Inputs) -> Tensor:
        with torch.inference_mode():
            return self.family.predict(network.eval(), inputs)


@pytest.fixture(params=family_names())
def case(request: pytest.FixtureRequest, survey_of_kind: Callable[[str], Survey], one_thread: None) -> Case:
    family = load_family(request.param)
    kind = family.survey_kinds[0]
    space = load_space(find_space(family.name), family.configuration)
    cheap: dict[str, Any] = {
        name: value for name, value in CHEAP.get(kind, {}).items() if name in space.parameters
    }
    return Case(family, space.fix(cheap, family.configuration), survey_of_kind(kind))


@pytest.fixture(params=POINTS)
def number(request: pytest.FixtureRequest) -> int:
    """Which of the sampled configurations."""
    return int(request.param)


def test_family_and_its_space_go_by_the_name_of_their_folder(case: Case) -> None:
    assert case.family.name in family_names()
    assert case.space.family == case.family.name


def test_search_space_names_every_hyperparameter(case: Case) -> None:
    assert set(case.family.configuration.model_fields) - set(case.space.parameters) <= set(LATER)


def test_every_hyperparameter_is_explained_under_its_field(case: Case) -> None:
    fields = case.family.configuration.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


def test_published_points_are_valid_configurations_once_completed(case: Case) -> None:
    assert case.space.published, "a family shows where its search starts"
    study = optuna.create_study()
    for point in case.space.published:
        study.enqueue_trial(case.space.searched(point))
        values = case.space.suggest(study.ask())
        assert point.items() <= values.items()
        case.family.configure(values)


def test_random_points_of_the_space_are_valid_configurations(case: Case) -> None:
    configurations = [case.family.configure(values) for values in case.sampled(30)]
    assert len({configuration_hash(case.family.name, c) for c in configurations}) == 30


def test_unknown_family_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        ValueError, match=rf"`penguin` is no family of networks; those are {', '.join(family_names())}"
    ):
        load_family("penguin")


def test_inputs_have_a_row_per_object_and_are_finite(case: Case, number: int) -> None:
    inputs = case.inputs(case.point(number))
    assert all(len(values) == len(case.survey) for values in inputs.values())
    assert all(values.isfinite().all() for values in inputs.values())


def test_outputs_are_finite_and_normalised(case: Case, number: int) -> None:
    configuration = case.point(number)
    probability = case.predict(case.network(configuration), case.inputs(configuration))
    assert probability.shape == (len(case.survey), N_OUTPUTS)
    assert probability.isfinite().all()
    assert (probability >= 0).all()
    torch.testing.assert_close(probability.sum(1), torch.ones(len(case.survey)))


def test_object_without_any_observation_has_finite_outputs_too(case: Case, number: int) -> None:
    configuration = case.point(number)
    empty = {name: torch.zeros_like(values) for name, values in case.batch(configuration).items()}
    assert case.predict(case.network(configuration), empty).isfinite().all()


def test_values_under_the_mask_do_not_matter(case: Case, number: int) -> None:
    configuration = case.point(number)
    inputs, network = case.batch(configuration), case.network(configuration)
    if "mask" not in inputs:
        pytest.skip(f"{case.family.name} has no mask")
    hidden = inputs["mask"] == 0
    assert hidden.any()
    garbage = {
        name: torch.where(hidden, 1 + 1e3 * torch.rand(values.shape), values)
        if name != "mask" and values.shape == hidden.shape
        else values
        for name, values in inputs.items()
    }
    assert torch.equal(case.predict(network, inputs), case.predict(network, garbage))


def test_other_objects_of_a_batch_do_not_matter_in_prediction(case: Case, number: int) -> None:
    configuration = case.point(number)
    inputs, network = case.inputs(configuration), case.network(configuration)
    among_all = case.predict(network, inputs)[BATCH]
    alone = torch.cat([case.predict(network, case.batch(configuration, slice(i, i + 1))) for i in range(6)])
    torch.testing.assert_close(alone, among_all, rtol=1e-4, atol=1e-6)


def test_weights_saved_and_loaded_predict_the_same(case: Case, number: int) -> None:
    configuration = case.point(number)
    inputs, network, other = (
        case.batch(configuration),
        case.network(configuration),
        case.network(configuration, 1),
    )
    before = case.predict(network, inputs)
    assert not torch.equal(before, case.predict(other, inputs)), "another seed draws other weights"
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    other.load_state_dict(load(save(state)))
    assert torch.equal(before, case.predict(other, inputs))


def test_the_same_seed_builds_the_same_network(case: Case, number: int) -> None:
    configuration = case.point(number)
    inputs = case.batch(configuration)
    first, second = (case.predict(case.network(configuration, 7), inputs) for _ in range(2))
    assert torch.equal(first, second)


def test_loss_terms_are_per_object_and_finite(case: Case, number: int) -> None:
    configuration = case.point(number)
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    network = case.network(configuration)
    terms = case.family.loss_terms(network, case.batch(configuration), target, configuration)
    assert "cross_entropy" in terms
    assert all(term.shape == (6,) and term.isfinite().all() for term in terms.values())


def test_unlabelled_objects_of_a_batch_have_no_cross_entropy(case: Case, number: int) -> None:
    configuration = case.point(number)
    network, target = case.network(configuration), torch.tensor([0, 1, 2, 0])
    terms = case.family.loss_terms(network, case.batch(configuration), target, configuration)
    assert terms["cross_entropy"].shape == (4,)
    assert all(term.shape in ((4,), (6,)) and term.isfinite().all() for term in terms.values())


def test_cross_entropy_is_that_of_the_predicted_probabilities(case: Case, number: int) -> None:
    configuration = case.unsmoothed(number)
    inputs, network, target = (
        case.batch(configuration),
        case.network(configuration),
        torch.tensor([0, 1, 2] * 2),
    )
    probability = case.predict(network, inputs)
    with torch.inference_mode():
        terms = case.family.loss_terms(network.eval(), inputs, target, configuration)
    wanted = -probability[torch.arange(6), target].log()
    torch.testing.assert_close(terms["cross_entropy"], wanted, rtol=1e-4, atol=1e-5)


def test_outputs_and_loss_terms_stay_in_single_precision_under_autocast(case: Case, number: int) -> None:
    configuration = case.unsmoothed(number)
    network, inputs = case.network(configuration).train(), case.batch(configuration)
    target = torch.tensor([0, 1, 2] * 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = case.family.loss_terms(network, inputs, target, configuration)
        torch.stack([term.mean() for term in terms.values()]).sum().backward()
        probability = case.family.predict(network.eval(), inputs)
        loss = case.family.loss_terms(network, inputs, target, configuration)["cross_entropy"]
    assert {name: term.dtype for name, term in terms.items()} == dict.fromkeys(terms, torch.float32)
    assert all(term.isfinite().all() for term in terms.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert probability.dtype == torch.float32
    # Rounded logits would give probabilities that differ from those of the loss by bfloat16's 0.4 %.
    wanted = -probability[torch.arange(6), target].log()
    torch.testing.assert_close(loss, wanted, rtol=1e-4, atol=1e-5)


def test_a_hundred_and_eighty_bins_stay_distinct_under_autocast(case: Case, number: int) -> None:
    if case.family.prediction_kind != "redshift_pdf":
        pytest.skip("has no bins")
    configuration = case.point(number)
    torch.manual_seed(0)
    network = case.family.build(configuration, len(case.survey.bands), 180)
    inputs = case.inputs(configuration)
    case.family.fit_scale(network, inputs, torch.arange(len(case.survey)))
    single = case.predict(network, inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = case.predict(network, inputs)
    number_distinct = [max(len(row.unique()) for row in found) for found in (single, mixed)]
    assert number_distinct[0] == 180
    assert number_distinct[1] == 180


def test_gradient_reaches_every_parameter(case: Case, number: int) -> None:
    configuration = case.point(number)
    network = case.network(configuration)
    target = torch.arange(60) % N_OUTPUTS
    terms = case.family.loss_terms(network, case.batch(configuration, slice(0, 60)), target, configuration)
    torch.stack([term.mean() for term in terms.values()]).sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert [name for name, grad in gradients.items() if grad is None or not grad.isfinite().all()] == []
    assert [name for name, g in gradients.items() if g is not None and g.ndim > 1 and not g.any()] == []


def test_augmentation_keeps_shapes_and_invents_nothing_where_the_mask_is_empty(
    case: Case, number: int
) -> None:
    configuration = case.point(number)
    inputs = case.inputs(configuration)
    before = {name: values.clone() for name, values in inputs.items()}
    varied = case.family.augment(inputs, configuration, draws_of(inputs))
    assert {name: varied[name].shape for name in inputs} == {n: v.shape for n, v in inputs.items()}
    assert all(values.isfinite().all() for values in varied.values())
    assert all(torch.equal(before[name], inputs[name]) for name in inputs), "the batch itself must not change"
    if "mask" in varied:
        assert set(varied["mask"].unique().tolist()) <= {0.0, 1.0}
        assert (varied["mask"].flatten(1).sum(1) <= inputs["mask"].flatten(1).sum(1)).all()
        images = [name for name, values in inputs.items() if values.shape == inputs["mask"].shape]
        assert all((varied[name][varied["mask"] == 0] == 0).all() for name in images)


def test_augmentation_is_decided_by_its_draws_alone(case: Case, number: int) -> None:
    configuration = case.point(number)
    inputs = case.batch(configuration)
    results: list[Inputs] = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(results))
        results.append(case.family.augment(inputs, configuration, draws_of(inputs, seed)))
    first, again, other = results
    assert all(torch.equal(first[name], again[name]) for name in inputs)
    if any(not torch.equal(first[name], inputs[name]) for name in inputs):
        assert any(not torch.equal(first[name], other[name]) for name in inputs)


def test_an_object_is_varied_alike_in_every_batch(case: Case, number: int) -> None:
    configuration = case.point(number)
    inputs = case.inputs(configuration)
    among_all = case.family.augment(inputs, configuration, draws_of(inputs))
    rows = torch.tensor([5, 2, 9])
    some = {name: values[rows] for name, values in inputs.items()}
    alone = case.family.augment(some, configuration, Draws.of(1, 0, rows))
    for name, values in alone.items():
        wanted = among_all[name][rows][:, rows] if name == "draw" else among_all[name][rows]
        assert torch.equal(values, wanted), name


class Watched:
    """A configuration that notes which of its values are looked at."""

    def __init__(self, configuration: TrainingConfiguration) -> None:
        self.configuration = configuration
        self.seen: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.seen.add(name)
        return getattr(self.configuration, name)


@pytest.mark.parametrize("number", range(3))
def test_networks_of_one_encoding_are_given_the_same_tensors(case: Case, number: int) -> None:
    watched = Watched(case.point(number))
    case.family.encode(case.survey, watched, case.survey.bands)
    if case.family.encoded_by is not None:
        assert watched.seen <= set(case.family.encoded_by)
    other = watched.configuration.model_copy(update={"learning_rate": 0.5, "epochs": 77})
    same = case.family.encoding_key(other) == case.family.encoding_key(watched.configuration)
    assert same == (case.family.encoded_by is not None)


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
    copies = [times for place, times in spy.of("copy").items() if place.startswith("streaming.py")]
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


@pytest.mark.parametrize("name", sorted(path.stem for path in find_space("pelican").parent.glob("*.yaml")))
def test_every_space_that_ships_is_whole_and_its_points_can_be_built(name: str) -> None:
    space = load_space(find_space(name))
    family = load_family(space.family)
    load_space(find_space(name), family.configuration)
    assert set(family.configuration.model_fields) - set(space.parameters) <= set(LATER)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for point in space.published:
        study.enqueue_trial(space.searched(point))
    for _ in range(10 + len(space.published)):
        with torch.device("meta"):  # shapes are checked, weights neither made nor drawn
            family.build(family.configure(space.suggest(study.ask())), n_bands=4, n_outputs=2)


def test_hyperparameters_of_training_alone_leave_the_tensors_of_a_network(case: Case) -> None:
    fields = case.family.configuration.model_fields
    assert [name for name in case.family.training_only if name not in fields] == []
    configuration = case.point(0)
    with torch.device("meta"):
        network = case.family.build(configuration, len(case.survey.bands), N_OUTPUTS)
    varied = {name: fields[name].default for name in case.family.training_only}
    other = configuration.model_copy(update=varied)
    with torch.device("meta"):
        same = case.family.build(other, len(case.survey.bands), N_OUTPUTS)
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    both = shapes.keys() & same.state_dict().keys()  # a decoder comes and goes
    assert all(same.state_dict()[name].shape == shapes[name] for name in both)


def test_other_bands_and_other_outputs_ask_for_fresh_tensors_and_nothing_else_does(case: Case) -> None:
    n_bands = len(case.survey.bands)
    configuration = case.point(0)
    names = set(case.network(configuration).state_dict())
    found = {}
    for bands, outputs in itertools.product((False, True), repeat=2):
        wanted = {"bands": bands, "outputs": outputs}
        found[bands, outputs] = case.family.fresh_for(configuration, n_bands, N_OUTPUTS, **wanted)
    assert found[False, False] == frozenset()
    assert found[True, False]
    assert found[False, True]
    assert found[True, True] == found[True, False] | found[False, True]
    assert found[True, True] < names


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
