"""SALT fits on a small stand-in surface of the same file format: no published model is at hand in tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rookery import baselines
from rookery.baselines._salt2_block import salt_feature_names
from rookery.baselines._salt2_fit import Curve, fit_salt, make_model
from rookery.baselines._salt2_kept import open_fits
from rookery.baselines._salt2_model import filter_names, find_model, load_filter, load_source
from rookery.baselines.salt2_trees import salt_features
from rookery.compute.pool import RayPool
from rookery.surveys.splits import open_split, split_survey
from rookery.surveys.store import Survey, write_survey
from rookery_ensembles.errors import InputError
from rookery_ensembles.predictions import read_predictions

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*erfa.*")

BANDS = ("g", "r", "i", "z")
FILTERS = tuple(f"decam2014-{band}" for band in BANDS)


def write_grid(path: Path, phases: np.ndarray, waves: np.ndarray, values: np.ndarray) -> None:
    table = np.column_stack([np.repeat(phases, len(waves)), np.tile(waves, len(phases)), values.ravel()])
    np.savetxt(path, table, fmt="%.8g")


def write_stand_in(folder: Path) -> Path:
    """A surface that rises in 5 and falls in 20 days, later and longer in the red; x1 stretches it."""
    folder.mkdir()
    phases, waves = np.arange(-20.0, 51.0, 2.0), np.arange(2000.0, 9300.0, 100.0)
    red = (waves - 5000.0) / 4000.0

    def surface(stretch: float) -> np.ndarray:
        days = phases[:, None] / stretch - 3 * red
        curve = 2.0 / (np.exp(days / (20 + 10 * red)) + np.exp(-days / 5))
        spectrum = np.exp(-(((waves - 4500) / 2200) ** 2)) * (1 + 0.3 * np.sin(waves / 250))
        return curve * spectrum * np.clip((phases[:, None] + 20) / 6, 0, 1)

    first, longer = surface(1.0), surface(1.1)
    write_grid(folder / "salt2_template_0.dat", phases, waves, first)
    write_grid(folder / "salt2_template_1.dat", phases, waves, longer - first)
    coarse, flat = np.array([-20.0, 0.0, 50.0]), np.array([2000.0, 5000.0, 9200.0])
    for name, value in (
        ("lc_relative_variance_0", 1e-4),
        ("lc_relative_variance_1", 0.0),
        ("lc_relative_covariance_01", 0.0),
        ("lc_dispersion_scaling", 1.0),
    ):
        write_grid(folder / f"salt2_{name}.dat", coarse, flat, np.full((3, 3), value))
    np.savetxt(folder / "salt2_color_dispersion.dat", np.column_stack([flat, np.full(3, 0.02)]))
    law = "4\n-0.5\n0.2\n-0.05\n0.01\nSalt2ExtinctionLaw.version 1\n"
    law += "Salt2ExtinctionLaw.min_lambda 2800\nSalt2ExtinctionLaw.max_lambda 7000\n"
    (folder / "salt2_color_correction.dat").write_text(law)
    return folder


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sncosmo")
    pytest.importorskip("speclite")
    return write_stand_in(tmp_path_factory.mktemp("model") / "salt2-stand-in")


def observed(
    folder: Path, truth: dict[str, float], seed: int, snr: float = 40.0, mwebv: float = 0.03
) -> Curve:
    """sncosmo's fluxes of the surface with noise: the peak of the brightest band has this S/N."""
    import sncosmo

    model = sncosmo.Model(
        sncosmo.SALT2Source(modeldir=str(folder)),
        effects=[sncosmo.F99Dust()],
        effect_names=["mw"],
        effect_frames=["obs"],
    )
    model.set(mwebv=mwebv, **truth)
    rng = np.random.default_rng(seed)
    mjd = np.arange(truth["t0"] - 30, truth["t0"] + 70, 3.0)
    band = np.arange(len(mjd)) % 4
    flux = model.bandflux([load_filter(FILTERS[b]) for b in band], mjd, zp=27.5, zpsys="ab")
    error = np.full(len(mjd), flux.max() / snr)
    return Curve(mjd, band, flux + rng.normal(0, error), error)


def fitted(folder: Path, curve: Curve, *, t0: float, z: float = np.nan, z_error: float = np.nan):
    model = make_model(load_source(str(folder)))
    model.set(mwebv=0.03)
    bands = np.array([load_filter(name) for name in FILTERS], dtype=object)
    return fit_salt(model, bands, curve, zero_point=27.5, t0=t0, z=z, z_error=z_error)


@pytest.mark.parametrize(("z", "x1", "c"), [(0.3, 1.0, 0.1), (0.5, -1.0, -0.05)])
def test_fit_recovers_the_parameters_that_made_the_points(
    stand_in: Path, z: float, x1: float, c: float
) -> None:
    truth = {"z": z, "t0": 56200.0, "x0": 2e-4, "x1": x1, "c": c}
    fit = fitted(stand_in, observed(stand_in, truth, 1), t0=56204.0, z=z + 0.01, z_error=0.02)
    found, error = fit.values, fit.errors
    for value, sigma, name in zip(found, error, ("z", "t0", "x0", "x1", "c"), strict=True):
        assert abs(value - truth[name]) < 4 * sigma, name
    assert error[1] < 1.0
    assert error[3] < 0.8
    assert error[2] / found[2] < 0.1
    assert 0.4 < fit.chi2 / (fit.used.sum() - 5) < 1.8


def test_fit_finds_a_redshift_that_nobody_told(stand_in: Path) -> None:
    truth = {"z": 0.4, "t0": 56200.0, "x0": 2e-4, "x1": 0.0, "c": 0.0}
    fit = fitted(stand_in, observed(stand_in, truth, 2, snr=100.0), t0=56198.0)
    assert abs(fit.values[0] - 0.4) < max(4 * fit.errors[0], 0.02)
    assert fit.errors[0] < 0.1


def test_band_outside_the_model_is_left_out_of_the_fit(stand_in: Path) -> None:
    truth = {"z": 0.4, "t0": 56200.0, "x0": 2e-4, "x1": 0.0, "c": 0.0}
    curve = observed(stand_in, truth, 3)
    fit = fitted(stand_in, curve, t0=56200.0, z=1.05, z_error=0.01)
    assert not fit.used[curve.band == 0].any()  # decam g begins at 3900 A, in the rest frame 1900 A
    assert fit.used[curve.band == 1].any()
    assert fitted(stand_in, curve, t0=56000.0, z=0.4, z_error=0.01) is None  # long after the last phase


def small_survey(folder: Path, model: Path, n: int) -> Survey:
    """Ia of the surface; every second object is four times as slow. The first three are spoilt."""
    rng = np.random.default_rng(0)
    rows, types = [], []
    for i in range(n):
        z = rng.uniform(0.2, 0.5)
        truth = {"z": z, "t0": 56200.0, "x0": 2e-4, "x1": rng.normal(), "c": rng.normal(0, 0.05)}
        curve = observed(model, truth, i, mwebv=0.0)
        slow = i % 2 == 1
        mjd = 56200.0 + (curve.mjd - 56200.0) * (4 if slow else 1)
        rows.append(
            pd.DataFrame(
                {
                    "object_id": f"o{i}",
                    "mjd": mjd,
                    "band": np.array(BANDS)[curve.band],
                    "flux": curve.flux,
                    "flux_err": curve.error,
                    "z": z,
                }
            )
        )
        types.append("II" if slow else "Ia")
    rows[0] = rows[0].head(1)
    rows[1]["flux"] = -rows[1]["flux"].abs()
    rows[2] = rows[2][rows[2]["band"] != "r"]
    observations = pd.concat(rows)
    redshift = observations.groupby("object_id", sort=False)["z"].first().to_numpy()
    objects = pd.DataFrame(
        {"object_id": [f"o{i}" for i in range(n)], "type": types, "photo_z": redshift, "photo_z_err": 0.02}
    )
    return write_survey(
        folder, name="s", bands=BANDS, objects=objects, observations=observations.drop(columns="z")
    )


def test_bad_light_curves_give_features_and_are_counted(stand_in: Path, tmp_path: Path) -> None:
    survey = small_survey(tmp_path / "s", stand_in, 4)
    features, names, x0 = salt_features(survey, RayPool(processes=0), stand_in, FILTERS, "photo_z")
    assert features.shape == (4, len(names))
    assert not np.isinf(features).any()
    column = {name: features[:, i] for i, name in enumerate(names)}
    assert column["points"].tolist() == [1, 34, 25, 34]
    assert np.isnan(column["max_snr_r"][2])
    assert np.isnan(column["chi2_point_r"][2])
    assert column["x0_snr"][2] > 10
    assert column["x0_snr"][1] < 5
    assert x0[2] == pytest.approx(2e-4, rel=0.3)


def test_fits_are_kept_so_that_another_split_fits_only_who_is_new(stand_in: Path, tmp_path: Path) -> None:
    survey = small_survey(tmp_path / "s", stand_in, 6)
    pool, file = RayPool(processes=0), tmp_path / "fits.parquet"

    def fit(rows: list[int]) -> np.ndarray:
        found = salt_features(survey, pool, stand_in, FILTERS, "photo_z", rows=np.array(rows), fits=file)
        return found[0]

    fit([4, 5])
    table = pd.read_parquet(file)
    assert sorted(table["object_id"]) == ["o4", "o5"]
    table.loc[table["object_id"] == "o4", "x1"] = 77.0  # a fit that is not made again keeps this
    made_by = pq.read_schema(file).metadata
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(made_by), file)
    features = fit([3, 4])
    column = features[:, salt_feature_names(BANDS).index("x1")]
    assert column[4] == 77.0
    assert np.isfinite(column[[3, 5]]).all()
    assert np.isnan(column[:3]).all()
    everyone, _, _ = salt_features(survey, pool, stand_in, FILTERS, "photo_z")
    np.testing.assert_allclose(features[3], everyone[3], rtol=1e-6)


def test_kept_fits_of_something_else_are_refused(stand_in: Path, tmp_path: Path) -> None:
    survey = small_survey(tmp_path / "s", stand_in, 4)
    names = salt_feature_names(BANDS)
    open_fits(tmp_path / "f.parquet", survey, stand_in, FILTERS, "photo_z", names).write()
    with pytest.raises(InputError, match=r"f\.parquet: keeps fits with another redshift"):
        open_fits(tmp_path / "f.parquet", survey, stand_in, FILTERS, None, names)
    (tmp_path / "text").write_text("no table")
    with pytest.raises(InputError, match="is no file of kept SALT fits"):
        open_fits(tmp_path / "text", survey, stand_in, FILTERS, None, names)


@pytest.mark.slow
def test_baseline_tells_the_surface_from_a_slower_one(stand_in: Path, tmp_path: Path) -> None:
    survey = small_survey(tmp_path / "s", stand_in, 60)
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    run, split = baselines.load("salt2-trees"), open_split(survey, "half")
    out = tmp_path / "p.parquet"
    run(survey, split, out, model_path=stand_in, filters="decam2014", redshift="photo_z")
    written = read_predictions(out)
    assert written.info.member == "baseline-salt2-trees"
    right = written.values.argmax(axis=1) == (written.truth == "non-Ia")
    assert right.mean() > 0.9


def test_absent_model_is_one_error_that_says_where_and_how(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNCOSMO_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(InputError) as error:
        find_model(None)
    for words in (
        str(tmp_path / "data" / "models"),
        "--model-path",
        "get_source('salt3')",
        "parametric-trees",
    ):
        assert words in str(error.value)
    assert not (tmp_path / "data").exists()


def test_model_in_the_data_folder_is_found_and_two_unknown_ones_are_refused(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNCOSMO_DATA_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    write_stand_in(tmp_path / "models" / "mine")
    assert find_model(None) == tmp_path / "models" / "mine"
    write_stand_in(tmp_path / "models" / "other")
    with pytest.raises(InputError, match="has several SALT models"):
        find_model(None)


def test_incomplete_and_unreadable_models_are_refused_by_file(tmp_path: Path) -> None:
    pytest.importorskip("sncosmo")
    with pytest.raises(InputError, match=r"must be the folder of a SALT model.*is no folder"):
        find_model(tmp_path / "nowhere")
    folder = write_stand_in(tmp_path / "m")
    (folder / "salt2_color_correction.dat").write_text("no numbers")
    with pytest.raises(InputError, match="cannot be read as a SALT model"):
        load_source(str(folder))
    (folder / "salt2_template_1.dat").unlink()
    with pytest.raises(InputError, match=r"lacks the file salt2_template_1\.dat"):
        find_model(folder)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (None, "must say how bands g r were observed"),
        ("decam1999", "speclite has no filter 'decam1999-g'"),
        ("g=decam2014-g", "names no filter for the band 'r'"),
    ],
)
def test_unknown_filters_are_refused(filters: str | None, message: str) -> None:
    pytest.importorskip("speclite")
    with pytest.raises(InputError, match=message):
        filter_names(filters, ("g", "r"))


def test_filters_are_a_group_or_one_per_band() -> None:
    pytest.importorskip("speclite")
    assert filter_names("decam2014", ("g", "r")) == ("decam2014-g", "decam2014-r")
    assert filter_names("a=decam2014-g, b=sdss2010-r", ("a", "b")) == ("decam2014-g", "sdss2010-r")
