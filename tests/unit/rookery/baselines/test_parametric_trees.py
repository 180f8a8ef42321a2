import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import api, baselines
from rookery.baselines._bazin import bazin, fit_bazin
from rookery.baselines._least_squares import least_squares
from rookery.baselines._padding import block_curves, block_rows
from rookery.baselines._redshift import distance_modulus
from rookery.baselines._trees import FurtherExamples, make_task, predict_with_trees
from rookery.baselines.parametric_trees import SETTINGS, bazin_feature_names, parametric_features
from rookery.compute.pool import RayPool
from rookery.shift.copies import copied_view
from rookery.surveys.splits import open_split, split_survey
from rookery.surveys.store import Survey, write_survey
from rookery_ensembles.errors import InputError
from rookery_ensembles.metrics import classification_metrics

Row = tuple[str, float, str, float, float]
PEAK, FALL, RISE = {"g": 80.0, "r": 150.0}, 22.0, 4.0


def published_bazin(t: np.ndarray, amplitude: float, t0: float, fall: float, rise: float) -> np.ndarray:
    """Equation 1 of Bazin et al. (2009), without its constant."""
    return amplitude * np.exp(-(t - t0) / fall) / (1 + np.exp(-(t - t0) / rise))


def survey_of(
    folder: Path, rows: list[Row], types: list[str] | None = None, **covariates: list[float]
) -> Survey:
    ids = list(dict.fromkeys(row[0] for row in rows))
    objects = pd.DataFrame({"object_id": ids, "type": types or ["Ia"] * len(ids), **covariates})
    observations = pd.DataFrame(rows, columns=["object_id", "mjd", "band", "flux", "flux_err"])
    return write_survey(folder, name="s", bands=["g", "r"], objects=objects, observations=observations)


def bazin_rows(
    name: str, sigma: float = 1.0, seed: int = 0, step: float = 3.0, fall: float = FALL
) -> list[Row]:
    rng = np.random.default_rng(seed)
    rows = []
    for mjd in np.arange(56000.0, 56150.0, step):
        for band, amplitude in PEAK.items():
            flux = published_bazin(mjd, amplitude, 56050.0, fall, RISE) + rng.normal(0, sigma)
            rows.append((name, mjd, band, flux, sigma))
    return rows


def features_of(survey: Survey) -> dict[str, np.ndarray]:
    values, names, _ = parametric_features(survey, RayPool(processes=0))
    assert not np.isinf(values).any()
    return {name: values[:, i] for i, name in enumerate(names)}


def test_curve_is_that_of_bazin_with_its_maximum_where_the_parameters_say() -> None:
    rise = 1 / (1 / RISE - 1 / FALL)
    t = np.linspace(-40, 100, 20_001)
    theirs = published_bazin(t, 1.0, 10.0, FALL, RISE)
    t_peak = 10.0 + RISE * np.log(FALL / RISE - 1)  # where the derivative of their equation vanishes
    ours = bazin(t, np.array(t_peak), np.log(rise), np.log(FALL))[0]
    np.testing.assert_allclose(ours * theirs.max(), theirs, rtol=1e-5)
    assert bazin(np.array(t_peak), np.array(t_peak), np.log(rise), np.log(FALL))[0] == pytest.approx(1.0)


def test_derivatives_are_those_of_the_curve() -> None:
    t, at = np.linspace(-60, 200, 60), np.array([3.0, 1.2, 3.1])
    analytic = bazin(t, *at)[1:]
    for i in range(3):
        step = np.eye(3)[i] * 1e-6
        numeric = (bazin(t, *(at + step))[0] - bazin(t, *(at - step))[0]) / 2e-6
        np.testing.assert_allclose(analytic[i], numeric, atol=1e-8)


def test_curve_is_finite_far_from_its_peak() -> None:
    for part in bazin(np.array([-1e5, 1e5]), 0.0, np.log(0.3), np.log(1000.0)):
        assert np.isfinite(part).all()


def test_fit_recovers_the_parameters_of_a_known_curve(tmp_path: Path) -> None:
    survey = survey_of(tmp_path / "s", bazin_rows("o0", sigma=0.5))
    fits = fit_bazin(block_curves(survey, np.array([0])), 2)
    assert fits.shared.converged.all()
    assert fits.bands.converged.all()
    rise = 1 / (1 / RISE - 1 / FALL)
    t_peak = 50.0 + RISE * np.log(FALL / RISE - 1)
    peak = published_bazin(np.array(56000.0 + t_peak), 1.0, 56050.0, FALL, RISE)
    for (found, error), amplitude in zip(
        zip(fits.bands.parameters, fits.bands.errors, strict=True), PEAK.values(), strict=True
    ):
        expected = [amplitude * peak / fits.scale[0], t_peak, np.log(rise), np.log(FALL)]
        assert (np.abs(found - expected) < 4 * error).all()
        assert (error < [0.02, 0.5, 0.1, 0.1]).all()
    assert fits.shared.chi2[0] / (len(survey.observation_arrays()) - 5) == pytest.approx(1.0, abs=0.35)


def test_errors_are_as_large_as_the_scatter_of_the_fits(tmp_path: Path) -> None:
    rows = [row for i in range(100) for row in bazin_rows(f"o{i}", sigma=2.0, seed=i)]
    survey = survey_of(tmp_path / "s", rows)
    fits = fit_bazin(block_curves(survey, np.arange(100)), 2)
    spread = fits.shared.parameters[:, :3].std(axis=0)
    np.testing.assert_allclose(fits.shared.errors[:, :3].mean(axis=0), spread, rtol=0.3)


def test_least_squares_of_a_line_gives_the_textbook_answer() -> None:
    x = np.arange(5.0)
    y = np.array([[1.0, 3.0, 5.2, 7.0, 8.9], [0.0, 0.0, 0.0, 0.0, 1.0]])

    def line(p: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        jacobian = np.broadcast_to(np.stack([np.ones(5), x], axis=1), (len(rows), 5, 2))
        return p[:, :1] + p[:, 1:] * x - y[rows], jacobian

    free = np.full((2, 2), np.inf)
    bounds = {"low": np.array(-np.inf), "high": np.array(np.inf)}
    fits = least_squares(line, np.zeros((2, 2)), prior_mean=np.zeros((2, 2)), prior_sigma=free, **bounds)
    for i in range(2):
        (slope, origin), covariance = np.polyfit(x, y[i], 1, cov="unscaled")
        np.testing.assert_allclose(fits.parameters[i], [origin, slope], atol=1e-4)
        np.testing.assert_allclose(fits.errors[i], np.sqrt(np.diag(covariance))[::-1], rtol=1e-4)
    assert fits.converged.all()


def test_bad_light_curves_give_features(tmp_path: Path) -> None:
    good = bazin_rows("good")
    rows = [
        *good,
        ("one_point", 56000.0, "g", 10.0, 1.0),
        *(("negative", mjd, band, -abs(flux) - 1, error) for _, mjd, band, flux, error in good),
        *(("one_band", *row[1:]) for row in good if row[2] == "g"),
        *(("zero", mjd, "g", 0.0, 1.0) for mjd in (56000.0, 56001.0)),
        *(("same_night", 56000.0, band, flux, 1.0) for flux, band in enumerate("ggrr", 5)),
        ("huge", 56000.0, "g", 1e30, 1.0),
        ("huge", 56010.0, "r", -1e30, 1e-5),
        ("tiny", 56000.0, "g", 1e-30, 1e-32),
        *(
            ("two_calendars", mjd + (2400000.5 if i % 2 else 0), band, flux, 1.0)
            for i, (_, mjd, band, flux, _) in enumerate(good)
        ),
    ]
    survey = survey_of(tmp_path / "s", rows)
    column = features_of(survey)
    at = {name: i for i, name in enumerate(survey.objects["object_id"])}
    assert column["points"].tolist() == [100, 1, 100, 50, 2, 4, 2, 1, 100]
    assert column["log_peak"][at["good"]] == pytest.approx(np.log10(150 * 0.57), abs=0.1)
    for name in ("log_rise_r", "peak_ratio_r", "snr_r", "colour_g_r_at_0"):
        assert np.isnan(column[name][at["one_band"]]), name
        assert np.isnan(column[name][at["one_point"]]), name
    assert column["points_r"][at["one_band"]] == 0
    assert np.isfinite(column["log_rise_g"][at["one_band"]])
    assert np.isnan(column["log_peak"][at["negative"]])
    assert np.isfinite(column["log_peak"][at["one_point"]])
    assert np.isnan(column["chi2_dof"][at["one_point"]])  # no degree of freedom


def test_band_of_one_point_keeps_the_shape_of_the_others(tmp_path: Path) -> None:
    rows = [row for row in bazin_rows("o0") if row[2] == "g" or row[1] == 56060.0]
    column = features_of(survey_of(tmp_path / "s", rows))
    assert column["points_r"][0] == 1
    assert column["log_fall_r"][0] == pytest.approx(column["log_fall"][0], abs=0.05)
    assert column["peak_ratio_r"][0] / column["peak_ratio_g"][0] == pytest.approx(150 / 80, rel=0.15)
    assert column["log_fall_error_r"][0] > 4 * column["log_fall_error_g"][0]


def test_features_do_not_depend_on_the_zero_of_time_or_the_unit_of_flux(tmp_path: Path) -> None:
    rows = bazin_rows("o0")
    moved = [(name, mjd - 50000, band, 1000 * flux, 1000 * error) for name, mjd, band, flux, error in rows]
    first, second = (
        features_of(survey_of(tmp_path / "a", rows)),
        features_of(survey_of(tmp_path / "b", moved)),
    )
    for name in first:
        shift = 3.0 if name in ("log_peak", "log_scale") else 0.0
        assert second[name][0] == pytest.approx(first[name][0] + shift, rel=1e-3, abs=1e-3, nan_ok=True), name


def test_long_survey_finds_the_season_of_the_supernova(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        ("o0", 55000.0 + 4 * i, "gr"[i % 2], rng.normal(0, 1.0), 1.0)
        for i in range(500)
        if i < 260 or i > 280
    ]
    column = features_of(survey_of(tmp_path / "s", rows + bazin_rows("o0")))
    assert column["peak_day"][0] == pytest.approx(1050 + RISE * np.log(FALL / RISE - 1), abs=1.5)


def test_failed_fits_are_counted_and_have_no_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    survey = survey_of(tmp_path / "s", bazin_rows("o0"))
    monkeypatch.setattr("rookery.baselines._least_squares._MAX_ITERATIONS", 1)
    with caplog.at_level(logging.WARNING):
        column = features_of(survey)
    assert "1 of 1 fits of objects and 2 of 2 of bands did not converge" in caplog.text
    assert np.isnan(column["log_rise"][0])
    assert np.isnan(column["log_rise_g"][0])
    assert column["points"][0] == 100


def test_every_feature_has_a_name_for_any_bands(tmp_path: Path) -> None:
    assert len(set(bazin_feature_names(("u", "g", "r")))) == len(bazin_feature_names(("u", "g", "r")))
    objects = pd.DataFrame({"object_id": ["o0"], "type": ["Ia"]})
    rows = pd.DataFrame(
        {"object_id": "o0", "mjd": [1.0, 5.0], "band": "w", "flux": [1.0, 2.0], "flux_err": 1.0}
    )
    survey = write_survey(tmp_path / "s", name="s", bands=["w"], objects=objects, observations=rows)
    values, names, _ = parametric_features(survey, RayPool(processes=0))
    assert values.shape == (1, len(names))


def test_blocks_hold_every_object_once(tiny_survey: Survey) -> None:
    rows = np.concatenate(block_rows(tiny_survey))
    assert sorted(rows.tolist()) == list(range(len(tiny_survey)))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Ia fall in 22 days, II in 60; the photo-z says nothing, but for objects of even number."""
    rows, types, z = [], [], []
    for i in range(80):
        types.append("Ia" if i % 2 else "II")
        rows += bazin_rows(f"o{i}", sigma=4.0, seed=i, step=7.0, fall=FALL if i % 2 else 60.0)
        z.append(np.nan if i % 5 == 0 else 0.5)
    survey = survey_of(tmp_path_factory.mktemp("surveys") / "s", rows, types, photo_z=z)
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    return survey


@pytest.mark.parametrize("redshift", [None, "photo_z"])
def test_baseline_tells_classes_apart_and_repeats_itself(
    labelled: Survey, tmp_path: Path, redshift: str | None
) -> None:
    run, split = baselines.load("parametric-trees"), open_split(labelled, "half")
    first, second = (run(labelled, split, tmp_path / f"{i}.parquet", redshift=redshift) for i in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    assert first.info.member == "baseline-parametric-trees"
    assert classification_metrics(first.info.target.names, first.truth, first.values)["auc"] > 0.95


def test_fits_of_copies_train_too(labelled: Survey, tmp_path: Path) -> None:
    split = open_split(labelled, "half")
    task = make_task(labelled, split, ("Ia", "non-Ia"), "test")
    train = task.rounds[0].train
    view, source = copied_view(labelled, train, split.indices("test"), copies=3, redshifting=False, seed=2)
    pool = RayPool(processes=0)
    made = FurtherExamples(parametric_features(view, pool)[0], source)
    features = parametric_features(labelled, pool)[0]
    wanted = predict_with_trees(
        task, features, SETTINGS, labelled, tmp_path / "w.parquet", name="w", seed=2, more=lambda _: made
    )
    found = api.baseline(
        "parametric-trees",
        tmp_path / "p.parquet",
        survey=labelled.path,
        split="half",
        seed=2,
        copies=3,
        redshifting=False,
    )
    np.testing.assert_array_equal(found.values, wanted.values)
    assert classification_metrics(found.info.target.names, found.truth, found.values)["auc"] > 0.95
    again = {"survey": labelled.path, "split": "half", "copies": 1, "redshift": "photo_z"}
    assert len(api.baseline("parametric-trees", tmp_path / "z.parquet", **again).values) == len(found.values)
    with pytest.raises(InputError, match="'parametric-trees': copies and copy_dimming must be at least 0"):
        api.baseline(
            "parametric-trees", tmp_path / "x.parquet", survey=labelled.path, split="half", copies=-1
        )


@pytest.mark.parametrize("name", ["binned-trees", "parametric-trees"])
def test_roles_and_redshift_are_those_asked_for(labelled: Survey, tmp_path: Path, name: str) -> None:
    split_survey(labelled, "few", train_fraction=0.5, max_train=30, seed=1, overwrite=True)
    split = open_split(labelled, "few")
    run = baselines.load(name)
    for role in ("unlabelled", "validation"):
        found = run(labelled, split, tmp_path / "p.parquet", role=role, redshift="photo_z")
        assert found.info.role == role
        assert list(found.object_id) == list(labelled.objects["object_id"][split.indices(role)])
    with pytest.raises(
        InputError, match=r"predicts objects of the role test, unlabelled, validation, not 'train'"
    ):
        run(labelled, split, tmp_path / "p.parquet", role="train")


@pytest.mark.parametrize("name", ["binned-trees", "parametric-trees"])
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("redshift", "is the truth, which no method may see"),
        ("host_z", "must be a covariate of the survey; it has: photo_z"),
    ],
)
def test_redshift_that_is_truth_or_unknown_is_refused(
    labelled: Survey, tmp_path: Path, name: str, column: str, message: str
) -> None:
    run, split = baselines.load(name), open_split(labelled, "half")
    with pytest.raises(InputError, match=message):
        run(labelled, split, tmp_path / "p.parquet", redshift=column)
    assert not (tmp_path / "p.parquet").exists()


def test_distance_modulus_is_that_of_a_flat_universe() -> None:
    # For small z the luminosity distance is c z / H0 (1 + z (1 - 3/4 Om)): 42.83 Mpc / 0.01 per z here.
    z = 0.01
    distance = 299792.458 * z / 70 * (1 + z * (1 - 0.75 * 0.3))
    assert distance_modulus(np.array([z, np.nan]))[0] == pytest.approx(5 * np.log10(distance) + 25, abs=1e-3)
    assert np.isnan(distance_modulus(np.array([np.nan]))[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"processes": 2}, "'binned-trees': takes no `processes`"),
        ({"model_path": "x"}, "'binned-trees': takes no `model_path`"),
    ],
)
def test_option_of_another_baseline_is_refused(
    labelled: Survey, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        api.baseline("binned-trees", tmp_path / "p.parquet", survey=labelled.path, split="half", **options)


def test_impossible_workers_are_refused(labelled: Survey, tmp_path: Path) -> None:
    for options in ({"processes": -1}, {"processes": 0, "address": "auto"}):
        with pytest.raises(InputError, match="`processes` must be at least"):
            api.baseline(
                "parametric-trees", tmp_path / "p.parquet", survey=labelled.path, split="half", **options
            )


@pytest.mark.slow
@pytest.mark.ray
def test_ray_and_this_process_give_the_same_features(
    labelled: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rookery.baselines._padding._MAX_OBJECTS", 7)  # several blocks
    alone = parametric_features(labelled, RayPool(processes=0))[0]
    on_ray = parametric_features(labelled, RayPool(processes=2))[0]
    np.testing.assert_array_equal(alone, on_ray)
