import logging
from pathlib import Path

import pytest
import yaml

from rookery.inference import predict_survey
from rookery.surveys import Survey, write_survey
from rookery.training.member import train_member
from rookery_ensembles import Bundle, BundleMember, InputError, load_bundle, write_bundle


@pytest.fixture(scope="module")
def bundle(make_job, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    job = make_job(configuration={"epochs": 1})
    train_member(job, folder / "0000", folder / "running", lambda *_: None)
    return write_bundle(
        folder / "bundle",
        members=[BundleMember("0000", folder / "0000", 1.0)],
        target=job.target,
        bands=["g", "r", "i", "z"],
        scores={},
        provenance={},
    )


def renamed(survey: Survey, folder: Path, bands: dict[str, str]) -> Survey:
    """Write a survey's observations in some of its bands, under other names."""
    arrays = survey.observation_arrays()
    frame = survey.objects["object_id"].iloc[arrays.object_index].to_frame().assign(mjd=arrays.mjd)
    frame["band"] = [survey.bands[index] for index in arrays.band_index]
    frame = frame.assign(flux=arrays.flux, flux_err=arrays.flux_err)
    frame = frame[frame["band"].isin(bands)].replace({"band": bands})
    objects = survey.objects[survey.objects["object_id"].isin(frame["object_id"])]
    return write_survey(
        folder,
        name="x",
        bands=list(bands.values()),
        objects=objects.reset_index(drop=True),
        observations=frame,
    )


def test_a_bundle_tells_its_bands_and_which_a_survey_lacks(bundle):
    assert yaml.safe_load((bundle.path / "ensemble.yaml").read_text())["bands"] == ["g", "r", "i", "z"]
    assert load_bundle(bundle.path).lacking_bands(("g", "i", "y")) == ("r", "z")


def test_prediction_names_bands_that_a_survey_lacks_or_has_beside(bundle, tiny_survey, tmp_path, caplog):
    survey = renamed(tiny_survey, tmp_path / "survey", {"g": "g", "r": "r", "z": "W"})
    with caplog.at_level(logging.WARNING):
        predict_survey(bundle.path, survey.path, tmp_path / "all.parquet", allow_missing_bands=True)
    assert "lacks bands i, z; they count as unobserved" in caplog.text
    assert "bands W are unknown to the ensemble and not used" in caplog.text


def test_a_survey_of_foreign_bands_alone_is_refused(bundle, tiny_survey, tmp_path):
    survey = renamed(tiny_survey, tmp_path / "survey", {"g": "B", "r": "W"})
    with pytest.raises(
        InputError, match=r"none of the bands .*trained on \(g, r, i, z\); its bands are B, W"
    ):
        predict_survey(bundle.path, survey.path, tmp_path / "all.parquet")


def test_a_bundle_written_before_bundles_told_their_bands_still_predicts(bundle, tiny_survey, tmp_path):
    old = write_bundle(
        tmp_path / "old", members=bundle.members, target=bundle.target, scores={}, provenance={}
    )
    assert old.bands is None
    assert predict_survey(old.path, tiny_survey.path, tmp_path / "all.parquet").values.shape[1] == 2
