"""A catalogue file is predicted as it is: by the training one's columns, with its own ids and columns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catalogues import catalogue
from rookery import api
from rookery.inference.catalogues import how_it_was_read
from rookery.surveys import Survey
from rookery_ensembles import Bundle, InputError, write_bundle


def test_it_predicts_what_the_same_objects_get_in_a_survey_store(
    catalogue_bundle: Bundle, catalogue_survey: Survey, tmp_path: Path
) -> None:
    file = tmp_path / "new.csv"
    catalogue(400).to_csv(file, index=False)
    by_store = api.predict(catalogue_bundle.path, catalogue_survey.path, tmp_path / "store.parquet")
    by_file = api.predict(catalogue_bundle.path, file, tmp_path / "file.parquet")
    np.testing.assert_array_equal(by_file.object_id, by_store.object_id)
    np.testing.assert_array_equal(by_file.values, by_store.values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.parquet", "new.csv", "store.parquet"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "fits"])
def test_the_table_has_the_users_ids_and_columns_and_needs_no_truth(
    ending: str, catalogue_bundle: Bundle, tmp_path: Path
) -> None:
    new = catalogue(50, seed=2, first=7).drop(columns="zspec")
    new.loc[3, "m_g"] = 55.5  # missing, as it was in training
    if ending == "fits":
        from astropy.table import Table

        Table.from_pandas(new).write(tmp_path / "new.fits")
    else:
        (new.to_csv if ending == "csv" else new.to_parquet)(tmp_path / f"new.{ending}", index=False)
    api.predict(catalogue_bundle.path, tmp_path / f"new.{ending}", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert out["objid"].tolist() == list(range(7, 57))
    assert out["field"].tolist() == new["field"].tolist()
    assert out["z_mean"].between(0, 0.4).all()
    assert "redshift" not in out
    assert "z_spec" not in out


def test_ids_that_are_text_stay_as_they_are(catalogue_bundle: Bundle, tmp_path: Path) -> None:
    new = catalogue(20, seed=3)
    new["objid"] = [f"{i:04d}" for i in range(20)]
    new.to_csv(tmp_path / "new.csv", index=False)
    api.predict(catalogue_bundle.path, tmp_path / "new.csv", tmp_path / "out.csv")
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
    change: dict[str, str], message: str, catalogue_bundle: Bundle, tmp_path: Path
) -> None:
    catalogue(20).rename(columns=change).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InputError, match=message):
        api.predict(catalogue_bundle.path, tmp_path / "new.csv", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_a_bundle_that_learned_from_no_catalogue_says_what_to_do(
    catalogue_bundle: Bundle, tmp_path: Path
) -> None:
    silent = write_bundle(
        tmp_path / "silent", members=catalogue_bundle.members, target=catalogue_bundle.target, scores={},
        provenance={}, bands=["u", "g", "r"],
    )  # fmt: skip
    catalogue(5).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(
        InputError, match=r"new\.csv: is no survey store, and the bundle does not tell.*rookery ingest"
    ):
        api.predict(silent.path, tmp_path / "new.csv", tmp_path / "out.csv")


def test_light_curves_in_a_table_are_no_catalogue_also_where_an_older_bundle_says_so(
    class_bundle: Bundle, tmp_path: Path
) -> None:
    file = tmp_path / "curves.csv"
    row = {"object_id": "a", "mjd": [1.0, 2.0], "band": "g", "flux": 3.0, "flux_err": 1.0, "type": "Ia"}
    pd.DataFrame(row).to_csv(file, index=False)
    survey = api.ingest_table(file, tmp_path / "survey").survey
    assert how_it_was_read(survey) == {}
    told = {"catalogue": {"columns": survey.info.provenance["columns"]}}
    older = write_bundle(
        tmp_path / "older", members=class_bundle.members, target=class_bundle.target, scores={},
        provenance=told, bands=class_bundle.bands,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"curves\.csv: is no survey store, .*`rookery ingest`"):
        api.predict(older.path, file, tmp_path / "out.csv")
