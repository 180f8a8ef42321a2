import numpy as np
import pytest

from rookery.surveys import open_survey, simulate_supernovae
from rookery.surveys.simulators import _supernova_models as models
from rookery_ensembles.errors import InputError


def supernova(**changes: float) -> models.Population:
    values = {
        "redshift": 0.1, "magnitude": -19.0, "rise": 3.0, "decline": 20.0, "hot": 6000.0, "cold": 6000.0,
        "cooling": 20.0, "blanketing": -1e6, "plateau": 0.0, "second_peak": 0.0, "tilt": 0.0, "host_av": 0.0,
        "mwebv": 0.0,
    }  # fmt: skip
    return models.Population(**{name: np.array([value]) for name, value in {**values, **changes}.items()})


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return simulate_supernovae(tmp_path_factory.mktemp("sim") / "s", n=300, seed=11)


def test_same_seed_gives_the_same_checksum_and_another_seed_another(tmp_path):
    checksums = [
        simulate_supernovae(tmp_path / name, n=20, seed=seed).checksum
        for name, seed in (("a", 4), ("b", 4), ("c", 5))
    ]
    assert checksums[0] == checksums[1] != checksums[2]


def test_shares_of_the_types_are_as_documented(survey):
    expected = {kind: model.share * 300 for kind, model in models.TYPES.items()}
    assert sum(expected.values()) == pytest.approx(300)
    for kind, number in expected.items():
        assert abs(survey.info.counts["by_type"][kind] - number) <= 1
    assert 0.25 <= models.TYPES["Ia"].share <= 0.40


def test_every_object_is_detected_in_two_bands(survey):
    arrays = open_survey(survey.path).observation_arrays()
    detected = arrays.flux >= 5.0 * arrays.flux_err * (1 - 1e-6)
    seen = np.zeros((300, 4), bool)
    np.logical_or.at(seen, (arrays.object_index[detected], arrays.band_index[detected]), True)
    assert (seen.sum(axis=1) >= 2).all()
    assert survey.info.counts["without_detection"] == 0


def test_no_band_is_observed_twice_in_a_night(survey):
    arrays = survey.observation_arrays()
    night = np.floor(arrays.mjd).astype(int)
    cells = np.stack([arrays.object_index, arrays.band_index, night])
    assert len(np.unique(cells, axis=1).T) == len(arrays)


def test_ids_and_order_tell_nothing_of_the_type(survey):
    is_ia = (survey.objects["type"] == "Ia").to_numpy()
    halves = is_ia[:150].sum(), is_ia[150:].sum()
    assert abs(halves[0] - halves[1]) < 4 * np.sqrt(300 * 0.32 * 0.68)


def test_truth_stays_out_of_the_object_table(survey):
    allowed = {"object_id", "type", "redshift", "ra", "dec", "mwebv", "host_photo_z", "host_photo_z_err"}
    assert set(survey.objects.columns) == allowed
    assert "sim_peak_mjd" in survey.truth().columns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be at least 1, but is 0"),
        ({"n": 5, "seed": -1}, "seed must be at least 0, but is -1"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        simulate_supernovae(tmp_path / "s", **arguments)


def test_existing_folder_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="must not exist yet"):
        simulate_supernovae(tmp_path, n=10**9)


def test_brightness_at_maximum_is_absolute_magnitude_plus_distance_modulus():
    z = 0.1
    at_reference = np.array([4400.0 * (1 + z)])
    flux = models.flux(supernova(), np.array([0.0]), at_reference)
    # FLUXCAL = 10^(0.4 (27.5 - m)); a spectrum per frequency is brighter by 1 + z than its magnitude.
    expected = 10 ** (0.4 * (27.5 - (-19.0 + models.distance_modulus(np.array([z]))))) * (1 + z)
    np.testing.assert_allclose(flux, expected, rtol=1e-3)  # the cobalt tail adds a little


def test_nearby_distances_follow_hubbles_law():
    z = np.array([1e-3])
    # d_L = c/H0 (z + (1 - q0) z^2 / 2), with q0 = 1.5 * 0.3 - 1
    distance = 299792.458 / 70.0 * (z + 0.5 * (1 + 0.55) * z**2)
    np.testing.assert_allclose(10 ** ((models.distance_modulus(z) - 25) / 5), distance, rtol=1e-4)


def test_flux_halves_for_each_magnitude_of_dust_or_faintness():
    at, phase = np.array([5500.0 * 1.1]), np.array([0.0])
    plain = models.flux(supernova(), phase, at)
    np.testing.assert_allclose(models.flux(supernova(magnitude=-18.0), phase, at), plain * 10**-0.4)
    # At rest-frame 5500 angstrom the host's extinction is A_V.
    np.testing.assert_allclose(models.flux(supernova(host_av=1.0), phase, at), plain * 10**-0.4)


def test_blue_light_is_brightest_at_phase_zero():
    phase = np.linspace(-40, 80, 2401)
    flux = models.flux(supernova().take(np.zeros(2401, int)), phase, np.full(2401, 4400.0 * 1.1))
    assert abs(phase[flux.argmax()]) < 0.1


def test_light_curves_are_stretched_by_time_dilation():
    near, far = supernova(redshift=0.1), supernova(redshift=1.0)
    decline = [
        models.flux(one, np.array([20.0 * (1 + z)]), np.array([4400.0 * (1 + z)]))
        / models.flux(one, np.array([0.0]), np.array([4400.0 * (1 + z)]))
        for one, z in ((near, 0.1), (far, 1.0))
    ]
    np.testing.assert_allclose(decline[0], decline[1])
