"""The baseline B16: folds, missing magnitudes, other bands, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import api
from rookery.baselines._photometry import EXTINCTION, colour_features, reference_band
from rookery.surveys import Survey, new_galaxy_survey, open_survey, split_survey, write_survey
from rookery_ensembles import read_predictions
from rookery_ensembles.errors import InputError
from rookery_ensembles.redshift_pdf import z_mean

BANDS = ("u", "g", "r", "i", "z")


def galaxies(n: int = 400, bands: tuple[str, ...] = BANDS) -> pd.DataFrame:
    """Galaxies whose redshift is linear in their first colour: 0.1 + 0.1 (colour - 1)."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"object_id": [f"g{i}" for i in range(n)]})
    for band in bands:
        frame[f"mag_{band}"] = rng.normal(18, 0.5, n)
    frame[f"mag_{bands[0]}"] = frame[f"mag_{bands[1]}"] + rng.uniform(0.5, 2.5, n)
    frame["redshift"] = 0.1 + 0.1 * (frame[f"mag_{bands[0]}"] - frame[f"mag_{bands[1]}"] - 1)
    return frame


def write(path: Path, frame: pd.DataFrame, bands: tuple[str, ...] = BANDS, **split: object) -> Survey:
    with new_galaxy_survey(path, name="linear", bands=bands) as writer:
        writer.finish(objects=frame)
    survey = open_survey(path)
    split_survey(survey, "s", **(split or {"folds": 4}))
    return survey


def estimates(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "b16-estimates.parquet")


def test_every_training_object_is_predicted_from_the_other_folds(tmp_path):
    frame = galaxies()
    survey = write(tmp_path / "survey", frame)
    api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s")
    found, table = read_predictions(tmp_path / "b16.parquet"), estimates(tmp_path)
    assert found.object_id.tolist() == table["object_id"].tolist() == frame["object_id"].tolist()
    assert (found.info.role, found.info.member) == ("validation", "baseline-b16")
    np.testing.assert_array_equal(found.truth, frame["redshift"])
    np.testing.assert_allclose(table["z_phot"], frame["redshift"], atol=1e-9)
    np.testing.assert_allclose(
        z_mean(found.values, found.info.target.edges), frame["redshift"], atol=0.4 / 180
    )
    assert set(table["fold"]) == {0, 1, 2, 3}


def test_an_object_never_trains_its_own_prediction(tmp_path):
    frame = galaxies(200)
    frame["redshift"] = 0.1
    frame.loc[5, "redshift"] = 0.35
    survey = write(tmp_path / "survey", frame)
    api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s")
    assert estimates(tmp_path)["z_phot"][5] == pytest.approx(0.1)


def test_test_objects_are_predicted_from_all_that_train(tmp_path):
    frame = galaxies()
    survey = write(tmp_path / "survey", frame, train_fraction=0.5)
    predictions = api.baseline(
        "b16", tmp_path / "b16.parquet", survey=survey.path, split="s", bins=(0, 0.5, 50)
    )
    assert (predictions.info.role, len(predictions.object_id)) == ("test", 200)
    assert predictions.info.target.edges == pytest.approx(np.linspace(0, 0.5, 51))
    table = estimates(tmp_path)
    assert (table["fold"] == -1).all()
    merged = table.merge(frame, on="object_id")
    np.testing.assert_allclose(merged["z_phot"], merged["redshift"], atol=1e-9)


def test_test_objects_beside_folds_stand_in_the_same_file(tmp_path):
    survey = write(tmp_path / "survey", galaxies(), train_fraction=0.5, folds=2)
    both = api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s")
    assert (both.info.role, len(both.object_id)) == (None, 400)
    folds = api.baseline(
        "b16", tmp_path / "b16.parquet", survey=survey.path, split="s", role="validation", overwrite=True
    )
    assert (folds.info.role, len(folds.object_id)) == ("validation", 200)


def test_missing_magnitudes_leave_the_bands_that_are_known(tmp_path):
    frame = galaxies()
    frame.loc[:9, "mag_z"] = np.nan
    frame.loc[10:19, [f"mag_{band}" for band in BANDS]] = np.nan
    survey = write(tmp_path / "survey", frame)
    predictions = api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s")
    table = estimates(tmp_path)
    assert (table["bands"][:10] == "u,g,r,i").all()
    np.testing.assert_allclose(table["z_phot"][:10], frame["redshift"][:10], atol=1e-9)
    blind = table[10:20]
    assert (blind["bands"] == "").all()
    assert blind["extrapolated"].all()
    assert (blind["n_neighbours"] == 0).all()
    np.testing.assert_allclose(blind["z_phot"], frame["redshift"].mean(), atol=0.01)
    assert np.isfinite(predictions.values).all()


def test_other_bands_have_their_middle_one_for_a_magnitude(tmp_path):
    bands = ("Y", "J", "H", "K")
    assert reference_band(bands) == "H"
    assert colour_features(np.array([[4.0, 3.0, 2.0, 0.0]]), bands).tolist() == [[2.0, 1.0, 1.0, 2.0]]
    frame = galaxies(bands=bands)
    survey = write(tmp_path / "survey", frame, bands)
    api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s")
    np.testing.assert_allclose(estimates(tmp_path)["z_phot"], frame["redshift"], atol=1e-9)


def test_dereddening_takes_the_dust_away(tmp_path):
    frame = galaxies()
    frame["mwebv"] = np.random.default_rng(1).uniform(0, 0.3, len(frame))
    for band in BANDS:
        frame[f"mag_{band}"] += EXTINCTION[band] * frame["mwebv"]
    survey = write(tmp_path / "survey", frame)
    api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s", deredden=True)
    np.testing.assert_allclose(estimates(tmp_path)["z_phot"], frame["redshift"], atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"role": "train"}, "predicts objects of the role test, unlabelled, validation, not 'train'"),
        ({"role": "unlabelled"}, "must have objects of the role 'unlabelled'"),
        ({"redshift": "host_photo_z"}, "takes no `redshift`"),
        ({"bins": (0.4, 0.0, 10)}, "`low < high` must hold"),
        ({"deredden": True}, "has no covariate `mwebv`"),
        ({"filters": "decam2014"}, "takes no `filters`"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, options, message):
    survey = write(tmp_path / "survey", galaxies(60))
    with pytest.raises(InputError, match=message.replace("'", ".")):
        api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s", **options)
    assert not (tmp_path / "b16.parquet").exists()


def test_too_few_training_objects_are_refused(tmp_path):
    survey = write(tmp_path / "survey", galaxies(12), folds=2)
    with pytest.raises(InputError, match="at least 10 objects of known redshift must train, but 6 do"):
        api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s")


def test_light_curves_are_refused(tmp_path):
    objects = pd.DataFrame({"object_id": [f"o{i}" for i in range(8)], "type": ["Ia", "II"] * 4})
    points = {"object_id": objects["object_id"], "mjd": 56000.0, "band": "r", "flux": 1.0, "flux_err": 1.0}
    survey = write_survey(
        tmp_path / "survey", name="sn", bands=["r"], objects=objects, observations=pd.DataFrame(points)
    )
    split_survey(survey, "s", train_fraction=0.5)
    with pytest.raises(InputError, match="redshifts are predicted of catalogue or images"):
        api.baseline("b16", tmp_path / "b16.parquet", survey=survey.path, split="s")
