import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from rookery.networks.pelican import FAMILY, PelicanConfiguration
from rookery.networks.pelican.family import masked_reconstruction
from rookery.networks.pelican.network import Encoder

STILL = {"flux_noise": 0, "observation_dropout": 0, "time_shift": 0}


def full_images(n: int = 300, columns: int = 40) -> dict[str, torch.Tensor]:
    """Light curves observed everywhere; the flux of each pixel is the number of its column, from 1."""
    flux = torch.arange(1.0, columns + 1).expand(n, 2, columns)
    return {"flux": flux, "error": torch.full_like(flux, 0.5), "mask": torch.ones_like(flux)}


def augmented(seed: int = 0, n: int = 300, columns: int = 40, **values: Any) -> dict[str, torch.Tensor]:
    configuration = PelicanConfiguration(**{**STILL, **values})
    return FAMILY.augment(full_images(n, columns), configuration, torch.Generator().manual_seed(seed))


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
