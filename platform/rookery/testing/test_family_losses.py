"""What losses, gradients and augmentations of every family keep."""

import pytest
import torch

from rookery.networks.draws import Draws
from rookery.networks.family import Inputs
from rookery.testing.family_case import N_OUTPUTS, Case, draws_of


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
