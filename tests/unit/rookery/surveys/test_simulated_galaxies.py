import json

import numpy as np
import pytest

from rookery import api
from rookery.surveys import open_survey, simulate_galaxies
from rookery.surveys.simulators.galaxies.chunks import CHUNK, Plan, simulate_chunk
from rookery.surveys.simulators.galaxies.sample import DIMMEST, FAINTEST
from rookery.surveys.simulators.galaxies.surveys import DESIGNS, N_COADDED
from rookery_ensembles.errors import InputError

pytest.importorskip("speclite")
pytest.importorskip("galsim")

MEASURED = {f"mag_{band}" for band in "ugriz"} | {f"mag_err_{band}" for band in "ugriz"}
COVARIATES = {
    "mwebv", "ra", "dec", "flags", "axis_ratio", "snr_r", "psf_fwhm", "n_neighbours", "stripe82",
    "petro_r50_r",
}  # fmt: skip


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sim") / "both"
    return simulate_galaxies(folder, n=120, seed=3, survey="both", stripe82_fraction=0.3, processes=1)


def test_survey_holds_images_and_measurements_of_every_galaxy(survey):
    survey = open_survey(survey.path)
    assert survey.info.kind == "images"
    assert "".join(survey.bands) == "ugriz"
    assert survey.image_array().shape == (120, 5, 64, 64)
    assert np.isfinite(survey.magnitudes()).mean() > 0.98
    assert survey.objects["redshift"].between(0.0, 0.4).all()
    assert int(survey.objects["stripe82"].sum()) == 36


def test_truth_is_not_among_the_covariates(survey):
    assert set(survey.objects.columns) == {"object_id", "type", "redshift"} | MEASURED | COVARIATES
    truth = {name for name in survey.truth().columns if name != "object_id"}
    assert truth
    assert all(name.startswith("sim_") for name in truth)
    document = json.dumps(survey.info.provenance)
    assert "sim_" not in document


def test_selection_acts_on_what_is_measured_and_counts_the_rejected(survey):
    objects, truth = survey.objects, survey.truth()
    assert objects["mag_r"].max() <= FAINTEST
    surface = objects["mag_r"] + 2.5 * np.log10(2.0 * np.pi * objects["petro_r50_r"] ** 2)
    assert surface.max() <= DIMMEST
    # Noise and blends carry some truly fainter ones in.
    assert truth["sim_mag_r"].max() > objects["mag_r"].max() - 0.3
    rejected = survey.info.provenance["rejected"]
    assert set(rejected) == {"too_faint", "low_surface_brightness", "not_measured"}
    assert rejected["too_faint"] > 10


def test_empty_pixels_have_the_noise_of_real_cutouts_and_of_stacks(survey):
    deep = survey.objects["stripe82"].to_numpy() == 1.0
    edges = np.asarray(survey.image_array()[:, :, [0, 1, 2, 61, 62, 63], :], np.float64).reshape(120, 5, -1)
    middle = np.median(edges, axis=2, keepdims=True)
    sigma = 1.4826 * np.median(np.abs(edges - middle), axis=2)
    for rows, name in ((~deep, "sdss"), (deep, "stripe82")):
        np.testing.assert_allclose(np.median(sigma[rows], axis=0), DESIGNS[name].pixel_sigma, rtol=0.12)
    ratio = DESIGNS["sdss"].pixel_sigma / DESIGNS["stripe82"].pixel_sigma
    np.testing.assert_allclose(ratio, np.sqrt(N_COADDED))


def test_measured_magnitudes_follow_the_truth(survey):
    for band, scatter in (("g", 0.15), ("r", 0.12), ("i", 0.12)):
        offset = survey.objects[f"mag_{band}"] - survey.truth()[f"sim_mag_{band}"]
        assert abs(offset.median()) < 0.12
        assert 1.4826 * (offset - offset.median()).abs().median() < scatter


def test_axis_ratio_measures_the_inclination_of_disks(survey):
    disks = (survey.truth()["sim_bulge_fraction"] < 0.4).to_numpy()
    pair = survey.objects["axis_ratio"][disks], survey.truth()["sim_axis_ratio"][disks]
    assert np.corrcoef(*pair)[0, 1] > 0.8


def test_inclined_disks_are_dustier_and_redder():
    sample = simulate_chunk(Plan(n=160, seed=8, stripe82_fraction=0.0, size=32), 0)
    truth = sample.truth
    blue = truth["sim_red"] == 0.0
    edge_on = truth["sim_axis_ratio"] < 0.45
    dust = truth["sim_dust"]
    assert np.median(dust[blue & edge_on]) > 2.0 * np.median(dust[blue & ~edge_on])


def test_a_chunk_depends_on_seed_and_number_alone():
    plan = Plan(n=2 * CHUNK, seed=5, stripe82_fraction=0.0, size=32)
    small = Plan(n=20, seed=5, stripe82_fraction=0.0, size=32)
    first, again = simulate_chunk(small, 0), simulate_chunk(small, 0)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.objects["mag_u"], again.objects["mag_u"])
    other = simulate_chunk(Plan(n=20, seed=6, stripe82_fraction=0.0, size=32), 0)
    assert not np.array_equal(first.images, other.images)
    assert plan.n_chunks == 2


def test_share_of_stripe_82_is_kept_over_the_chunks():
    plan = Plan(n=1000, seed=0, stripe82_fraction=0.13, size=64)
    numbers = np.array([plan.numbers(chunk) for chunk in range(plan.n_chunks)])
    assert numbers.sum(axis=0).tolist() == [870, 130]


@pytest.mark.slow
def test_number_of_processes_does_not_change_the_survey(tmp_path):
    one, two = (
        simulate_galaxies(tmp_path / str(number), n=600, seed=4, size=32, processes=number)
        for number in (1, 2)
    )
    assert one.checksum == two.checksum


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be at least 1, but is 0"),
        ({"n": 5, "seed": -1}, "seed must be at least 0"),
        ({"n": 5, "survey": "lsst"}, "survey must be one of sdss, stripe82, both, but is 'lsst'"),
        ({"n": 5, "size": 20}, "32 <= size <= 256 must hold, but it is 20"),
        ({"n": 5, "processes": 0}, "processes must be at least 1"),
        ({"n": 5, "stripe82_fraction": 0.2}, "stripe82_fraction is for survey 'both'"),
        ({"n": 5, "survey": "both", "stripe82_fraction": 1.2}, "0 <= stripe82_fraction <= 1 must hold"),
    ],
)
def test_arguments_out_of_range_are_one_clear_error(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        simulate_galaxies(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_refused_before_work_is_done(survey):
    with pytest.raises(InputError, match="must not exist yet"):
        simulate_galaxies(survey.path, n=10**9)


def test_figure_is_drawn_and_its_kind_is_checked_first(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.png"):
        api.simulate_galaxies(tmp_path / "out", n=8, figure=tmp_path / "figure.txt")
    made = api.simulate_galaxies(tmp_path / "out", n=8, size=32, figure=tmp_path / "figure.png")
    assert len(made) == 8
    assert (tmp_path / "figure.png").stat().st_size > 5000
