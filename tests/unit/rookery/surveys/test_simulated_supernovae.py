import subprocess
import sys

import numpy as np
import pytest

from rookery import api
from rookery.surveys import open_survey, simulate_supernovae
from rookery.surveys.simulators.supernovae.cadence import darkness, depth_noise
from rookery.surveys.simulators.supernovae.designs import DESIGNS, FollowUp
from rookery_ensembles.errors import InputError

pytest.importorskip("sncosmo")

COLUMNS = {"object_id", "type", "redshift", "ra", "dec", "mwebv", "host_photo_z", "host_photo_z_err"}


@pytest.fixture(scope="module", params=["des", "sdss", "lsst"])
def survey(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sim") / request.param
    return simulate_supernovae(folder, n=400, seed=11, survey=request.param)


@pytest.fixture(scope="module")
def lsst(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sim") / "lsst"
    return simulate_supernovae(folder, n=600, seed=12, survey="lsst", deep_fraction=0.7)


def test_same_seed_gives_the_same_checksum_and_another_seed_another(tmp_path):
    checksums = [
        simulate_supernovae(tmp_path / name, n=20, seed=seed).checksum
        for name, seed in (("a", 4), ("b", 4), ("c", 5))
    ]
    assert checksums[0] == checksums[1] != checksums[2]


@pytest.mark.slow
def test_number_of_processes_does_not_change_the_survey(tmp_path):
    one, two = (
        simulate_supernovae(tmp_path / str(number), n=1300, seed=4, survey="sdss", processes=number)
        for number in (1, 2)
    )
    assert one.checksum == two.checksum


def test_six_types_come_and_the_shares_are_a_result(survey):
    by_type = survey.info.counts["by_type"]
    assert set(by_type) == {"Ia", "IIP", "IIL", "IIn", "Ib", "Ic"}
    assert 0.3 < by_type["Ia"] / 400 < 0.7
    assert by_type["IIP"] > by_type["IIL"]


def test_superluminous_ones_are_detected_farther_than_the_other_core_collapses(tmp_path):
    survey = simulate_supernovae(tmp_path / "s", n=1500, seed=3, superluminous=True)
    redshift = survey.objects.groupby("type")["redshift"].median()
    assert "SLSN" in redshift
    assert redshift["SLSN"] > redshift["IIP"]
    assert survey.info.provenance["superluminous"] is True


def test_every_object_passes_the_trigger(survey):
    design = DESIGNS[survey.info.provenance["survey"]]
    arrays = open_survey(survey.path).observation_arrays()
    detected = np.flatnonzero(arrays.flux >= 5.0 * arrays.flux_err * (1 - 1e-6))
    owner, night = arrays.object_index[detected], np.floor(arrays.mjd[detected])
    assert np.bincount(owner, minlength=400).min() >= design.min_detections
    for values, least in ((arrays.band_index[detected], design.min_bands), (night, design.min_nights)):
        pairs = np.unique(np.stack([owner, values]), axis=1)
        assert np.bincount(pairs[0].astype(int), minlength=400).min() >= least


def test_no_band_is_observed_twice_in_a_night(survey):
    arrays = survey.observation_arrays()
    cells = np.stack([arrays.object_index, arrays.band_index, np.floor(arrays.mjd).astype(int)])
    assert len(np.unique(cells, axis=1).T) == len(arrays)
    assert survey.bands == DESIGNS[survey.info.provenance["survey"]].bands


def test_ids_and_order_tell_nothing_of_the_type(survey):
    is_ia = (survey.objects["type"] == "Ia").to_numpy()
    halves = is_ia[:200].sum(), is_ia[200:].sum()
    assert abs(halves[0] - halves[1]) < 4 * np.sqrt(400 * 0.25)


def test_truth_stays_out_of_the_object_table(survey):
    deep = {"deep"} if survey.info.provenance["survey"] == "lsst" else set()
    assert set(survey.objects.columns) == COLUMNS | deep
    truth = survey.truth()
    assert set(truth["sim_spectroscopic"]) <= {0.0, 1.0}
    assert np.isfinite(truth["sim_peak_magnitude"]).all()
    assert truth["sim_x1"].notna().equals(survey.objects["type"] == "Ia")


def test_measured_fluxes_scatter_by_their_errors_where_there_is_no_light(survey):
    arrays = survey.observation_arrays()
    peak = survey.truth()["sim_peak_mjd"].to_numpy()[arrays.object_index]
    redshift = survey.objects["redshift"].to_numpy()[arrays.object_index]
    dark = arrays.mjd < peak - 60.0 * (1 + redshift)
    pull = arrays.flux[dark] / arrays.flux_err[dark]
    assert dark.sum() > 200
    assert abs(pull.mean()) < 4 / np.sqrt(dark.sum())
    assert abs(pull.std() - 1.0) < 4 / np.sqrt(2 * dark.sum())


def test_deep_fields_are_deeper_denser_and_as_many_as_asked(lsst):
    deep = lsst.objects["deep"].to_numpy()
    assert deep.sum() == 420
    arrays = lsst.observation_arrays()
    of_deep = deep[arrays.object_index] == 1
    counts = np.diff(arrays.offsets)
    assert np.median(counts[deep == 1]) > 1.5 * np.median(counts[deep == 0])
    gains = [
        2.5
        * np.log10(np.median(arrays.flux_err[rows & ~of_deep]) / np.median(arrays.flux_err[rows & of_deep]))
        for rows in (arrays.band_index == band for band in range(6))
    ]
    assert np.mean(gains) == pytest.approx(1.25, abs=0.15)


def test_filters_follow_the_moon(lsst):
    arrays = lsst.observation_arrays()
    moon = darkness(arrays.mjd)
    u, y = (np.median(moon[arrays.band_index == band]) for band in (0, 5))
    assert u > 0.7
    assert y < 0.6


def test_spectra_are_taken_of_bright_near_type_ia_in_deep_fields_only(lsst):
    truth, deep = lsst.truth(), lsst.objects["deep"].to_numpy() == 1
    taken = truth["sim_spectroscopic"].to_numpy() == 1
    assert taken.any()
    assert not (taken & ~deep).any()
    for values in (truth["sim_peak_magnitude"], lsst.objects["redshift"]):
        assert np.median(values[taken]) < np.median(values[deep & ~taken]) - 0.1
    is_ia = (lsst.objects["type"] == "Ia").to_numpy()
    assert is_ia[taken].mean() > is_ia[deep].mean()


def test_follow_up_falls_with_magnitude_and_ends_at_the_limits():
    follow = FollowUp(four_metre=0.5, eight_metre=0.2)
    magnitude = np.array([15.0, 21.0, 21.51, 23.0, 23.51])
    chance = follow.probability(np.ones(5, bool), magnitude, magnitude)
    assert chance[0] == pytest.approx(1 - 0.5 * 0.8, rel=1e-3)
    assert (np.diff(chance) < 0).all()
    assert chance[2] == pytest.approx(0.2, rel=0.02)
    assert chance[3] == pytest.approx(0.1)
    assert chance[4] == 0
    assert (follow.probability(np.zeros(5, bool), magnitude, magnitude) <= chance).all()


def test_five_sigma_depth_is_where_the_error_is_a_fifth():
    depth = np.array([24.0])
    flux = 10 ** (0.4 * (27.5 - 24.0))
    sky, shot = depth_noise(depth)
    assert np.sqrt(sky**2 + shot * flux) == pytest.approx(flux / 5.0)


def test_moon_is_new_and_full_when_the_almanac_says():
    # New moon of 2024 April 8 (a solar eclipse), full moon of 2024 September 18 (a lunar one).
    assert darkness(np.array([60408.76]))[0] > 0.9
    assert darkness(np.array([60571.11]))[0] < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be at least 1, but is 0"),
        ({"n": 5, "seed": -1}, "seed must be at least 0, but is -1"),
        ({"n": 5, "processes": 0}, "processes must be at least 1, but is 0"),
        ({"n": 5, "survey": "ztf"}, "survey 'ztf': is unknown to the simulator, which has: des, sdss, lsst"),
        ({"n": 5, "deep_fraction": 0.5}, "deep_fraction is for surveys with deep fields, but 'des' has none"),
        (
            {"n": 5, "survey": "lsst", "deep_fraction": 1.5},
            "0 <= deep_fraction <= 1 must hold, but it is 1.5",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        simulate_supernovae(tmp_path / "s", **arguments)


def test_existing_folder_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="must not exist yet"):
        simulate_supernovae(tmp_path, n=10**9)


def test_figure_of_examples_is_drawn(tmp_path):
    api.simulate_supernovae(tmp_path / "s", n=60, seed=2, figure=tmp_path / "examples.png")
    assert (tmp_path / "examples.png").read_bytes().startswith(b"\x89PNG")


def test_figure_of_an_unknown_kind_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"a figure must end in \.png, \.pdf, \.svg"):
        api.simulate_supernovae(tmp_path / "s", n=10**9, figure=tmp_path / "examples.gif")
    assert not (tmp_path / "s").exists()


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_missing_extra_is_explained_at_use_and_not_before(tmp_path):
    code = (
        "import sys; sys.modules['speclite'] = None\n"
        "from rookery.surveys import simulate_supernovae\n"
        "from rookery_ensembles.errors import InputError\n"
        "try: simulate_supernovae(sys.argv[1], n=1)\n"
        "except InputError as error: print(error)"
    )
    done = run(code, tmp_path / "s")
    assert "simulating needs `speclite" in done.stdout, done.stderr
    assert "pip install 'rookery-astro[simulate]'" in done.stdout


@pytest.mark.slow
def test_nothing_is_asked_of_the_network(tmp_path):
    code = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event.startswith(('socket.connect', 'socket.getaddrinfo', 'urllib')):\n"
        "        raise RuntimeError(f'{event} {arguments}')\n"
        "sys.addaudithook(refuse)\n"
        "from rookery.surveys import simulate_supernovae\n"
        "print(len(simulate_supernovae(sys.argv[1], n=3, survey='lsst')))"
    )
    done = run(code, tmp_path / "s")
    assert done.stdout.strip() == "3", done.stderr
