import errno
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rookery.surveys import Survey, open_survey, write_survey
from rookery.surveys._document import survey_checksum
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import sha256

BANDS = ["g", "r", "i"]


def objects(**changes: list) -> pd.DataFrame:
    columns = {
        "object_id": ["b", "a", "c"],
        "type": ["Ia", "II", None],
        "redshift": [0.1, 0.2, np.nan],
        "mwebv": [0.01, np.nan, 0.03],
    }
    return pd.DataFrame({**columns, **changes})


def observations(**changes: list) -> pd.DataFrame:
    columns = {
        "object_id": ["a", "b", "b", "c", "b"],
        "mjd": [56001.5, 56003.0, 56001.0, 56009.0, 56001.0],
        "band": ["r", "g", "r", "i", "g"],
        "flux": [10.0, 20.0, -3.0, 1.0, 30.0],
        "flux_err": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
    return pd.DataFrame({**columns, **changes})


def write(path: Path, **changes: object) -> Survey:
    arguments = {"name": "tiny", "bands": BANDS, "objects": objects(), "observations": observations()}
    return write_survey(path, **{**arguments, **changes})


def reseal(path: Path) -> None:
    """Make the document agree with altered tables again, as a careless program would."""
    document = json.loads((path / "survey.json").read_text())
    document["files"] = {name: sha256(path / name) for name in document["files"]}
    document["checksum"] = survey_checksum(document["files"], document["bands"])
    (path / "survey.json").write_text(json.dumps(document))


def alter(path: Path, column: str, values: list, table: str = "observations.parquet") -> None:
    frame = pq.read_table(path / table)
    position = frame.column_names.index(column)
    altered = pa.array(values, frame.schema.field(column).type)
    pq.write_table(frame.set_column(position, column, altered), path / table)
    reseal(path)


def test_written_survey_reads_back_sorted_by_object_then_time(tmp_path):
    survey = open_survey(write(tmp_path / "s").path)
    arrays = survey.observation_arrays()
    assert survey.bands == ("g", "r", "i")
    assert survey.objects["object_id"].tolist() == ["b", "a", "c"]
    assert survey.objects["type"].tolist() == ["Ia", "II", None]
    np.testing.assert_array_equal(arrays.object_index, [0, 0, 0, 1, 2])
    np.testing.assert_array_equal(arrays.mjd, [56001.0, 56001.0, 56003.0, 56001.5, 56009.0])
    np.testing.assert_array_equal(arrays.band_index, [0, 1, 0, 1, 2])
    np.testing.assert_array_equal(arrays.flux, np.float32([30, -3, 20, 10, 1]))
    np.testing.assert_array_equal(arrays.offsets, [0, 3, 4, 5])
    assert arrays.flux[arrays.rows(0)].tolist() == [30.0, -3.0, 20.0]
    types = (np.int32, np.float64, np.int8, np.float32, np.float32, np.int64)
    assert tuple(getattr(arrays, name).dtype.type for name in vars(arrays)) == types
    assert all(getattr(arrays, name).flags.writeable for name in vars(arrays)), (
        "torch warns about read-only arrays"
    )


def test_text_columns_of_observations_are_dictionary_encoded(tmp_path):
    schema = pq.read_schema(write(tmp_path / "s").path / "observations.parquet")
    assert all(pa.types.is_dictionary(schema.field(name).type) for name in ("object_id", "band"))


def test_covariates_are_neither_identity_nor_truth(tmp_path):
    survey = write(tmp_path / "s", objects=objects(source_file=["x", "y", "z"]))
    assert survey.covariates == ("mwebv",)


def test_truth_table_is_kept_apart(tmp_path):
    truth = pd.DataFrame({"object_id": ["b", "a", "c"], "sim_peak_mjd": [1.0, 2.0, 3.0]})
    survey = write(tmp_path / "s", truth=truth)
    assert survey.truth()["sim_peak_mjd"].tolist() == [1.0, 2.0, 3.0]
    assert "sim_peak_mjd" not in survey.objects.columns
    assert write(tmp_path / "without").truth() is None


def test_truth_among_covariates_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"objects\.parquet: column 'sim_peak_mjd' is truth"):
        write(tmp_path / "s", objects=objects(sim_peak_mjd=[1.0, 2.0, 3.0]))


def test_truth_of_other_objects_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"truth\.parquet: must have the objects of the object table"):
        write(tmp_path / "s", truth=pd.DataFrame({"object_id": ["a", "b", "c"]}))


def test_objects_without_detection_are_kept_counted_and_logged(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        survey = write(tmp_path / "s")
    assert survey.info.counts == {
        "objects": 3,
        "observations": 5,
        "without_detection": 1,
        "by_type": {"II": 1, "Ia": 1, "unknown": 1},
    }
    assert "1 of 3 objects have no observation at 5 sigma or more" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"object_id": ["b", "a", "b"]}, r"row 2: object ids must be unique, but 'b' is repeated"),
        ({"object_id": ["b", "a", None]}, r"row 2: 'object_id' must not be missing"),
        ({"object_id": ["b", "a", ""]}, r"row 2: 'object_id' must not be empty"),
        ({"type": ["", "a", "b"]}, r"row 0: 'type' must not be empty"),
        ({"mwebv": [0.0, np.inf, 0.0]}, r"row 1: 'mwebv' must be finite or missing, but is infinite"),
        ({"mwebv": ["x", "y", "z"]}, r"column 'mwebv' must be numbers"),
    ],
)
def test_broken_object_rows_are_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"objects\.parquet: {message}"):
        write(tmp_path / "s", objects=objects(**changes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"flux": [10.0, np.nan, 1, 1, 1]},
            r"row 2 \(object 'b', mjd 56003.0\): 'flux' must be finite, but is nan",
        ),
        ({"flux": [10.0, 1, 1, 1e39, 1]}, r"object 'c'.*'flux' must be finite, but is inf"),
        ({"flux_err": [1.0, 1, 1, 1, 0]}, r"object 'b'.*'flux_err' must be finite and positive, but is 0.0"),
        (
            {"flux_err": [-1.0, 1, 1, 1, 1]},
            r"object 'a'.*'flux_err' must be finite and positive, but is -1.0",
        ),
        ({"mjd": [np.inf, 1, 1, 1, 1]}, r"object 'a'.*'mjd' must be finite and positive, but is inf"),
        ({"band": ["r", "g", "u", "i", "g"]}, r"row 2: 'band' must be one of g, r, i, but is 'u'"),
        ({"object_id": ["a", "b", "b", "c", "d"]}, r"row 4: 'object_id' must be an object of .* but is 'd'"),
        ({"object_id": ["a", "b", "b", "b", "b"]}, r"every object must have observations, but 'c' has none"),
        ({"band": ["r", "g", None, "i", "g"]}, r"row 2: 'band' must not be missing"),
    ],
)
def test_broken_observations_are_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"observations\.parquet: .*{message}"):
        write(tmp_path / "s", observations=observations(**changes))
    assert list(tmp_path.iterdir()) == []


def test_missing_column_is_named_with_those_that_exist(tmp_path):
    with pytest.raises(
        InputError, match="must have a column 'flux_err'; its columns are object_id, mjd, band, flux"
    ):
        write(tmp_path / "s", observations=observations().drop(columns="flux_err"))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("flux", [1, np.nan, 1, 1, 1], r"row 1 .*'flux' must be finite, but is nan"),
        ("flux_err", [1, 1, 1, 1, -9], r"row 4 .*'flux_err' must be finite and positive, but is -9.0"),
        ("mjd", [56001.0, 56001.0, 56000.0, 1.0, 1.0], r"row 2: rows must be sorted"),
        ("band", ["g", "Y", "g", "g", "g"], r"row 1: 'band' must be one of g, r, i, but is 'Y'"),
        ("object_id", ["b", "b", "b", "a", "q"], r"row 4: 'object_id' must be an object of .* but is 'q'"),
        ("object_id", ["b", "b", "b", "c", "a"], r"row 4: rows must be sorted"),
        ("flux", [1, None, 1, 1, 1], r"row 1: 'flux' must not be null"),
    ],
)
def test_opening_checks_every_row_even_when_the_checksum_agrees(tmp_path, column, values, message):
    path = write(tmp_path / "s").path
    alter(path, column, values)
    with pytest.raises(InputError, match=rf"observations\.parquet: {message}"):
        open_survey(path)


def test_opening_refuses_repeated_object_ids(tmp_path):
    path = write(tmp_path / "s").path
    alter(path, "object_id", ["a", "a", "c"], table="objects.parquet")
    with pytest.raises(InputError, match=r"objects\.parquet: row 1: object ids must be unique, but 'a'"):
        open_survey(path)


def test_opening_checks_the_schema_even_unverified(tmp_path):
    path = write(tmp_path / "s").path
    table = pq.read_table(path / "observations.parquet")
    pq.write_table(
        table.set_column(3, "flux", pa.array([1.0] * 5, pa.float64())), path / "observations.parquet"
    )
    survey = open_survey(path, verify=False)
    with pytest.raises(InputError, match="column 'flux' must have type float, but has double"):
        survey.observation_arrays()
    pq.write_table(pa.table({"object_id": ["a"]}), path / "objects.parquet")
    with pytest.raises(
        InputError, match=r"objects\.parquet: must have a column 'type'; its columns are object_id"
    ):
        open_survey(path, verify=False)


@pytest.mark.parametrize("name", ["objects.parquet", "observations.parquet"])
def test_altered_table_is_named(tmp_path, name):
    path = write(tmp_path / "s").path
    with (path / name).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(InputError, match=rf"{name}: was altered: its SHA-256 must be"):
        open_survey(path)


def test_missing_table_is_named(tmp_path):
    path = write(tmp_path / "s").path
    (path / "observations.parquet").unlink()
    with pytest.raises(InputError, match=r"observations\.parquet: is missing"):
        open_survey(path)


def test_swapped_bands_break_the_checksum(tmp_path):
    path = write(tmp_path / "s").path
    document = json.loads((path / "survey.json").read_text())
    document["bands"] = ["r", "g", "i"]
    (path / "survey.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="was altered: its checksum does not belong"):
        open_survey(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format_version", 2, r"key 'format_version': .*1.*, but found '2'"),
        ("kind", "spectra", r"key 'kind': .*light_curves"),
        ("bands", [], r"key 'bands': .*at least 1 item"),
        ("surprise", 1, r"key 'surprise': Extra inputs"),
    ],
)
def test_broken_document_names_key_and_value(tmp_path, key, value, message):
    path = write(tmp_path / "s").path
    document = json.loads((path / "survey.json").read_text())
    (path / "survey.json").write_text(json.dumps({**document, key: value}))
    with pytest.raises(InputError, match=rf"survey\.json: {message}"):
        open_survey(path)


def test_a_survey_that_is_not_there_is_told_the_one_that_is(tmp_path):
    write(tmp_path / "sne")
    with pytest.raises(InputError, match=r"snee: is not a survey: it does not exist; did you mean 'sne'\?"):
        open_survey(tmp_path / "snee")


def test_folder_that_is_no_survey_says_so(tmp_path):
    with pytest.raises(InputError, match=r"is not a survey: it has no survey\.json"):
        open_survey(tmp_path)
    (tmp_path / "survey.json").write_text("{")
    with pytest.raises(InputError, match="is not valid JSON"):
        open_survey(tmp_path)


def test_existing_folder_is_replaced_only_when_asked(tmp_path):
    first = write(tmp_path / "s")
    with pytest.raises(InputError, match="must not exist yet"):
        write(tmp_path / "s", bands=["g", "r", "i", "z"])
    assert open_survey(first.path).checksum == first.checksum
    assert write(tmp_path / "s", bands=["g", "r", "i", "z"], replace=True).bands == ("g", "r", "i", "z")


def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        write(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "s")


def test_repeated_bands_are_refused(tmp_path):
    with pytest.raises(InputError, match="bands must be unique"):
        write(tmp_path / "s", bands=["g", "g", "r", "i"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)), categorical=st.booleans())
def test_checksum_does_not_depend_on_the_order_of_rows(tmp_path, order, categorical):
    rows = observations().iloc[list(order)]
    if categorical:
        rows = rows.astype({"object_id": "category", "band": "category"})
    shuffled = write(tmp_path / "shuffled", observations=rows, replace=True)
    assert shuffled.checksum == write(tmp_path / "plain", replace=True).checksum
