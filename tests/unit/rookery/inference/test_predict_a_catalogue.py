"""A catalogue file is predicted as it is: by the training one's columns, with its own ids and columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rookery import api
from rookery.inference.catalogues import how_it_was_read
from rookery.surveys import Survey
from rookery.surveys.equal_bins import EqualBins
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import Bundle, BundleMember, InputError, write_bundle

COLUMNS = {"object_id": "objid", "redshift": "zspec", "mag_{band}": "m_{band}", "mag_err_{band}": "e_{band}"}


def catalogue(n: int, seed: int = 0, first: int = 1000) -> pd.DataFrame:
    """Galaxies whose colour tells their redshift, under names of this catalogue's own."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.02, 0.38, n)
    frame = pd.DataFrame(
        {"objid": np.arange(first, first + n), "zspec": z, "field": [f"F{i % 3}" for i in range(n)]}
    )
    for band, slope in (("u", 5.0), ("g", 3.0), ("r", 1.0)):
        frame[f"m_{band}"] = 17 + slope * z + rng.normal(0, 0.03, n)
        frame[f"e_{band}"] = 0.03
    return frame


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    folder = tmp_path_factory.mktemp("catalogue")
    catalogue(400).to_csv(folder / "training.csv", index=False)
    options: dict[str, Any] = {"columns": COLUMNS, "offsets": {"u": -0.04}, "missing": [55.5]}
    found = api.ingest_catalogue(folder / "training.csv", folder / "survey", **options).survey
    api.split(found.path, "half", train_fraction=0.5, seed=1)
    return found


@pytest.fixture(scope="module")
def bundle(survey: Survey, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    job = TrainingJob(
        member="0000", family="photoz_mlp", survey=str(survey.path), survey_checksum=survey.checksum,
        split="half", seed=1, redshift_bins=EqualBins(low=0, high=0.4, number=8),
        configuration={"epochs": 2, "hidden_layers": 1, "width": 8},
    )  # fmt: skip
    train_member(job, folder / "0000", folder / "running", lambda *_: None)
    members = [BundleMember("0000", folder / "0000", 1.0)]
    return write_bundle(
        folder / "bundle", members=members, target=job.target, bands=["u", "g", "r"], scores={},
        provenance=how_it_was_read(survey),
    )  # fmt: skip


def test_it_predicts_what_the_same_objects_get_in_a_survey_store(
    bundle: Bundle, survey: Survey, tmp_path: Path
) -> None:
    file = tmp_path / "new.csv"
    catalogue(400).to_csv(file, index=False)
    by_store = api.predict(bundle.path, survey.path, tmp_path / "store.parquet")
    by_file = api.predict(bundle.path, file, tmp_path / "file.parquet")
    np.testing.assert_array_equal(by_file.object_id, by_store.object_id)
    np.testing.assert_array_equal(by_file.values, by_store.values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.parquet", "new.csv", "store.parquet"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "fits"])
def test_the_table_has_the_users_ids_and_columns_and_needs_no_truth(
    ending: str, bundle: Bundle, tmp_path: Path
) -> None:
    new = catalogue(50, seed=2, first=7).drop(columns="zspec")
    new.loc[3, "m_g"] = 55.5  # missing, as it was in training
    if ending == "fits":
        from astropy.table import Table

        Table.from_pandas(new).write(tmp_path / "new.fits")
    else:
        (new.to_csv if ending == "csv" else new.to_parquet)(tmp_path / f"new.{ending}", index=False)
    api.predict(bundle.path, tmp_path / f"new.{ending}", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert out["objid"].tolist() == list(range(7, 57))
    assert out["field"].tolist() == new["field"].tolist()
    assert out["z_mean"].between(0, 0.4).all()
    assert "redshift" not in out
    assert "z_spec" not in out


def test_ids_that_are_text_stay_as_they_are(bundle: Bundle, tmp_path: Path) -> None:
    new = catalogue(20, seed=3)
    new["objid"] = [f"{i:04d}" for i in range(20)]
    new.to_csv(tmp_path / "new.csv", index=False)
    api.predict(bundle.path, tmp_path / "new.csv", tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv", dtype=str)["objid"].tolist() == new["objid"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"m_g": "mg"},
            r"new\.csv: must have a column 'm_g' for mag_g; .*--allow-missing-bands.*did you mean 'mg'",
        ),
        ({"objid": "objID"}, r"must have a column 'objid' for object_id; .*did you mean 'objID'"),
    ],
)
def test_a_column_that_is_not_there_is_one_error(
    change: dict[str, str], message: str, bundle: Bundle, tmp_path: Path
) -> None:
    catalogue(20).rename(columns=change).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InputError, match=message):
        api.predict(bundle.path, tmp_path / "new.csv", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_a_bundle_that_learned_from_no_catalogue_says_what_to_do(bundle: Bundle, tmp_path: Path) -> None:
    silent = write_bundle(
        tmp_path / "silent", members=bundle.members, target=bundle.target, scores={}, provenance={},
        bands=["u", "g", "r"],
    )  # fmt: skip
    catalogue(5).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(
        InputError, match=r"new\.csv: is a catalogue, but the bundle does not tell.*rookery ingest"
    ):
        api.predict(silent.path, tmp_path / "new.csv", tmp_path / "out.csv")
