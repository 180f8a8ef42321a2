import dataclasses
import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from rookery.networks.configuration import configuration_hash
from rookery.networks.draws import Draws
from rookery.networks.pelican import FAMILY, PelicanConfiguration
from rookery.networks.pelican.interpolation import gaussian_process, linear
from rookery.networks.pelican.losses import contrastive, draw_pairs, masked_reconstruction, sparsity
from rookery.networks.pelican.network import Encoder
from rookery.surveys import Survey
from rookery_ensembles.errors import InputError

STILL = {"flux_noise": 0, "observation_dropout": 0, "time_shift": 0}


def full_images(n: int = 300, columns: int = 40) -> dict[str, torch.Tensor]:
    """Light curves observed everywhere; the flux of each pixel is the number of its column, from 1."""
    flux = torch.arange(1.0, columns + 1).expand(n, 2, columns)
    return {"flux": flux, "error": torch.full_like(flux, 0.5), "mask": torch.ones_like(flux)}


def augmented(seed: int = 0, n: int = 300, columns: int = 40, **values: Any) -> dict[str, torch.Tensor]:
    configuration = PelicanConfiguration(**{**STILL, **values})
    return FAMILY.augment(full_images(n, columns), configuration, Draws.of(seed, 0, torch.arange(n)))


def test_reconstruction_loss_is_the_root_of_squares_where_observed() -> None:
    rebuilt = torch.tensor([[[3.0, 9.0, 4.0]], [[1.0, 1.0, 1.0]]])
    mask = torch.tensor([[[1.0, 0.0, 1.0]], [[1.0, 1.0, 0.0]]])
    loss = masked_reconstruction(rebuilt, torch.tensor([[[0.0, 0.0, 0.0]], [[1.0, 1.0, 7.0]]]), mask)
    assert loss.tolist() == pytest.approx([5.0, 0.0], abs=1e-5)


def test_gradient_of_a_perfect_reconstruction_is_finite() -> None:
    rebuilt = torch.zeros(2, 1, 3, requires_grad=True)
    masked_reconstruction(rebuilt, torch.zeros(2, 1, 3), torch.ones(2, 1, 3)).sum().backward()
    assert rebuilt.grad is not None
    assert rebuilt.grad.isfinite().all()


def test_fluxes_enter_on_an_arcsinh_scale_with_their_signal_to_noise() -> None:
    encoder = Encoder(PelicanConfiguration(flux_softening=2), n_bands=1)
    flux, error, mask = (torch.tensor([[[x, 0.0]]]) for x in (6.0, 1.5, 1.0))
    scaled, ratio = encoder.scale(flux, error, mask)
    assert scaled.tolist() == [[pytest.approx([math.asinh(3.0), 0])]]
    assert ratio.tolist() == [[pytest.approx([math.asinh(4.0), 0])]]


def test_augmentation_switched_off_changes_nothing() -> None:
    images = full_images()
    assert all(torch.equal(augmented()[name], images[name]) for name in images)


def test_noise_has_the_asked_part_of_the_errors() -> None:
    images = augmented(flux_noise=0.8)
    difference = images["flux"] - full_images()["flux"]
    assert difference.std().item() == pytest.approx(0.8 * 0.5, rel=0.02)
    assert difference.mean().item() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("part", [0.1, 0.4, 0.5, 0.8])
def test_hidden_part_of_the_points_has_the_asked_mean_and_differs_by_object(part: float) -> None:
    hidden = 1 - augmented(n=3000, observation_dropout=part)["mask"].mean((1, 2))
    assert hidden.mean().item() == pytest.approx(part, abs=0.02)
    # Uniform in [0, 2p] or [2p - 1, 1]: its standard deviation, and that of drawing 80 points.
    width = 2 * min(part, 1 - part)
    spread = math.sqrt(width**2 / 12 + (part * (1 - part) - width**2 / 12) / 80)
    assert hidden.std().item() == pytest.approx(spread, rel=0.05)


def test_shift_moves_whole_light_curves_by_at_most_the_asked_columns() -> None:
    images = augmented(time_shift=3)
    first = images["flux"][:, 0, 10] - 11
    assert set(first.tolist()) == {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}
    for shift, flux, mask in zip((-first).int().tolist(), images["flux"], images["mask"], strict=True):
        wanted = torch.arange(1.0, 41) - shift
        inside = (wanted >= 1) & (wanted <= 40)
        assert torch.equal(mask, inside.float().expand(2, -1)), "what enters at the edge is unobserved"
        assert torch.equal(flux, (wanted * inside).expand(2, -1))


@pytest.mark.parametrize(
    ("window_days", "days_per_column", "n_columns"), [(176, 1, 176), (176, 4, 44), (10, 4, 3), (1, 4, 1)]
)
def test_image_covers_at_least_its_window(window_days: float, days_per_column: float, n_columns: int) -> None:
    configuration = PelicanConfiguration(
        window_days=window_days, days_per_column=days_per_column, merged_blocks=0
    )
    assert configuration.n_columns == n_columns


def test_more_halvings_than_columns_are_refused_with_the_values() -> None:
    with pytest.raises(
        ValidationError, match=r"`merged_blocks` halves time 3 times.*window_days=28.*7 columns"
    ):
        PelicanConfiguration(window_days=28, days_per_column=4, merged_blocks=3)
    PelicanConfiguration(window_days=32, days_per_column=4, merged_blocks=3)


@pytest.mark.parametrize(
    "values", [{"pooling": "sum"}, {"dropout": 1}, {"epochs": 0}, {"learning_rate": 0}, {"depth": 3}]
)
def test_value_out_of_range_and_unknown_key_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        FAMILY.configure(values)


def test_reconstruction_counts_with_its_weight_and_only_where_asked_for(one_thread: None) -> None:
    inputs, target = full_images(4), torch.tensor([0, 1, 1, 0])
    terms = {}
    for weight in (None, 0.5, 2.0):
        on = {} if weight is None else {"autoencoder": True, "autoencoder_weight": weight}
        configuration = PelicanConfiguration(window_days=160, dropout=0, **on)
        torch.manual_seed(0)
        network = FAMILY.build(configuration, n_bands=2, n_outputs=2).eval()
        terms[weight] = FAMILY.loss_terms(network, inputs, target, configuration)
    assert set(terms[None]) == {"cross_entropy"}
    assert torch.equal(terms[None]["cross_entropy"], terms[2.0]["cross_entropy"])
    torch.testing.assert_close(terms[2.0]["reconstruction"], 4 * terms[0.5]["reconstruction"])


def test_sigmoid_features_stay_between_zero_and_one(one_thread: None) -> None:
    encoder = Encoder(PelicanConfiguration(window_days=160, feature_activation="sigmoid"), n_bands=2).eval()
    inputs = full_images(5)
    features = encoder(1000 * inputs["flux"], inputs["error"], inputs["mask"])
    assert features.shape == (5, 64)
    assert ((features >= 0) & (features <= 1)).all()


@pytest.mark.parametrize("columns", [8, 9, 13])
@pytest.mark.parametrize("pooling", ["mean_max", "flatten"])
def test_any_number_of_columns_is_rebuilt_whole(columns: int, pooling: str, one_thread: None) -> None:
    configuration = PelicanConfiguration(
        window_days=columns, days_per_column=1, merged_blocks=3, pooling=pooling, autoencoder=True
    )
    network = FAMILY.build(configuration, n_bands=2, n_outputs=3)
    inputs = full_images(4, columns)
    features = network.encoder(inputs["flux"], inputs["error"], inputs["mask"])
    assert network.decoder(features).shape == (4, 2, columns)
    assert FAMILY.predict(network.eval(), inputs).shape == (4, 3)


def test_unlabelled_objects_join_only_where_a_term_can_use_them() -> None:
    assert not FAMILY.uses_unlabelled(PelicanConfiguration(unlabelled=True))
    assert FAMILY.uses_unlabelled(PelicanConfiguration(unlabelled=True, autoencoder=True))
    assert not FAMILY.uses_unlabelled(PelicanConfiguration(contrastive=True))


def test_sparsity_without_sigmoid_features_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"`kl` needs feature_activation=sigmoid.*=relu"):
        PelicanConfiguration(kl=True, feature_activation="relu")


def test_sparsity_is_zero_at_its_target_and_known_elsewhere() -> None:
    features = torch.tensor([[0.1, 0.4], [0.3, 0.6]])  # means 0.2 and 0.5
    assert sparsity(features[:, :1], 0.2).item() == pytest.approx(0, abs=1e-6)
    known = 0.2 * math.log(0.2 / 0.5) + 0.8 * math.log(0.8 / 0.5)
    assert sparsity(features, 0.2).item() == pytest.approx(known, rel=1e-5)
    assert sparsity(torch.tensor([[1.0], [1.0]]), 0.2).isfinite()


@pytest.mark.parametrize(
    ("squared", "wanted"),
    # d(1,2) = 1, d(3,4) = 2; cross distances 3, 5, 2, 4 against the margin 4: hinges 1, 0, 2, 0.
    [(False, 0.5 * (1 + 2) + 1 + 2), (True, 0.5 * (1 + 4) + 1 + 4)],
)
def test_contrastive_loss_has_the_published_form(squared: bool, wanted: float) -> None:
    first, second = torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0], [5.0]])
    partner, other = torch.tensor([0, 1]), torch.tensor([1, -1])
    loss = contrastive(first, second, partner, other, margin=4.0, squared=squared)
    assert loss[0].item() == pytest.approx(wanted, rel=1e-5)
    assert loss[1].item() == pytest.approx(4.0 if squared else 2.0, rel=1e-5), "no object of another class"


def test_unlabelled_object_is_only_drawn_to_its_own_thinned_view() -> None:
    first, second = torch.tensor([[0.0], [3.0], [7.0]]), torch.tensor([[0.0], [3.0], [7.5]])
    loss = contrastive(first, second, torch.tensor([0, 1]), torch.tensor([1, 0]), margin=1.0, squared=False)
    assert loss.tolist() == pytest.approx([0.0, 0.0, 0.5], abs=1e-5)


def test_gradient_of_a_vanishing_distance_is_finite() -> None:
    features = torch.zeros(2, 3, requires_grad=True)
    contrastive(features, features, torch.tensor([0, 1]), torch.tensor([1, 0]), 1.0, False).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_pairs_are_of_one_class_and_others_of_another() -> None:
    target = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1] * 20)
    draw = torch.rand((160, 160), generator=torch.Generator().manual_seed(0))
    partner, other = draw_pairs(target, draw)
    assert torch.equal(target[partner], target)
    assert (target[other] != target).all()
    own = (partner == torch.arange(160)).float().mean().item()
    assert own == pytest.approx(0.5, abs=0.12)
    assert len(set(partner.tolist())) > 80


def test_partners_come_from_the_other_cadence_where_there_is_one() -> None:
    target, deep = torch.tensor([0, 1] * 50), torch.tensor([1.0] * 50 + [0.0] * 50)
    draw = torch.rand((100, 100), generator=torch.Generator().manual_seed(0))
    partner, _ = draw_pairs(target, draw, deep)
    mates = partner != torch.arange(100)
    assert mates.any()
    assert (deep[partner] != deep)[mates].all()


def test_batch_of_one_class_has_no_others_and_a_lone_object_is_its_own_partner() -> None:
    partner, other = draw_pairs(torch.tensor([1, 1]), torch.tensor([[0.9, 0.1], [0.2, 0.9]]))
    assert partner.tolist() == [1, 0]
    assert other.tolist() == [-1, -1]
    partner, _ = draw_pairs(torch.tensor([1, 0]), torch.full((2, 2), 0.9))
    assert partner.tolist() == [0, 1]


def test_contrastive_term_needs_a_second_view_with_other_points() -> None:
    images = augmented(contrastive=True, thinning=0.6)
    kept = images["second_mask"].mean((1, 2))
    assert kept.mean().item() == pytest.approx(0.4, abs=0.03)
    assert torch.equal(images["mask"], torch.ones_like(images["mask"]))
    assert torch.equal(images["second_flux"], images["flux"] * images["second_mask"])
    assert images["draw"].shape == (300, 300)


def test_truncation_hides_all_that_comes_after_a_date() -> None:
    mask = augmented(truncation=0.6)["mask"][:, 0]
    length = mask.sum(1)
    assert all(torch.equal(row, (torch.arange(40) < n).float()) for row, n in zip(mask, length, strict=True))
    assert (length >= 1).all()
    assert (length < 40).float().mean().item() == pytest.approx(0.6, abs=0.08)


def test_dimmed_light_curves_are_fainter_and_as_noisy_as_before() -> None:
    flux = augmented(n=3000, dimming=2.5)["flux"]
    ratio = flux.mean((1, 2)) / 20.5
    assert ratio.min().item() == pytest.approx(0.1, abs=0.02)
    assert ratio.max().item() == pytest.approx(1.0, abs=0.02)
    middle = (ratio > 0.45) & (ratio < 0.55)
    known = full_images(3000)["flux"][middle] * ratio[middle, None, None]
    assert (flux[middle] - known).std().item() == pytest.approx(0.5 * math.sqrt(0.75), rel=0.05)


def test_covariates_join_the_features_and_unknown_ones_are_marked(tiny_survey: Survey) -> None:
    configuration = PelicanConfiguration(redshift="host_photo_z", mwebv=True)
    objects = tiny_survey.objects.copy()
    objects.loc[3, "host_photo_z"] = math.nan
    survey = dataclasses.replace(tiny_survey, objects=objects)
    scalars = FAMILY.encode(survey, configuration, survey.bands)["scalars"]
    assert scalars.shape == (len(survey), 4)
    assert scalars[3].tolist() == [0.0, pytest.approx(objects["mwebv"][3]), 0.0, 1.0]
    torch.manual_seed(0)
    network = FAMILY.build(configuration, 4, 2).eval()
    inputs = FAMILY.encode(survey, configuration, survey.bands)
    moved = {**inputs, "scalars": inputs["scalars"] + 1}
    assert not torch.equal(FAMILY.predict(network, inputs), FAMILY.predict(network, moved))


def test_covariate_that_the_survey_lacks_is_named(tiny_survey: Survey) -> None:
    survey = dataclasses.replace(tiny_survey, objects=tiny_survey.objects.drop(columns="host_photo_z"))
    with pytest.raises(InputError, match=r"needs the covariate 'host_photo_z'; it has ra, dec"):
        FAMILY.encode(survey, PelicanConfiguration(redshift="host_photo_z"), survey.bands)


def test_members_keep_the_hash_that_they_had_before_the_schedule_was_a_choice() -> None:
    hashes = [
        configuration_hash("pelican", PelicanConfiguration(**values))
        for values in ({}, {"epochs": 7, "learning_rate": 0.01}, {"schedule": "step"}, {"step_factor": 0.5})
    ]
    assert hashes[:2] == ["3ce4834bcc6c", "c20f5914d03b"], "as member folders on disk have them"
    assert len(set(hashes)) == 4


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_sparsity_of_saturated_features_is_finite_in_any_precision(
    value: float, precision: torch.dtype
) -> None:
    features = torch.full((8, 3), value, dtype=precision, requires_grad=True)
    found = sparsity(features, 0.2)
    found.backward()
    assert found.dtype == torch.float32
    assert found.isfinite()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("value", [-200.0, 200.0])
def test_sparsity_of_a_network_under_autocast_is_finite_at_saturation(value: float) -> None:
    configuration = PelicanConfiguration(kl=True, feature_activation="sigmoid", autoencoder=True)
    network = FAMILY.build(configuration, 2, 3)
    torch.nn.init.constant_(network.encoder.features.bias, value)
    inputs = full_images(6, configuration.n_columns)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = FAMILY.loss_terms(network, inputs, torch.tensor([0, 1, 2] * 2), configuration)
    mean = network.encoder.activation(torch.tensor(value))
    assert mean in (0.0, 1.0)
    assert all(term.isfinite().all() and term.dtype == torch.float32 for term in terms.values())


def test_denoising_autoencoder_rebuilds_hidden_points_without_added_noise(one_thread: None) -> None:
    """Of 40 columns about half are hidden and all are noisy, but what is wanted is the light curve itself."""
    values = {"autoencoder": True, "observation_dropout": 0.5, "flux_noise": 0.8, "window_days": 160}
    seen, whole = (augmented(n=64, **values, reconstruct=how) for how in ("seen", "all"))
    assert "whole_flux" not in seen
    assert torch.equal(whole["mask"], seen["mask"])
    assert torch.equal(whole["whole_flux"], full_images(64)["flux"])
    assert torch.equal(whole["whole_mask"], torch.ones_like(whole["mask"]))
    loss = {}
    for how, images in (("seen", seen), ("all", whole)):
        c = PelicanConfiguration(**{**STILL, **values, "reconstruct": how})
        torch.manual_seed(0)
        network = FAMILY.build(c, 2, 2).eval()
        terms = FAMILY.loss_terms(network, images, torch.zeros(64, dtype=torch.int64), c)
        loss[how] = terms["reconstruction"].mean().item()
    assert loss["all"] > 1.1 * loss["seen"], "twice as many points are summed"


def test_denoised_images_move_with_their_light_curves() -> None:
    values = {"autoencoder": True, "reconstruct": "all", "time_shift": 5, "observation_dropout": 0.4}
    images = augmented(**values)
    assert torch.equal(images["whole_flux"] * images["mask"], images["flux"])


@pytest.mark.parametrize(("form", "wanted"), [("root", 5.0), ("squared", 12.5), ("absolute", 3.5)])
def test_forms_of_the_reconstruction_loss(form: str, wanted: float) -> None:
    rebuilt, mask = torch.tensor([[[3.0, 9.0, 4.0]]]), torch.tensor([[[1.0, 0.0, 1.0]]])
    assert masked_reconstruction(rebuilt, torch.zeros(1, 1, 3), mask, form).item() == pytest.approx(wanted)


def test_linear_interpolation_joins_points_and_ends_with_them() -> None:
    flux = torch.tensor([[[0.0, 2.0, 0.0, 0.0, 8.0, 0.0], [0.0] * 6]])
    filled = linear(flux, (flux > 0).float())
    assert filled.tolist() == [[pytest.approx([0, 2, 4, 6, 8, 0]), pytest.approx([0.0] * 6)]]


def test_gaussian_process_passes_through_points_and_fills_what_is_between() -> None:
    time = torch.arange(60.0)
    truth = 100 * torch.exp(-0.5 * ((time - 30) / 10) ** 2).expand(3, 2, 60)
    mask = (torch.arange(60) % 4 == 0).float().expand(3, 2, 60)
    filled = gaussian_process(truth * mask, torch.full_like(truth, 0.5), mask, 15.0)
    assert (filled - truth).abs().max() < 5
    assert gaussian_process(truth * 0, truth * 0, mask * 0, 15.0).abs().max() == 0
    many = torch.vmap(lambda f, m: gaussian_process(f, torch.ones_like(f), m, 15.0) + linear(f, m))
    alone = gaussian_process(truth, torch.ones_like(truth), mask, 15.0) + linear(truth, mask)
    assert torch.allclose(many(truth[None], mask[None])[0], alone, atol=1e-2)


@pytest.mark.parametrize("kind", ["linear", "gaussian_process"])
def test_interpolation_changes_what_the_network_sees_in_empty_columns_alone(
    kind: str, one_thread: None
) -> None:
    images = {name: value[:8, :, :40] for name, value in full_images(8).items()}
    sparse = {**images, "mask": images["mask"] * (torch.arange(40) % 3 == 0)}
    outputs = {}
    for how in ("none", kind):
        torch.manual_seed(0)
        network = FAMILY.build(PelicanConfiguration(window_days=160, interpolation=how), 2, 2).eval()
        outputs[how] = [FAMILY.predict(network, given) for given in (images, sparse)]
    assert torch.equal(outputs["none"][0], outputs[kind][0]), "every column was observed"
    assert not torch.equal(outputs["none"][1], outputs[kind][1])


def test_light_curve_in_units_of_its_own_peak_looks_the_same_at_any_distance() -> None:
    encoder = Encoder(PelicanConfiguration(flux_scale="peak", flux_softening=0.01), n_bands=1)
    flux, mask = torch.tensor([[[1.0, 4.0, 2.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    near, far = (encoder.scale(by * flux, by * torch.ones_like(flux), mask) for by in (1.0, 30.0))
    assert torch.allclose(near[0], far[0])
    assert near[0].tolist() == [[pytest.approx([math.asinh(2.5), math.asinh(10.0), 0.0])]]


def test_without_cross_entropy_something_else_must_teach(one_thread: None) -> None:
    with pytest.raises(ValueError, match=r"needs autoencoder=true or contrastive=true: nothing teaches"):
        PelicanConfiguration(classification_weight=0)
    c = PelicanConfiguration(classification_weight=0, autoencoder=True, window_days=160)
    network = FAMILY.build(c, 2, 2).eval()
    terms = FAMILY.loss_terms(network, full_images(4), torch.zeros(4, dtype=torch.int64), c)
    assert terms["cross_entropy"].tolist() == [0.0] * 4
    assert terms["reconstruction"].min() > 0
