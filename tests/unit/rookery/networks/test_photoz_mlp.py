"""The family photoz_mlp: heads that are distributions, scales, missing values, and what it refuses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rookery.networks.draws import Draws
from rookery.networks.family import load_family
from rookery.networks.photoz_mlp import FAMILY, PhotozMlpConfiguration
from rookery.networks.photoz_mlp.heads import MixtureHead, SoftmaxHead
from rookery.networks.photoz_mlp.network import PhotozMlpNetwork
from rookery.surveys import Survey, new_galaxy_survey, open_survey
from rookery_ensembles.errors import InputError

BANDS = ("u", "g", "r", "i", "z")
K = 20


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame({"object_id": [f"g{i}" for i in range(n)], "redshift": rng.uniform(0, 0.4, n)})
    for number, band in enumerate(BANDS):
        frame[f"mag_{band}"] = 16 + 10 * frame["redshift"] - 0.3 * number + rng.normal(0, 0.1, n)
        frame[f"mag_err_{band}"] = rng.uniform(0.01, 0.1, n)
    frame["mwebv"] = rng.uniform(0, 0.2, n)
    frame.loc[3, "mag_u"] = np.nan
    frame.loc[4, "mag_err_g"] = np.nan
    frame.loc[5, "mwebv"] = np.nan
    folder = tmp_path_factory.mktemp("catalogue") / "survey"
    with new_galaxy_survey(folder, name="tiny", bands=BANDS) as writer:
        writer.finish(objects=frame)
    return open_survey(folder)


def made(survey: Survey, **values: Any) -> tuple[PhotozMlpConfiguration, dict[str, torch.Tensor], Any]:
    """A configuration, the survey's inputs, and a network whose scale is fitted to all of them."""
    c = FAMILY.configure(values)
    inputs = FAMILY.encode(survey, c, survey.bands)
    torch.manual_seed(0)
    network = FAMILY.build(c, len(survey.bands), K)
    FAMILY.fit_scale(network, inputs, torch.arange(len(survey)))
    return c, inputs, network.eval()


def test_the_family_is_found_by_name():
    assert load_family("photoz_mlp") is FAMILY


def test_scaled_inputs_have_median_0_and_half_widths_of_1(survey):
    _, inputs, network = made(survey, mwebv=True)
    scaled = network.features(inputs)[:, :15]  # five magnitudes, four colours, five errors, E(B-V)
    low, middle, high = torch.quantile(scaled, torch.tensor([0.1587, 0.5, 0.8413]), dim=0)
    torch.testing.assert_close(middle, torch.zeros(15), atol=0.05, rtol=0)
    torch.testing.assert_close((high - low) / 2, torch.ones(15), atol=0.05, rtol=0)


def test_scales_travel_with_the_weights(survey):
    c, inputs, network = made(survey, mwebv=True)
    other = FAMILY.build(c, len(BANDS), K).eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(FAMILY.predict(other, inputs), FAMILY.predict(network, inputs))


def test_missing_values_enter_as_zeros_and_are_told(survey):
    _, inputs, network = made(survey, mwebv=True)
    features = network.features(inputs)
    assert (features[3, [0, 5, 9]] == 0).all(), "magnitude u, colour u - g and the error in u"
    assert features[3, 15] == 1, "u is missing"
    assert features[4, 10] == 0, "the error in g is unknown"
    assert features[4, 15:].sum() == 0, "but its magnitude is known"
    assert (features[5, 14], features[5, 20]) == (0, 1), "E(B-V) is missing"


def test_a_band_that_training_never_missed_says_nothing_by_its_absence(survey):
    _, inputs, network = made(survey)
    without = {**inputs, "mask": inputs["mask"].clone()}
    without["mask"][:, 2] = 0
    assert (network.features(without)[:, 14 + 2] == 0).all()
    _, _, taught = made(survey, band_dropout=0.2)
    assert (taught.features(without)[:, 14 + 2] == 1).all()


def test_a_survey_without_a_band_has_it_missing(survey):
    inputs = FAMILY.encode(survey, FAMILY.configure({}), ("u", "Y", "r"))
    assert inputs["mask"][:, 1].sum() == 0
    assert inputs["magnitude"].shape == (300, 3)
    np.testing.assert_allclose(inputs["magnitude"][:, 2], survey.magnitudes()[:, 2], rtol=1e-6)


def test_constant_inputs_are_left_out(survey):
    _, inputs, network = made(survey)
    inputs["error"][:] = 0.05
    FAMILY.fit_scale(network, inputs, torch.arange(300))
    inputs["error"][:] = 5.0
    assert (network.features(inputs)[:, 9:14] == 0).all()


@pytest.mark.parametrize("head", ["mixture", "softmax"])
@given(seed=st.integers(0, 100), size=st.floats(0.1, 30))
def test_heads_are_distributions_and_their_cross_entropy_is_of_them(head, seed, size):
    torch.manual_seed(seed)
    layer = (MixtureHead(8, 40, 3) if head == "mixture" else SoftmaxHead(8, 40, 2.0)).eval()
    x, target = size * torch.randn(6, 8), torch.randint(40, (6,))
    with torch.no_grad():
        log_bk = layer(x)
        torch.testing.assert_close(log_bk.exp().sum(1), torch.ones(6), atol=1e-4, rtol=0)
        picked = -log_bk[torch.arange(6), target]
        torch.testing.assert_close(layer.cross_entropy(x, target), picked, atol=1e-4, rtol=1e-4)


def test_a_mixture_of_one_is_a_truncated_gaussian():
    head = MixtureHead(1, 100, 1)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(torch.tensor([0.0, 0.0, 0.0]))
        probability = head(torch.zeros(1, 1)).exp()[0].double().numpy()
    centre = (np.arange(100) + 0.5) / 100
    sigma = 0.15 * np.exp(-1) + 0.25 / 100
    assert probability @ centre == pytest.approx(0.5, abs=1e-4)
    assert np.sqrt(probability @ (centre - 0.5) ** 2) == pytest.approx(sigma, rel=0.01)


def test_smoothing_blurs_the_true_bin_in_training_alone():
    head = SoftmaxHead(1, 21, 2.0)
    target = torch.tensor([10])
    with torch.no_grad():
        head.linear.weight.zero_()
        offset = torch.arange(21) - 10
        head.linear.bias.copy_(-0.5 * (offset / 2.0) ** 2)
        x = torch.zeros(1, 1)
        q = torch.softmax(head.linear.bias, 0)
        entropy = -(q * q.log()).sum()
        assert head.train().cross_entropy(x, target).item() == pytest.approx(entropy.item(), rel=1e-5)
        assert head.eval().cross_entropy(x, target).item() == pytest.approx(-q[10].log().item(), rel=1e-5)


def test_noise_follows_the_errors_and_hidden_bands_are_masked(survey):
    c, inputs, _ = made(survey, magnitude_noise=1.0, band_dropout=0.3)
    draws = Draws.of(0, 0, torch.arange(len(inputs["mask"])))
    varied = FAMILY.augment(inputs, c, draws)
    kept = varied["mask"] > 0
    pull = (varied["magnitude"] - inputs["magnitude"])[kept] / inputs["error"][kept].clamp(min=1e-9)
    assert pull[inputs["error"][kept] > 0].std().item() == pytest.approx(1, abs=0.1)
    assert 0.6 < kept.float().mean() < 0.8
    assert (varied["error"][~kept] == 0).all()


@pytest.mark.parametrize(
    "values", [{"magnitudes": False, "colours": False, "errors": False}, {"covariates": "a,a"}]
)
def test_configurations_without_sense_are_refused(values):
    with pytest.raises(ValidationError, match=r"must be an input|must differ"):
        FAMILY.configure(values)


def test_an_unknown_covariate_is_refused(survey):
    with pytest.raises(InputError, match="needs the covariate 'size'"):
        FAMILY.encode(survey, FAMILY.configure({"covariates": "size"}), BANDS)


def test_a_survey_without_any_magnitude_is_refused(survey):
    with pytest.raises(InputError, match="has no magnitude in any of the bands Y, J"):
        FAMILY.encode(survey, FAMILY.configure({}), ("Y", "J"))


def test_a_network_is_of_this_family(survey):
    assert isinstance(made(survey)[2], PhotozMlpNetwork)
