"""What the networks of every family keep: shapes, masks, seeds, and weights that are saved and loaded."""

import itertools
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from rookery.networks.configuration import TrainingConfiguration
from rookery.testing.family_case import BATCH, N_OUTPUTS, Case


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


def test_features_are_of_each_object_alone_and_tell_objects_apart(case: Case, number: int) -> None:
    configuration = case.point(number)
    network = case.network(configuration).eval()
    with torch.inference_mode():
        found = case.family.features(network, case.batch(configuration))
        alone = case.family.features(network, case.batch(configuration, slice(2, 3)))
    assert found.ndim == 2
    assert len(found) == 6
    assert found.isfinite().all()
    torch.testing.assert_close(alone, found[2:3], rtol=1e-4, atol=1e-5)
    assert not torch.equal(found[0], found[1])


def test_the_first_input_is_what_was_measured_in_each_band(case: Case, number: int) -> None:
    inputs = case.inputs(case.point(number))
    measured = next(iter(inputs.values()))
    assert measured.is_floating_point()
    assert measured.shape[1] == len(case.survey.bands)
    if "mask" in inputs:
        assert measured.shape == inputs["mask"].shape
        assert (measured[inputs["mask"] == 0] == 0).all()


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
