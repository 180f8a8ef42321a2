"""A search whose objects to classify are those of another survey: `rookery search --target`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery.search.target_survey import with_target
from rookery.surveys import Survey, open_split, simulate_supernovae, split_survey, write_survey
from rookery_ensembles.errors import InputError


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return simulate_supernovae(tmp_path_factory.mktemp("target") / "other", n=40, seed=2)


def test_the_labelled_learn_and_the_target_is_classified(
    tiny_survey: Survey, other: Survey, tmp_path: Path
) -> None:
    found = with_target(tiny_survey.path, "half", other.path, tmp_path / "study")
    assert found.path == tmp_path / "study-survey"
    kept, split = open_split(tiny_survey, "half"), open_split(found, "half")
    learn = ~np.isin(kept.role, ["test", "unlabelled"])
    assert split.role[: learn.sum()].tolist() == kept.role[learn].tolist()
    assert set(split.role[learn.sum() :]) == {"test"}
    assert len(found) == learn.sum() + 40
    assert found.objects["object_id"].str.partition(":")[0].unique().tolist() == ["labelled", "target"]


def test_it_is_made_once_and_never_of_others(tiny_survey: Survey, other: Survey, tmp_path: Path) -> None:
    what = tiny_survey.path, "folds", other.path, tmp_path / "study"
    made = with_target(*what)
    written = (made.path / "survey.json").stat().st_mtime_ns
    (made.path / "splits" / "folds.parquet").unlink()
    again = with_target(*what)
    assert (again.checksum, (again.path / "survey.json").stat().st_mtime_ns) == (made.checksum, written)
    assert open_split(again, "folds").n_folds == 3
    third = simulate_supernovae(tmp_path / "third", n=20, seed=3)
    with pytest.raises(InputError, match=r"study-survey: is there, and was not made of .*tiny and .*third"):
        with_target(tiny_survey.path, "folds", third.path, tmp_path / "study")
    with pytest.raises(InputError, match=r"study-survey/splits/half.parquet: no such split"):
        open_split(again, "half")


def test_a_split_that_was_made_anew_is_another_one(other: Survey, tmp_path: Path) -> None:
    survey = simulate_supernovae(tmp_path / "sky", n=60, seed=4)
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    with_target(survey.path, "half", other.path, tmp_path / "study")
    split_survey(survey, "half", train_fraction=0.5, seed=2, overwrite=True)
    with pytest.raises(InputError, match=r"was made with another split half of .*sky"):
        with_target(survey.path, "half", other.path, tmp_path / "study")


def test_what_cannot_be_a_target_is_one_error(tiny_survey: Survey, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: is not a survey: it has no survey.json"):
        with_target(tiny_survey.path, "half", tmp_path / "empty", tmp_path / "study")
    with pytest.raises(InputError, match="--target must be another survey than"):
        with_target(tiny_survey.path, "half", tiny_survey.path, tmp_path / "study")
    with pytest.raises(InputError, match="s3://bucket/study: --target needs a study in a folder"):
        with_target(tiny_survey.path, "half", tmp_path / "empty", "s3://bucket/study")
    for bands, rule in (
        (["DES-g", "r"], "has the band 'g' and .*other 'DES-g'"),
        (["u", "y"], r"must share a band with the other surveys \(g r i z\), but has u y"),
    ):
        target = light_curves(tmp_path / "-".join(bands) / "other", bands)
        with pytest.raises(
            InputError, match=f"--target .*other: .*{rule}.*; `rookery merge .* --split half`"
        ):
            with_target(tiny_survey.path, "half", target.path, tmp_path / "study")
    assert not (tmp_path / "study-survey").exists()


def light_curves(path: Path, bands: list[str]) -> Survey:
    objects = pd.DataFrame({"object_id": ["a"], "type": [None], "redshift": [np.nan]})
    observations = pd.DataFrame(
        {"object_id": "a", "band": bands, "mjd": 56000.0, "flux": 9.0, "flux_err": 1.0}
    )
    path.parent.mkdir()
    return write_survey(path, name="other", bands=bands, objects=objects, observations=observations)
