import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from rookery.networks.cost import network_cost
from rookery.networks.draws import Draws
from rookery.networks.photoz_cnn import FAMILY, PhotozCnnConfiguration
from rookery.networks.photoz_cnn.augmentation import pixel_noise
from rookery.networks.photoz_cnn.configuration import branch_bands
from rookery.networks.photoz_cnn.family import smoothed
from rookery.networks.photoz_cnn.network import (
    Convolution,
    Inception,
    PhotozNetwork,
    arcsinh,
    same_average,
)
from rookery.search.space import find_space, load_space
from rookery.surveys import Survey
from rookery_ensembles.errors import InputError

SMALL = {"image_size": 16, "width": 0.1, "units": 16}
STILL = {**SMALL, "flips": False, "mwebv": False}
BANDS = tuple("ugriz")


def configured(**values: Any) -> PhotozCnnConfiguration:
    return PhotozCnnConfiguration(**{**SMALL, **values})


def built(n_bands: int = 5, **values: Any) -> PhotozNetwork:
    torch.manual_seed(0)
    network = FAMILY.build(configured(**values), n_bands, 9).eval()
    assert isinstance(network, PhotozNetwork)
    return network


def published() -> PhotozCnnConfiguration:
    """Return the first point of the search space that ships, whole."""
    space = load_space(find_space("photoz_cnn"), PhotozCnnConfiguration)
    fixed = {name: p.value for name, p in space.parameters.items() if hasattr(p, "value")}
    return FAMILY.configure({**fixed, **space.published[0]})


def images(n: int = 4, n_bands: int = 5, size: int = 64) -> dict[str, Tensor]:
    return {
        "images": torch.zeros(n, n_bands, size, size),
        "scalars": torch.zeros(n, 1),
        "known": torch.ones(n, 1),
    }


def test_published_point_is_the_network_and_the_training_of_2019() -> None:
    c = published()
    assert c.model_dump(exclude=set(type(c).__base__.model_fields)) == PhotozCnnConfiguration().model_dump(
        exclude=set(type(c).__base__.model_fields)
    )
    assert (c.batch_size, c.learning_rate, c.weight_decay, c.warmup_fraction) == (128, 1e-4, 0, 0)
    assert (c.schedule, c.step_at, c.step_factor) == ("step", 0.5, 0.2)
    steps = c.epochs * math.ceil(393_219 / c.batch_size)
    assert steps == pytest.approx(120_000, rel=0.002)


def test_published_network_has_its_parameters_and_its_operations() -> None:
    cost = network_cost(FAMILY, published(), images(), 5, 180)
    assert cost.parameters == 27_596_372
    assert cost.forward_flop == pytest.approx(1.52e9, rel=0.001), "a multiply-add is two"


def test_published_layers_are_those_of_the_table() -> None:
    c = published()
    with torch.device("meta"):
        network = PhotozNetwork(c, 5, 180)
        seen: list[tuple[int, ...]] = []
        for layer in network.branches[0]:
            layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(tuple(output.shape[1:])))
        network(*images(2).values())
    assert seen == [
        (64, 64, 64),
        (64, 32, 32),
        (240, 32, 32),
        (340, 32, 32),
        (340, 16, 16),
        (476, 16, 16),
        (476, 16, 16),
        (476, 8, 8),
        (348, 8, 8),
    ]
    dense = [layer for layer in network.head if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in dense] == [
        (22_272 + 1, 1096),
        (1096, 1096),
        (1096, 180),
    ]


def test_weights_begin_as_xavier_uniform_biases_at_a_tenth_slopes_at_zero() -> None:
    torch.manual_seed(0)
    network = PhotozNetwork(configured(width=1.0, units=64, image_size=8), 5, 9)
    block = network.branches[0][2]
    assert isinstance(block, Inception)
    for weight, filters in zip(block.reduce.convolution.weight.split(block.parts), block.parts, strict=True):
        assert weight.abs().max().item() == pytest.approx(math.sqrt(6 / (64 + filters)), rel=0.01)
    wide = next(block.wide.children())
    assert isinstance(wide, Convolution)
    largest = math.sqrt(6 / (wide.convolution.kernel_size[0] ** 2 * (48 + 64)))
    assert wide.convolution.weight.abs().max().item() == pytest.approx(largest, rel=0.01)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0.1).all(), name
        if name.endswith("activation.weight"):
            assert (parameter == 0).all(), name


def test_inception_is_its_branches_side_by_side() -> None:
    c = configured()
    block = Inception(c, [3], 2, 4, (3, 5))
    x = torch.randn(2, 3, 8, 8)
    weights, biases = (
        list(t.split(block.parts)) for t in (block.reduce.convolution.weight, block.reduce.convolution.bias)
    )

    def one(part: int) -> Tensor:
        return nn.functional.relu(nn.functional.conv2d(x, weights[part], biases[part]))

    five, three = block.wide
    wanted = [one(0), five(one(1)), three(one(2)), same_average(one(3))]
    torch.testing.assert_close(block(x), torch.cat(wanted, dim=1))
    assert block.out == [4, 4, 4, 2]
    assert five.convolution.kernel_size == (5, 5)


def test_average_of_stride_one_looks_right_and_down_and_invents_no_pixel() -> None:
    found = same_average(torch.tensor([[[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]]))
    assert found[0, 0].tolist() == [[3, 4, 4.5], [6, 7, 7.5], [7.5, 8.5, 9]]


@pytest.mark.parametrize(
    ("compression", "wanted"),
    [
        ("none", [-6.0, 0.0, 16.0]),
        ("sqrt", [-1.0, 0.0, 2.0]),
        ("log", [-math.log(4), 0.0, math.log(9)]),
        ("arcsinh", [-math.asinh(3), 0.0, math.asinh(8)]),
    ],
)
def test_pixels_are_compressed_as_asked(compression: str, wanted: list[float]) -> None:
    network = built(n_bands=1, compression=compression, softening=2.0, image_size=8)
    pixels = torch.tensor([-6.0, 0, 16]).half().repeat(64)[:64].reshape(1, 1, 8, 8)
    found = network.scaling(pixels).flatten()[:3]
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx(wanted, rel=1e-6)


def test_arcsinh_is_that_of_torch() -> None:
    x = torch.cat([torch.zeros(1), torch.logspace(-30, 18, 2000)])
    x = torch.cat([x, -x])
    torch.testing.assert_close(arcsinh(x).double(), torch.asinh(x.double()), rtol=2e-7, atol=0)


def test_standardised_bands_have_mean_zero_and_deviation_one_over_the_training_images() -> None:
    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor([0.1, 1.0, 10.0])[:, None, None]
    pixels = scale * (3 + torch.randn((50, 3, 16, 16), generator=generator))
    pixels[25:] = 1e4  # not for training
    network = built(n_bands=3, standardise=True, mwebv=False)
    FAMILY.fit_scale(network, {"images": pixels.half()}, torch.arange(25))
    scaled = network.scaling(pixels[:25])
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(scaled.std((0, 2, 3)), torch.ones(3), atol=2e-3, rtol=0)


def test_published_scales_are_the_identity() -> None:
    network = built()
    inputs = images(5, size=16)
    inputs["images"] = torch.randn(5, 5, 16, 16)
    inputs["scalars"] = torch.tensor([[0.02], [0.04], [0.0], [0.3], [0.06]])
    inputs["known"][2] = 0
    FAMILY.fit_scale(network, inputs, torch.tensor([0, 1, 2, 4]))
    assert torch.equal(network.scaling(inputs["images"]), inputs["images"])
    joined = network.scaling.scalars(inputs["scalars"], inputs["known"])
    assert joined[:, 0].tolist() == pytest.approx([0.02, 0.04, 0.04, 0.3, 0.06]), "unknown: the mean of known"


def test_scale_of_a_band_without_any_light_is_one() -> None:
    network = built(n_bands=2, standardise=True)
    FAMILY.fit_scale(network, images(6, 2, 16), torch.arange(6))
    assert FAMILY.predict(network, images(6, 2, 16)).isfinite().all()


def test_reddening_joins_the_features_and_changes_the_answer() -> None:
    network, inputs = built(), images(2, size=16)
    inputs["scalars"] = torch.tensor([[0.0], [0.5]])
    clear, dusty = FAMILY.predict(network, inputs)
    assert not torch.allclose(clear, dusty)


def test_further_covariates_come_standardised_and_with_a_flag(tiny_galaxies: Survey) -> None:
    c = configured(covariates="mag_u, psf_fwhm")
    inputs = FAMILY.encode(tiny_galaxies, c, BANDS)
    assert inputs["known"][3].tolist() == [1, 0, 1], "that object's u magnitude is unknown"
    network = PhotozNetwork(c, 5, 9)
    FAMILY.fit_scale(network, inputs, torch.arange(len(tiny_galaxies)))
    scaled = network.scaling.scalars(inputs["scalars"], inputs["known"])
    known = inputs["known"][:, 1] > 0
    assert scaled[3, 1] == 0
    assert scaled[known, 1].std(correction=0).item() == pytest.approx(1, rel=1e-4)
    assert network.head[1].in_features == PhotozNetwork(configured(mwebv=False), 5, 9).head[1].in_features + 5


def test_images_are_the_survey_s_own_memory_cut_to_the_middle(tiny_galaxies: Survey) -> None:
    found = FAMILY.encode(tiny_galaxies, configured(), BANDS)["images"]
    stored = tiny_galaxies.image_array()
    assert found.dtype == torch.float16
    assert found.shape == (len(tiny_galaxies), 5, 16, 16)
    assert np.array_equal(found.numpy(), stored[:, :, 2:18, 2:18])
    assert found.stride() == (5 * 20 * 20, 20 * 20, 20, 1), "a view, not a copy"


def test_bands_go_by_name_and_one_that_the_survey_lacks_is_a_zero_image(tiny_galaxies: Survey) -> None:
    found = FAMILY.encode(tiny_galaxies, configured(), ("z", "y", "u"))["images"].numpy()
    stored = tiny_galaxies.image_array()[:, :, 2:18, 2:18]
    assert np.array_equal(found[:, 0], stored[:, 4])
    assert not found[:, 1].any()
    assert np.array_equal(found[:, 2], stored[:, 0])


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"image_size": 24}, "the network needs images of 24 pixels a side .*, but its images have 20"),
        ({"covariates": "snr_r"}, "the network needs the covariate 'snr_r'; it has .*mwebv"),
    ],
)
def test_survey_that_does_not_fit_is_refused(
    tiny_galaxies: Survey, values: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InputError, match=rule):
        FAMILY.encode(tiny_galaxies, configured(**values), BANDS)


@pytest.mark.parametrize(
    ("branches", "wanted"),
    [
        ("all", ["ugriz"]),
        ("runs-2", ["ug", "gr", "ri", "iz"]),
        ("runs-4", ["ugri", "griz"]),
        ("runs-9", ["ugriz"]),
        ("all+runs-4", ["ugriz", "ugri", "griz"]),
        ("0,1,2,3+1,2,3,4", ["ugri", "griz"]),
        ("4+0,2+4", ["z", "ur"]),
    ],
)
def test_branches_are_band_subsets_by_position(branches: str, wanted: list[str]) -> None:
    found = branch_bands(branches, 5)
    assert ["".join(BANDS[position] for position in bands) for bands in found] == wanted


def test_branch_sees_its_bands_only() -> None:
    network = built(branches="0,1+3", mwebv=False)
    seen: list[Tensor] = []
    for branch in network.branches:
        branch.register_forward_pre_hook(lambda _branch, inputs: seen.append(inputs[0]))
    x = torch.arange(5.0)[None, :, None, None].expand(2, 5, 16, 16)
    network(x)
    assert [part.amax((0, 2, 3)).tolist() for part in seen] == [[0, 1], [3]]


@pytest.mark.parametrize("joint", [0, 1, 5])
def test_branches_merge_before_the_joint_blocks(joint: int) -> None:
    network = built(branches="runs-4", joint_blocks=joint)
    blocks = [layer for layer in network.joint if isinstance(layer, Inception)]
    assert len(blocks) == joint
    assert FAMILY.predict(network, images(3, size=16)).shape == (3, 9)


def test_branch_of_a_band_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="positions are 0 to 3 for 4 bands, but 2,4 has 4"):
        FAMILY.build(configured(branches="2,4"), 4, 9)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"branches": "ugri+griz"}, "branches"),
        ({"kernels": "3+4"}, "kernels"),
        ({"covariates": "mwebv"}, "covariates must differ, but with mwebv=True they are mwebv, mwebv"),
        ({"joint_blocks": 6}, "joint_blocks <= blocks.* but joint_blocks=6, blocks=5"),
        (
            {"pool_every": 1, "blocks": 6},
            "a map of one pixel cannot be halved, but image_size=16 with blocks=6",
        ),
        ({"image_size": 4}, "image_size"),
        ({"coarse_part": 0.5}, "coarse_part` needs head=global, but coarse_part=0.5 and head=flatten"),
    ],
)
def test_configurations_that_make_no_network_are_refused(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        configured(**values)


def augmented(pixels: Tensor, seed: int = 0, epoch: int = 0, **values: Any) -> Tensor:
    c = PhotozCnnConfiguration(**{**STILL, **values})
    draws = Draws.of(seed, epoch, torch.arange(len(pixels)))
    return FAMILY.augment({"images": pixels}, c, draws)["images"]


def test_flips_and_turns_are_the_eight_of_a_square_evenly_and_the_same_in_all_bands() -> None:
    one = torch.arange(16.0).reshape(4, 4)
    wanted = [torch.rot90(image, turns).flatten() for turns in range(4) for image in (one, one.T)]
    pixels = torch.stack([one, one + 100]).expand(4000, 2, 4, 4)
    found = augmented(pixels, flips=True)
    assert torch.equal(found[:, 1], found[:, 0] + 100)
    count = [(found[:, 0].flatten(1) == form).all(1).sum().item() for form in wanted]
    assert sum(count) == 4000
    assert min(count) > 400


def test_alternated_turns_show_each_image_in_all_eight_within_eight_epochs() -> None:
    pixels = torch.arange(16.0).reshape(1, 1, 4, 4).expand(40, 2, 4, 4)
    found = [augmented(pixels, epoch=epoch, flips=True, turns="alternated") for epoch in range(8)]
    assert all(torch.equal(images[:, 0], images[:, 1]) for images in found)
    for forms in torch.stack(found, dim=1)[:, :, 0].flatten(2):
        assert len(forms.unique(dim=0)) == 8
    assert len(found[0].unique(dim=0)) == 8


def test_the_first_epochs_train_on_the_means_of_pixels_and_validation_sees_them_all() -> None:
    c = configured(coarse_part=0.5, head="global", mwebv=False)
    network = FAMILY.build(c, 5, 9)
    pixels = torch.randn(2, 5, 8, 8)
    fine, coarse = pixels.repeat_interleave(2, 2).repeat_interleave(2, 3), pixels
    FAMILY.begin_epoch(network, c, 0.4)
    seen = network.train()(fine)
    whole = network.eval()(fine)
    assert not torch.allclose(whole, seen, rtol=1e-3)
    FAMILY.begin_epoch(network, c, 0.5)
    assert torch.equal(network.train()(fine), whole)
    network.scaling.size = 8
    torch.testing.assert_close(network.train()(coarse), seen)
    assert FAMILY.pack_key(c) is None


def test_shift_moves_by_whole_pixels_and_never_beyond_the_largest() -> None:
    point = torch.zeros(500, 2, 20, 20)
    point[:, :, 10, 10] = 1
    found = augmented(point, shift=2)
    row, column = (
        found[:, 0].flatten(1).argmax(1).div(20, rounding_mode="floor"),
        found[:, 0].flatten(1).argmax(1) % 20,
    )
    assert set(row.tolist()) == set(column.tolist()) == {8, 9, 10, 11, 12}
    assert (found.sum((1, 2, 3)) == 2).all()


def test_shift_brings_pixels_of_the_survey_into_the_crop(tiny_galaxies: Survey) -> None:
    c = configured(shift=2, flips=False)
    inputs = FAMILY.encode(tiny_galaxies, c, BANDS)
    assert inputs["images"].shape[2:] == (20, 20)
    found = FAMILY.augment(inputs, c, Draws.of(0, 0, torch.arange(len(inputs["images"]))))["images"]
    assert (built(shift=2).scaling.compress(found) != 0).float().mean() > 0.99


def test_noise_is_measured_along_the_edges_and_added_in_its_units() -> None:
    generator = torch.Generator().manual_seed(2)
    sky = torch.tensor([0.02, 0.2])[:, None, None]
    pixels = 5 + sky * torch.randn((400, 2, 32, 32), generator=generator)
    pixels[:, :, 10:20, 10:20] += 50
    found = pixel_noise(pixels).mean(0)
    assert found.tolist() == pytest.approx([0.02, 0.2], rel=0.03)
    added = augmented(pixels, noise=0.5) - pixels
    assert added.std((0, 2, 3)).tolist() == pytest.approx([0.01, 0.1], rel=0.05)


def test_smoothed_target_is_a_gaussian_over_bins_that_sums_to_one() -> None:
    found = smoothed(torch.tensor([0, 5]), 10, 2.0)
    torch.testing.assert_close(found.sum(1), torch.ones(2))
    assert (found[1, 7] / found[1, 5]).item() == pytest.approx(math.exp(-0.5))
    assert found[1, 3].item() == pytest.approx(found[1, 7].item())
    assert found[0].argmax() == 0


def test_loss_under_smoothing_is_the_cross_entropy_of_the_smoothed_target() -> None:
    network, target = built(), torch.tensor([0, 8])
    inputs = images(2, size=16)
    terms = FAMILY.loss_terms(network, inputs, target, configured(label_smoothing=1.5))
    log_p = FAMILY.predict(network, inputs).log()
    wanted = -(smoothed(target, 9, 1.5) * log_p).sum(1)
    torch.testing.assert_close(terms["cross_entropy"], wanted, rtol=1e-4, atol=1e-5)


def test_prediction_in_parts_is_that_of_the_whole() -> None:
    network, inputs = built(), images(300, size=16)
    inputs["images"] = torch.randn(300, 5, 16, 16, generator=torch.Generator().manual_seed(3))
    whole = network(*inputs.values()).softmax(1)
    torch.testing.assert_close(FAMILY.predict(network, inputs), whole)
