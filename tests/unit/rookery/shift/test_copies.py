"""Gaussian processes of light curves, and copies that are seen farther away."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery.shift.as_target import SurveyRule, luminosity_distance
from rookery.shift.copies import redshifted_copies, redshifted_view
from rookery.shift.gaussian_process import MAX_POINTS, interpolate, pad
from rookery.shift.options import DegradedValidation
from rookery.surveys import Survey, write_survey
from rookery.surveys.bands import effective_wavelengths
from rookery.surveys.properties import object_properties
from rookery_ensembles.errors import InputError


def points(n_objects: int, n_points: int, error: float, seed: int = 0):
    """Smooth light curves, Gaussians of 20 days in time, observed at random dates in two colours."""
    generator = np.random.default_rng(seed)
    time = np.sort(generator.uniform(0, 100, (n_objects, n_points)), axis=1).ravel()
    owner = np.repeat(np.arange(n_objects), n_points)
    colour = generator.choice([8.5, 8.8], len(owner))
    flux = 50 * np.exp(-0.5 * ((time - 50) / 20) ** 2) + error * generator.normal(size=len(owner))
    return pad(owner, n_objects, time, colour, flux, np.full(len(owner), error), np.full(n_objects, 50.0))


def test_surface_passes_through_what_is_known_and_says_how_well_it_knows() -> None:
    asked = np.broadcast_to(np.linspace(10, 90, 30), (5, 30))
    mean, deviation = interpolate(points(5, 60, error=0.5), asked, np.full((5, 30), 8.5))
    pull = (mean - 50 * np.exp(-0.5 * ((asked - 50) / 20) ** 2)) / deviation
    assert np.abs(mean - 50 * np.exp(-0.5 * ((asked - 50) / 20) ** 2)).max() < 3
    assert 0.2 < np.sqrt(np.mean(pull**2)) < 2


def test_far_from_every_point_the_mean_is_zero_and_the_deviation_the_amplitude() -> None:
    mean, deviation = interpolate(points(2, 40, error=0.5), np.full((2, 1), 5000.0), np.full((2, 1), 8.5))
    assert mean == pytest.approx(np.zeros((2, 1)), abs=1e-3)
    assert (deviation > 10).all()


def test_padding_and_neighbours_change_nothing() -> None:
    owner = np.array([0, 0, 0, 1])
    columns = np.array([1.0, 5.0, 9.0, 4.0]), np.full(4, 8.5), np.array([3.0, 8.0, 2.0, 5.0]), np.ones(4)
    both = pad(owner, 2, *columns, np.array([5.0, 4.0]))
    alone = pad(owner[:3], 1, *(column[:3] for column in columns), np.array([5.0]))
    asked = np.array([[2.0, 7.0]])
    known = interpolate(both, np.repeat(asked, 2, axis=0), np.full((2, 2), 8.5))
    wanted = interpolate(alone, asked, np.full((1, 2), 8.5))
    assert known[0][:1] == pytest.approx(wanted[0], rel=1e-4)
    assert known[1][:1] == pytest.approx(wanted[1], rel=1e-3)


def test_long_light_curves_keep_the_points_around_their_peak() -> None:
    time = np.arange(1000.0)
    known = pad(np.zeros(1000, int), 1, time, time, time, time + 1, np.array([700.0]))
    assert known.present.sum() == MAX_POINTS
    assert known.time.min() >= 700 - MAX_POINTS / 2 - 1


def test_object_without_positive_flux_has_a_finite_surface() -> None:
    known = pad(np.zeros(3, int), 1, np.arange(3.0), np.full(3, 8.5), -np.ones(3), np.ones(3), np.zeros(1))
    assert all(
        np.isfinite(values).all() for values in interpolate(known, np.zeros((1, 1)), np.full((1, 1), 8.5))
    )


def test_unknown_band_is_named() -> None:
    with pytest.raises(InputError, match=r"wavelength of band 'clear' is not known; known are u, g"):
        effective_wavelengths(["g", "clear"], "survey")


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """A bright nearby source of constant flux density in every band, and three models farther away.

    Their fluxes are known: a spectrum flat in frequency and time keeps its shape at every redshift.
    """
    ids, dates = ["near", "a", "b", "c"], np.arange(56000.0, 56100.0, 2.0)
    rows = [
        {"object_id": name, "mjd": day, "band": band, "flux": 1000.0 if name == "near" else 20.0,
         "flux_err": 1.0 if name == "near" else 2.0}
        for name in ids for day in dates for band in "gr"
    ]  # fmt: skip
    objects = pd.DataFrame(
        {"object_id": ids, "type": "Ia", "redshift": [0.1, np.nan, np.nan, np.nan],
         "host_photo_z": [0.1, 0.3, 0.3, 0.9], "mwebv": [0.0, 0.1, 0.1, 0.3]}
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("copies") / "flat"
    return write_survey(
        folder, name="flat", bands=["g", "r"], objects=objects, observations=pd.DataFrame(rows)
    )


SOURCE, MODELS = np.array([0]), np.array([1, 2, 3])


def test_copy_is_dimmed_by_distance_and_seen_as_its_model_was(flat: Survey) -> None:
    from astropy.cosmology import FlatLambdaCDM

    copies = redshifted_copies(flat, SOURCE, MODELS, copies=20)
    assert set(copies.model.tolist()) == {1, 2}, "1 + z of the third is more than 1.5 times the source's"
    assert copies.redshift == pytest.approx(np.full(20, 0.3))
    assert copies.covariates["host_photo_z"] == pytest.approx(np.full(20, 0.3))
    assert copies.covariates["mwebv"] == pytest.approx(np.full(20, 0.1))
    distance = FlatLambdaCDM(H0=70, Om0=0.3).luminosity_distance([0.1, 0.3]).value
    wanted = 1000 * (1.3 / 1.1) * (distance[0] / distance[1]) ** 2
    assert np.median(copies.observations.flux) == pytest.approx(wanted, rel=0.03)
    assert copies.observations.flux_err.min() >= 2.0
    assert set(copies.observations.mjd) <= set(flat.observation_arrays().mjd)


def test_copy_that_does_not_move_keeps_flux_and_host_redshift(flat: Survey) -> None:
    copies = redshifted_copies(flat, SOURCE, MODELS, copies=9, redshifting=False)
    assert copies.redshift == pytest.approx(np.full(9, 0.1))
    assert copies.covariates["host_photo_z"] == pytest.approx(np.full(9, 0.1))
    assert set(copies.covariates["mwebv"]) <= {0.1, 0.3}
    assert np.median(copies.observations.flux) == pytest.approx(1000, rel=0.02)


def test_source_of_unknown_redshift_keeps_its_distance(flat: Survey) -> None:
    copies = redshifted_copies(flat, np.array([1]), MODELS, copies=4)
    assert np.isnan(copies.redshift).all()
    assert np.median(copies.observations.flux) == pytest.approx(20, rel=0.1)
    without = dataclasses.replace(flat, objects=flat.objects.drop(columns="host_photo_z"))
    copies = redshifted_copies(without, np.array([0, 1]), MODELS, copies=4)
    assert np.isnan(copies.redshift).tolist() == [False] * 4 + [True] * 4
    assert np.median(copies.observations.flux[copies.observations.rows(7)]) == pytest.approx(20, rel=0.2)


def test_dimming_makes_copies_fainter_by_up_to_the_asked_magnitudes(flat: Survey) -> None:
    copies = redshifted_copies(flat, SOURCE, MODELS, copies=300, redshifting=False, dimming=2.5)
    level = np.array([np.median(copies.observations.flux[copies.observations.rows(i)]) for i in range(300)])
    assert level.min() == pytest.approx(100, rel=0.1)
    assert level.max() == pytest.approx(1000, rel=0.05)


def test_undetected_copies_are_dropped_and_none_left_is_an_error(flat: Survey) -> None:
    copies = redshifted_copies(flat, SOURCE, MODELS, copies=200, redshifting=False, dimming=12.0)
    assert 50 < len(copies.source) < 199
    with pytest.raises(InputError, match=r"none of 5 copies would be detected \(5 sigma\)"):
        redshifted_copies(flat, np.array([1]), MODELS, copies=5, redshifting=False, dimming=1e6)


def test_no_source_or_model_is_refused(flat: Survey) -> None:
    with pytest.raises(InputError, match="copies need sources and models, but there are 1, 0"):
        redshifted_copies(flat, SOURCE, np.array([], int), copies=1)


def test_seed_decides_the_copies(flat: Survey) -> None:
    first, again, other = (redshifted_copies(flat, SOURCE, MODELS, copies=3, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.observations.flux, again.observations.flux)
    assert not np.array_equal(first.observations.flux, other.observations.flux)


def test_without_host_redshifts_copies_spread_up_to_the_farthest(flat: Survey) -> None:
    survey = dataclasses.replace(flat, objects=flat.objects.drop(columns="host_photo_z"))
    copies = redshifted_copies(survey, SOURCE, MODELS, copies=100, farthest=1.2)
    assert copies.redshift.min() < 0.13
    assert 0.28 < copies.redshift.max() <= 0.32
    assert set(copies.covariates) == {"mwebv"}


def test_view_has_one_copy_of_each_object_in_the_order_asked_for(flat: Survey) -> None:
    rows = np.array([2, 0])
    view = redshifted_view(flat, rows, MODELS)
    assert view.objects["object_id"].tolist() == ["b", "near"]
    assert view.objects["host_photo_z"][1] == pytest.approx(0.3)
    assert flat.objects["host_photo_z"][0] == 0.1
    arrays = view.observation_arrays()
    assert len(arrays.offsets) == 3
    assert (np.diff(arrays.object_index) >= 0).all()
    assert np.median(arrays.flux[arrays.rows(0)]) == pytest.approx(20, rel=0.1)
    assert np.median(arrays.flux[arrays.rows(1)]) < 200


def test_object_whose_copies_are_all_undetected_stays_as_it_is(flat: Survey, tmp_path) -> None:
    observations = pd.DataFrame(
        [("near", 56000.0 + day, "g", 30.0, 1.0) for day in range(20)]
        + [("bright", 56000.0 + day, "g", 3000.0, 1.0) for day in range(20)]
        + [("model", 56000.0 + day, "g", 900.0, 100.0) for day in range(20)],
        columns=["object_id", "mjd", "band", "flux", "flux_err"],
    )
    objects = pd.DataFrame(
        {
            "object_id": ["near", "bright", "model"],
            "type": "Ia",
            "redshift": [0.1, 0.1, np.nan],
            "host_photo_z": [0.1, 0.1, 0.2],
        }
    )
    survey = write_survey(tmp_path / "s", name="s", bands=["g"], objects=objects, observations=observations)
    view = redshifted_view(survey, np.array([0, 1]), np.array([2]), tries=3)
    arrays, own = view.observation_arrays(), survey.observation_arrays()
    assert np.array_equal(arrays.flux[arrays.rows(0)], own.flux[own.rows(0)])
    assert view.objects["host_photo_z"].tolist() == [0.1, pytest.approx(0.2)]
    assert (arrays.flux_err[arrays.rows(1)] >= 100).all()


def test_copies_as_bright_as_their_models_go_nearer_and_farther(flat: Survey) -> None:
    brighter = dataclasses.replace(flat, objects=flat.objects.assign(redshift=[np.nan, 0.3, 0.3, 0.9]))
    near = redshifted_copies(brighter, np.array([1]), SOURCE, copies=5, distance="brightness", farthest=3.0)
    far = redshifted_copies(flat, SOURCE, MODELS, copies=5, distance="brightness", farthest=3.0)
    for copies, flux, redshift in ((near, 1000, (0.001, 0.3)), (far, 20, (0.1, 2.0))):
        assert np.median(copies.observations.flux) == pytest.approx(flux, rel=0.15)
        assert redshift[0] < copies.redshift.min() <= copies.redshift.max() < redshift[1]
    distance = luminosity_distance(np.array([0.1, far.redshift[0]]))
    dimming = (1 + far.redshift[0]) / 1.1 * (distance[0] / distance[1]) ** 2
    peaks = object_properties(flat)["peak_flux"].to_numpy()
    assert dimming == pytest.approx(peaks[far.model[0]] / peaks[0], rel=0.01)


def test_a_copy_as_bright_as_its_model_keeps_the_errors_of_its_own_host_redshift(flat: Survey) -> None:
    hosts = flat.objects.assign(host_photo_z=[0.15, 0.3, 0.3, 0.9])
    copies = redshifted_copies(
        dataclasses.replace(flat, objects=hosts), SOURCE, MODELS, copies=4, distance="brightness"
    )
    assert copies.redshift == pytest.approx(np.full(4, 0.65)), "1.5 times 1.1, less 1: no farther"
    assert np.median(copies.observations.flux) == pytest.approx(20, rel=0.15), "fainter than that distance"
    assert copies.covariates["host_photo_z"] == pytest.approx(np.full(4, 0.65 + 1.5 * 0.05))


def test_only_sources_that_are_well_known_are_copied(flat: Survey) -> None:
    """The near one has points of 1000 sigma, the others of 10."""
    copies = redshifted_copies(flat, np.arange(4), MODELS, copies=2, redshifting=False, least_snr=500.0)
    assert set(copies.source) == {0}
    with pytest.raises(InputError, match=r"ratio of 2000 for one to be copied, but the best has 1e\+03"):
        redshifted_copies(flat, np.arange(4), MODELS, copies=2, least_snr=2000.0)


def test_without_redshifting_copies_are_as_bright_at_their_own_redshift(flat: Survey) -> None:
    copies = redshifted_copies(flat, SOURCE, MODELS, copies=6, redshifting=False, distance="brightness")
    assert copies.redshift == pytest.approx(np.full(6, 0.1))
    assert copies.covariates["host_photo_z"] == pytest.approx(np.full(6, 0.1))
    assert np.median(copies.observations.flux) == pytest.approx(20, rel=0.15)


def test_host_redshifts_that_no_model_has_are_as_none(flat: Survey) -> None:
    """A simulated survey has them, the real one that it was merged with has not: copies move all the same."""
    survey = dataclasses.replace(flat, objects=flat.objects.assign(host_photo_z=[0.1, *[np.nan] * 3]))
    copies = redshifted_copies(survey, SOURCE, MODELS, copies=100, farthest=1.2)
    assert 0.28 < copies.redshift.max() <= 0.32


def detections_only(folder: Path, ratio: float, n: int = 60) -> Survey:
    """Model 0 tells what reaches `ratio` sigma, model 1 has a point of 30 sigma at least."""
    rows = [(name, 56000.0 + day, "g", 10.0 * level, 10.0) for name, low in (("a", ratio), ("b", 30.0))
            for day, level in enumerate(np.linspace(low, 60, n))]  # fmt: skip
    rows += [("c", 56000.0 + day, "g", 300.0 * np.exp(-0.5 * ((day - 30) / 8) ** 2), 1.0) for day in range(n)]
    frame = pd.DataFrame(rows, columns=["object_id", "mjd", "band", "flux", "flux_err"])
    objects = pd.DataFrame({"object_id": ["a", "b", "c"], "type": "Ia", "redshift": 0.1})
    return write_survey(folder / "s", name="s", bands=["g"], objects=objects, observations=frame)


@pytest.mark.parametrize(("ratio", "floors"), [(6.0, [6.0, 18.0]), (-1.0, [-np.inf, -np.inf])])
def test_rule_of_a_survey_is_read_off_its_points(tmp_path: Path, ratio: float, floors: list[float]) -> None:
    rule = SurveyRule.of(detections_only(tmp_path, ratio), np.array([0, 1]))
    assert rule.floor[:2] == pytest.approx(floors)
    assert rule.fewest == (60 if ratio > 0 else 54)


def test_copies_of_a_survey_of_detections_lose_what_it_would_not_tell(tmp_path: Path) -> None:
    survey = detections_only(tmp_path, 6.0)
    whole = redshifted_copies(survey, np.array([2]), np.array([0]), copies=20, redshifting=False)
    rule = SurveyRule(np.array([6.0, 18.0, 0.0]), 3)
    arrays = whole.observations
    ratio = arrays.flux.astype(float) / arrays.flux_err
    kept = rule.kept(ratio, arrays.object_index.astype(np.intp), whole.model)
    assert 0 < kept.sum() < len(kept)
    assert (ratio[kept] >= 6.0).all()
    enough = np.bincount(arrays.object_index[ratio >= 6.0], minlength=len(whole.source)) >= 3
    assert np.array_equal(np.unique(arrays.object_index[kept]), np.flatnonzero(enough))
    with pytest.raises(InputError, match=r"none of 4 copies would be detected \(5 sigma, 60 times\)"):
        redshifted_copies(
            survey, np.array([2]), np.array([0]), copies=4, redshifting=False, selection="survey"
        )


def test_degraded_validation_as_it_was_is_written_as_it_was() -> None:
    """Its digest is part of a job's, and a job's of its checkpoints'."""
    asked = {"method": "degraded", "redshifting": True, "seed": 3}
    assert DegradedValidation(**asked).model_dump() == asked
    chosen = {**asked, "distance": "brightness", "selection": "survey"}
    assert DegradedValidation(**chosen).model_dump() == chosen
    with pytest.raises(ValueError, match="`distance` goes with `redshifting: true` alone"):
        DegradedValidation(method="degraded", distance="brightness")
