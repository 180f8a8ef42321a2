import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    read_predictions,
    write_predictions,
)

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=12)


def assert_same(found: Predictions, expected: Predictions) -> None:
    assert found.info == expected.info
    np.testing.assert_array_equal(found.object_id, expected.object_id)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.values.dtype == np.float32
    if expected.truth is None:
        assert found.truth is None
    else:
        np.testing.assert_array_equal(found.truth, expected.truth)


@st.composite
def any_predictions(draw: st.DrawFn) -> Predictions:
    ids = draw(st.lists(PRINTABLE, min_size=1, max_size=15, unique=True))
    n, k = len(ids), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mass = rng.dirichlet(np.full(k, 0.5), size=n)
    origin = draw(st.sampled_from([{"member": "0007-f2", "fold": 2}, {"bundle": "ensemble"}]))
    if draw(st.booleans()):
        names = tuple(draw(st.lists(PRINTABLE, min_size=k, max_size=k, unique=True)))
        info = PredictionInfo(Classes(names), role="test", **origin)
        truth = np.array([*names, None], dtype=object)[[0, *rng.integers(-1, k, n - 1)]]
        return Predictions(info, np.array(ids), truth, mass.astype(np.float32))
    edges = np.cumsum(rng.uniform(0.01, 1.0, k + 1))
    info = PredictionInfo(RedshiftBins(tuple(edges.tolist())), survey="5f", **origin)
    redshift = np.where(rng.random(n) < 0.3, np.nan, rng.uniform(0, 1, n))
    redshift[0] = 0.1
    return Predictions(info, np.array(ids), redshift, (mass / np.diff(edges)).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(predictions=any_predictions())
def test_predictions_of_both_kinds_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, predictions: Predictions
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.parquet"
    write_predictions(predictions, path)
    assert_same(read_predictions(path), predictions)


def test_a_file_has_the_three_columns_and_one_key_of_metadata(make_predictions, tmp_path: Path) -> None:
    write_predictions(make_predictions(role="validation", fold=3), tmp_path / "p.parquet")
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert schema.names == ["object_id", "truth", "probability"]
    assert schema.field("probability").type == pa.list_(pa.float32(), 2)
    assert list(schema.metadata) == [b"rookery"]
    assert json.loads(schema.metadata[b"rookery"]) == {
        "kind": "class_probability",
        "class_names": ["Ia", "non-Ia"],
        "member": "0001",
        "role": "validation",
        "fold": 3,
    }


def test_values_are_a_view_of_the_files_memory(make_predictions, tmp_path: Path) -> None:
    write_predictions(make_predictions(), tmp_path / "p.parquet")
    values = read_predictions(tmp_path / "p.parquet").values
    assert not values.flags.owndata
    assert not values.flags.writeable


def test_rounded_probabilities_are_renormalised(make_predictions, tmp_path: Path) -> None:
    predictions = make_predictions([0.333])
    rounded = replace(predictions, truth=None, values=np.array([[0.333, 0.6665]], dtype=np.float32))
    write_predictions(rounded, tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet").values
    np.testing.assert_allclose(read, [[0.333 / 0.9995, 0.6665 / 0.9995]], rtol=1e-6)


def test_objects_without_any_truth_have_none(make_predictions, tmp_path: Path) -> None:
    write_predictions(make_predictions(truth=[None, None, np.nan]), tmp_path / "p.parquet")
    assert read_predictions(tmp_path / "p.parquet").truth is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"object_id": np.array(["a", "b", "a"])}, r"row 2: every `object_id` must occur once.* row 0"),
        ({"object_id": np.array(["a", "", "c"])}, r"row 1: `object_id` must be non-empty text"),
        ({"object_id": np.array([], dtype=str)}, "at least one object"),
        ({"truth": np.array(["Ia", "II", None], dtype=object)}, r"row 1: must be one of Ia, non-Ia.* 'II'"),
        ({"truth": np.array(["Ia"], dtype=object)}, "`truth` must hold one value for each of 3"),
        ({"values": np.full((3, 3), 1 / 3)}, r"2 values for each of 3 objects.*\(3, 3\)"),
        (
            {"values": [[0.5, 0.5], [np.nan, 1], [1, 0]]},
            r"row 1 \(object SN1\): .*finite.*column 0 holds nan",
        ),
        ({"values": [[0.5, 0.5], [np.inf, 1], [1, 0]]}, r"row 1 .*finite.*column 0 holds inf"),
        ({"values": [[0.5, 0.5], [1, 0], [-0.25, 1.25]]}, r"row 2 \(object SN2\): .*negative.*-0.25"),
        ({"values": [[0.5, 0.25], [1, 0], [0, 1]]}, r"row 0 \(object SN0\): .*sum to 1.*0.75"),
    ],
)
def test_invalid_arrays_are_refused_and_leave_no_file(make_predictions, tmp_path, change, message) -> None:
    with pytest.raises(InputError, match=rf"p\.parquet.*{message}"):
        write_predictions(replace(make_predictions(), **change), tmp_path / "p.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": Classes(("Ia", "Ia"))}, "two or more different"),
        ({"bundle": "b"}, "exactly one of `member` and `bundle`"),
        ({"member": None}, "exactly one of `member` and `bundle`"),
        ({"role": "exam"}, "train, validation, test, unlabelled, but found 'exam'"),
        ({"fold": -1}, "`fold` must be 0 or more"),
        ({"target": RedshiftBins((0.0, 0.2, 0.2))}, "increase.* at 1"),
    ],
)
def test_invalid_information_is_refused(make_predictions, tmp_path: Path, change, message) -> None:
    predictions = make_predictions()
    with pytest.raises(InputError, match=message):
        write_predictions(
            replace(predictions, info=replace(predictions.info, **change)), tmp_path / "p.parquet"
        )


def test_a_pdf_must_integrate_to_one_over_its_bins(tmp_path: Path) -> None:
    info = PredictionInfo(RedshiftBins((0.0, 0.1, 0.4)), member="0001")
    mass_instead_of_density = np.array([[0.5, 0.5]], dtype=np.float32)
    predictions = Predictions(info, np.array(["G1"]), np.array([0.2]), mass_instead_of_density)
    with pytest.raises(InputError, match=r"row 0 \(object G1\): the PDF must integrate to 1 .* 0\.2$"):
        write_predictions(predictions, tmp_path / "p.parquet")


def test_an_infinite_redshift_is_refused(tmp_path: Path) -> None:
    info = PredictionInfo(RedshiftBins((0.0, 0.5, 1.0)), member="0001")
    predictions = Predictions(info, np.array(["G1"]), np.array([np.inf]), np.ones((1, 2), np.float32))
    with pytest.raises(InputError, match="row 0: `truth` must be a finite redshift, but found inf"):
        write_predictions(predictions, tmp_path / "p.parquet")


def test_a_missing_file_is_reported_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.parquet: must be predictions, but does not exist$"):
        read_predictions(tmp_path / "absent.parquet")


@pytest.mark.parametrize("content", [b"", b"object_id,truth,probability\n", b"PAR1"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"p\.parquet: must be an undamaged Parquet file"):
        read_predictions(tmp_path / "p.parquet")


def test_a_table_is_told_from_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("object_id,p_Ia\n")
    with pytest.raises(InputError, match=r"p\.csv: is no prediction file, .* through `rookery combine`"):
        read_predictions(tmp_path / "p.csv")


@settings(max_examples=25, deadline=None)
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused_wherever_it_was_cut(make_predictions, tmp_path_factory, kept) -> None:
    path = tmp_path_factory.getbasetemp() / "truncated.parquet"
    write_predictions(make_predictions(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match=r"truncated\.parquet: must be an undamaged Parquet file"):
        read_predictions(path)


def test_an_altered_value_is_found_by_the_pages_checksum(make_predictions, tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_predictions(make_predictions(), path)
    data = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(0).column(2).data_page_offset
    size = pq.read_metadata(path).row_group(0).column(2).total_compressed_size
    data[start + size - 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="undamaged Parquet file"):
        read_predictions(path)


def rewrite(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)


@pytest.fixture
def written(make_predictions, tmp_path: Path) -> tuple[Path, pa.Table]:
    write_predictions(make_predictions(), tmp_path / "p.parquet")
    return tmp_path / "p.parquet", pq.read_table(tmp_path / "p.parquet")


@pytest.mark.parametrize("column", ["object_id", "truth", "probability"])
def test_a_missing_column_is_named_with_those_that_exist(written, column: str) -> None:
    path, table = written
    rewrite(path, table.drop_columns([column]))
    with pytest.raises(InputError, match=rf"there must be one column `{column}`; the columns are "):
        read_predictions(path)


def test_a_wrong_number_of_bins_is_refused(written) -> None:
    path, table = written
    three = pa.FixedSizeListArray.from_arrays(pa.array(np.full(9, 1 / 3, np.float32)), 3)
    rewrite(path, table.set_column(2, "probability", three))
    with pytest.raises(InputError, match=r"`probability` must be fixed_size_list.*\[2\], but is .*\[3\]"):
        read_predictions(path)


def test_a_column_of_another_type_is_refused(written) -> None:
    path, table = written
    rewrite(path, table.set_column(0, "object_id", pa.array([1, 2, 3])))
    with pytest.raises(InputError, match="column `object_id` must be string, but is int64"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("position", "name", "column"),
    [
        (0, "object_id", pa.array(["a", None, "c"])),
        (2, "probability", pa.array([[1, 0], None, [0, 1]], pa.list_(pa.float32(), 2))),
        (2, "probability", pa.array([[1, 0], [None, 1], [0, 1]], pa.list_(pa.float32(), 2))),
    ],
)
def test_nulls_are_refused(written, position: int, name: str, column: pa.Array) -> None:
    path, table = written
    rewrite(path, table.set_column(position, name, column))
    with pytest.raises(InputError, match=f"column `{name}` must not hold nulls, but holds 1"):
        read_predictions(path)


def test_duplicate_objects_and_nan_in_a_foreign_file_are_refused(written) -> None:
    path, table = written
    rewrite(path, table.set_column(0, "object_id", pa.array(["a", "b", "b"])))
    with pytest.raises(InputError, match=r"p\.parquet, row 2: every `object_id` must occur once"):
        read_predictions(path)
    nan = pa.FixedSizeListArray.from_arrays(pa.array(np.array([1, 0, np.nan, 1, 0, 1], np.float32)), 2)
    rewrite(path, table.set_column(2, "probability", nan))
    with pytest.raises(InputError, match=r"p\.parquet, row 1 \(object SN1\): values must be finite"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "must have the key `rookery`"),
        ("{", "metadata `rookery`: is not valid JSON"),
        ("[1]", r"must be a mapping of keys to values, but found \[1\]"),
        ("{}", "the key `kind` is missing"),
        ('{"kind": 3}', "key `kind`: must be text, but found 3"),
        (
            '{"kind": "class_probability", "classes": []}',
            "unknown key `classes`; the keys are kind, class_names",
        ),
        ('{"kind": "magic"}', "`kind` must be one of class_probability, redshift_pdf, but found 'magic'"),
        (
            '{"kind": "redshift_pdf", "class_names": ["a", "b"]}',
            "must come with `bin_edges` and without `class_names`",
        ),
        (
            '{"kind": "class_probability", "class_names": ["a", "b"], "bin_edges": [0, 1]}',
            "must come with `class_names` and without `bin_edges`",
        ),
        ('{"kind": "class_probability", "class_names": ["a", "a"]}', "two or more different"),
        ('{"kind": "class_probability", "class_names": "Ia"}', "key `class_names`: must be a list"),
        ('{"kind": "class_probability", "class_names": ["Ia", 1]}', r"`class_names`\[1\]: must be text"),
        (
            '{"kind": "class_probability", "class_names": ["a", "b"], "member": "m", "fold": true}',
            "whole number",
        ),
    ],
)
def test_wrong_metadata_is_refused_with_its_key(written, metadata: str | None, message: str) -> None:
    path, table = written
    rewrite(path, table.replace_schema_metadata({"rookery": metadata} if metadata else None))
    with pytest.raises(InputError, match=message):
        read_predictions(path)


@pytest.mark.parametrize("name", ["out.csv", "out", "out.parquet.gz", ".parquet"])
def test_predictions_are_not_written_under_the_name_of_another_format(
    make_predictions, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match=r"name must end in \.parquet, but ends in"):
        write_predictions(make_predictions(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
